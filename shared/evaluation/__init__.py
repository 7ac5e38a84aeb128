"""Pure functions that judge: metrics, confidence intervals, side-by-side comparison, timing."""

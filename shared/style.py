"""One look for all figures: light, quiet axes, colours that colour-blind readers can tell apart."""

from __future__ import annotations

from typing import Any

# Okabe and Ito's palette, darkest first: https://jfly.uni-koeln.de/color/
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def matplotlib_style() -> Any:
    """rcParams of the house; a run sets them around the demo."""
    from cycler import cycler

    return {
        "axes.prop_cycle": cycler(color=COLOURS),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": "#8a8f98",
        "axes.labelcolor": "#333842",
        "axes.titlelocation": "left",
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#e6e8ec",
        "grid.linewidth": 0.8,
        "xtick.color": "#555b66",
        "ytick.color": "#555b66",
        "figure.figsize": (8.0, 4.5),
        "figure.constrained_layout.use": True,
        "figure.facecolor": "white",
        "font.size": 10,
        "legend.frameon": False,
        "savefig.facecolor": "white",
        # The same figure gives the same bytes.
        "svg.hashsalt": "trendlab",
    }

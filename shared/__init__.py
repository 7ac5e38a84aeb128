"""What three demos or more need, and nothing of any demo's domain."""

import os
from pathlib import Path

# Before anything loads GNU OpenMP. Its threads wait by spinning, by default so long that on cores that do other work,
# too, LightGBM takes a hundred times as long (51 s instead of 0.5, two threads beside two busy processes; 1.1 so).
os.environ.setdefault("GOMP_SPINCOUNT", "5000")

ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds `shared`, `demos` and `configs`, in a checkout and in an installed wheel alike."""

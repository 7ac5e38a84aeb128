"""What three demos or more need, and nothing of any demo's domain."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The folder that holds `shared`, `demos` and `configs`, in a checkout and in an installed wheel alike."""

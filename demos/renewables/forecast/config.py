"""Settings of the forecast chapter."""

from __future__ import annotations

from shared.config import Section


class ForecastConfig(Section):
    """All of the forecast chapter."""

"""Settings of the dispatch chapter."""

from __future__ import annotations

from shared.config import Section


class DispatchConfig(Section):
    """All of the dispatch chapter."""

"""Settings of the faults chapter."""

from __future__ import annotations

from shared.config import Section


class FaultsConfig(Section):
    """All of the faults chapter."""

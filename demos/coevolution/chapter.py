"""What one chapter of the report found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.result import Figure, Headline, Metric, Table


@dataclass(frozen=True)
class Chapter:
    """Parts of a result, in order; names of metrics and titles of tables and figures are of this chapter alone."""

    headlines: list[Headline] = field(default_factory=list)
    metrics: list[Metric] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

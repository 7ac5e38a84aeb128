"""The chapters of a run put together into one result: targets first, then part by part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from demos.renewables.chapter import Chapter, targets_table
from shared.result import Figure, Headline, Part, Result, Table

if TYPE_CHECKING:
    from demos.renewables.config import RenewablesConfig
    from shared.config import Section

Marked = TypeVar("Marked", Headline, Table, Figure)
DECIDES = "cpu"  # the profile that the targets are meant for
OTHER_SETTINGS = (
    f"The settings of this run are not those of profile {DECIDES}, for which the targets are meant: yes and NO are of a"
    " reduced or different run."
)


def combined(chapters: list[Chapter], *, decides: bool = True) -> Result:
    """One result of all chapters; the table of targets leads where there are targets.

    decides: whether the run has the settings that the targets are meant for; its table says so where it has not.
    """
    result = side_by_side(chapters)
    caption = "" if decides else OTHER_SETTINGS
    targets = [targets_table(chapters, caption)] if any(chapter.targets for chapter in chapters) else []
    return result.model_copy(update={"tables": targets + result.tables})


def has_settings_of(config: RenewablesConfig, profile: RenewablesConfig) -> bool:
    """Whether a run of `config` has the settings of `profile` in all that it computes and that has targets.

    Seed, device, and what the run leaves out may differ; intraday PV of a plant of one's own has no targets.
    """
    whole = [name for name in config.chapters if name != "forecast"]
    parts = [part for part in config.forecast.parts if part != "intraday" or config.site.power is None]

    def judged(one: RenewablesConfig) -> list[Section]:
        forecast = [getattr(one.forecast, part) for part in parts] if "forecast" in config.chapters else []
        return [getattr(one, name) for name in whole] + forecast

    return judged(config) == judged(profile)


def side_by_side(results: Sequence[Result]) -> Result:
    """One result of several in their order, a part of the report each where titled; data named twice are kept once."""
    each = [_as_part(result) for result in results]
    data = {used.name: used for one in each for used in one.data}
    return Result(
        headlines=[headline for one in each for headline in one.headlines],
        metrics=[metric for one in each for metric in one.metrics],
        tables=[table for one in each for table in one.tables],
        figures=[figure for one in each for figure in one.figures],
        data=list(data.values()),
        weights=[weights for one in each for weights in one.weights],
        notes=[note for one in each for note in one.notes],
        parts=[part for one in each for part in one.parts],
    )


def _as_part(result: Result) -> Result:
    """A titled chapter as a part of the report: its notes go there, and all in it that is of no part yet."""
    if not isinstance(result, Chapter) or not result.title:
        return result
    part = Part(title=result.title, intro=result.intro, notes=result.notes)
    return result.model_copy(
        update={
            "headlines": _mark(result.headlines, part),
            "tables": _mark(result.tables, part),
            "figures": _mark(result.figures, part),
            "notes": [],
            "parts": [*result.parts, part],
        }
    )


def _mark(items: list[Marked], part: Part) -> list[Marked]:
    return [item if item.part else item.model_copy(update={"part": part.title}) for item in items]

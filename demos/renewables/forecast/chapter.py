"""Chapter 1: probabilistic forecasts of PV, a day and hours ahead, and of wind, hours ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demos.renewables.chapter import Chapter
from demos.renewables.data import used
from demos.renewables.evaluate import side_by_side

if TYPE_CHECKING:
    from demos.renewables.config import RenewablesConfig
    from shared.demo import Run


def run_chapter(config: RenewablesConfig, run: Run) -> Chapter:
    """The parts asked for, one after the other."""
    parts = [PARTS[name](config, run) for name in config.forecast.parts]
    targets = [target for part in parts for target in part.targets]
    return Chapter(name="forecast", targets=targets, **dict(side_by_side(parts)))


def run_day_ahead(config: RenewablesConfig, run: Run) -> Chapter:
    """Day-ahead PV on GEFCom2014."""
    from demos.renewables.forecast import evaluate, figures
    from demos.renewables.forecast.day_ahead import forecast_tasks

    found = forecast_tasks(config, run)
    return Chapter(
        name="forecast",
        title="Day-ahead PV",
        intro="Three real plants and the weather forecasts that the contestants of GEFCom2014 were given. Each month is"
        " forecast by models trained on what came before it. Retrospective: the answers have been public since 2014.",
        headlines=[evaluate.headline(found)],
        metrics=evaluate.metrics(found),
        tables=[evaluate.methods_table(found), evaluate.ratios_table(found), evaluate.contest_table(found)],
        figures=figures.draw_all(found, run),
        data=used("gefcom2014-solar.csv", "gefcom2014-solar-scores.csv"),
        targets=evaluate.targets(found),
    )


def run_intraday(config: RenewablesConfig, run: Run) -> Chapter:
    """PV, minutes to hours ahead."""
    from demos.renewables.forecast import intraday

    return intraday.run_intraday(config, run)


def run_wind(config: RenewablesConfig, run: Run) -> Chapter:
    """Wind, hours ahead."""
    from demos.renewables.forecast import wind

    return wind.run_wind(config, run)


PARTS = {"day_ahead": run_day_ahead, "intraday": run_intraday, "wind": run_wind}

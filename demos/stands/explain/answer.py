"""What `trendlab explain` does: take the plan of the newest run, or make one quickly, and say why."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pydantic import ValidationError

from demos.stands.airport import Airport, load_airport
from demos.stands.config import StandsConfig
from demos.stands.data import load_flights
from demos.stands.explain.what_if import Outcome, Planned, draw, planned, read_closures, read_delays, rows_of, what_if
from demos.stands.explain.why import Part, blocks, cost_parts, difference, others_free
from demos.stands.learning.delay import climatology, delays, require_past, split_by_time
from demos.stands.plan import CLIMATOLOGY, DAY_AHEAD, DayJob, optimise, problem_for, risk_of
from demos.stands.problem import SCALE, UNASSIGNED
from demos.stands.rules.tows import split_long_stays
from demos.stands.turns import Turns, operating_day
from demos.stands.verify import as_clock
from shared import provenance
from shared.commands.reports import finished_runs
from shared.commands.tables import say, show, table
from shared.config import load
from shared.errors import UserError
from shared.names import did_you_mean
from shared.run import output_root
from shared.yaml12 import read_mapping

if TYPE_CHECKING:
    from numpy.typing import NDArray

SLUG = "stands"
SHOWN = 5


def answer(
    flight: str | None,
    stand: str | None,
    day: str | None,
    close: list[str],
    delay: list[str],
    picture: Path | None,
    out: Path | None,
) -> None:
    """Explain a flight, or what follows from a change, or both: then the flight is explained as it is afterwards."""
    closures, late = read_closures(close), read_delays(delay)
    if flight is None and not (closures or late):
        raise UserError("name a flight, as in trendlab explain UA1564, or a change: --close or --delay")
    if absent := provenance.missing(SLUG):
        raise UserError(f"explain needs {', '.join(absent)}, not installed here: {provenance.install_command(SLUG)}")
    root = output_root(out)
    job, plan, source = plan_to_explain(root, _day(day))
    say(f"{job.airport.iata}, {job.turns.day:%A %d %B %Y}: {source}")
    now = planned(job, plan)
    if closures or late:
        outcome = what_if(job, plan, closures, late)
        _say_outcome(now, outcome)
        file = picture or root / "explain" / f"{job.turns.day}.png"
        draw(now, outcome, file, f"{job.airport.iata}, {job.turns.day}")
        say(f"before and after: {file}")
        now = outcome.after
    for turn in rows_of(job.turns, flight) if flight is not None else []:
        explain_turn(now, job.config, turn)
        if stand is not None:
            explain_stand(now, job.config, turn, stand)


def plan_to_explain(root: Path, day: date | None) -> tuple[DayJob, NDArray[np.int64], str]:
    """The plan of the day before of the newest run that has the day, else one made now on climatology; and which."""
    for folder in reversed(finished_runs(root, SLUG)):
        if not (folder / "forecasts.csv").is_file():
            continue
        table = pd.read_csv(folder / "forecasts.csv", dtype={"day": str, "flight": str})
        wanted = table["day"].iloc[0] if day is None else day.isoformat()
        if (table["day"] == wanted).any():
            return _of_run(folder, table[table["day"] == wanted], date.fromisoformat(wanted))
    config = load(StandsConfig, SLUG, "smoke")
    job = _by_climatology(config, day or config.days.first)
    _, plan, _ = optimise(job, problem_for(job, config.cost, risk_of(job, job.day_ahead)))
    return job, plan, f"{CLIMATOLOGY}, planned now, for no run in {root} has this day"


def _of_run(folder: Path, forecasts: pd.DataFrame, day: date) -> tuple[DayJob, NDArray[np.int64], str]:
    try:
        config = StandsConfig.model_validate(read_mapping(folder / "config.yaml"))
    except ValidationError:
        raise UserError(f"{folder}: its config is of another version of this demo; run the demo again") from None
    airport = load_airport(config.data.airport)
    turns = _turns(load_flights(config.data.flights).departures, airport, config, day)
    plans = pd.read_csv(folder / "plans.csv", dtype={"day": str, "flight": str, "stand": str}, keep_default_na=False)
    ours = plans[(plans["day"] == day.isoformat()) & (plans["method"] == DAY_AHEAD)]
    position = {stand.id: index for index, stand in enumerate(airport.stands)} | {"": UNASSIGNED}
    flights = turns.table["flight"].astype(str).tolist()
    if not flights == ours["flight"].tolist() == forecasts["flight"].tolist() or not set(ours["stand"]) <= set(
        position
    ):
        raise UserError(f"{folder}: its flights or stands are not those of today's data; run the demo again")
    quantiles = forecasts.filter(regex=r"^q0?\.").to_numpy(np.float64)
    plan = np.array([position[name] for name in ours["stand"]], dtype=np.int64)
    return _job(turns, airport, config, quantiles), plan, f"{DAY_AHEAD}, of run {folder.name}"


def _by_climatology(config: StandsConfig, day: date) -> DayJob:
    airport = load_airport(config.data.airport)
    flights = load_flights(config.data.flights)
    kept = flights.departures["origin"] == airport.iata
    departures = flights.departures[kept].reset_index(drop=True)
    split = split_by_time(departures, config.days)
    require_past(split)
    turns = _turns(departures, airport, config, day)
    usual = climatology(departures, delays(departures), split.train, config.delay.levels)
    return _job(turns, airport, config, usual[turns.table.index.to_numpy()])


def _turns(departures: pd.DataFrame, airport: Airport, config: StandsConfig, day: date) -> Turns:
    turns = split_long_stays(operating_day(departures, airport.iata, day, config.turn), config.tow)
    if not len(turns):
        raise UserError(f"no departures of {airport.iata} on {day}")
    return turns


def _job(turns: Turns, airport: Airport, config: StandsConfig, quantiles: NDArray[np.float64]) -> DayJob:
    return DayJob(turns, airport, config, quantiles, quantiles, quantiles, np.zeros(len(turns), dtype=np.int64))


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise UserError(f"--day {text!r}: give YYYY-MM-DD") from None


def explain_turn(now: Planned, config: StandsConfig, turn: int) -> None:
    """Print why a turn is where it is: the parts of its cost, and the cheapest stands it could go to instead."""
    turns, problem = now.problem.turns, now.problem
    here = int(now.plan[turn])
    hours = f"{as_clock(int(turns.sibt[turn]))} to {as_clock(int(turns.sobt[turn]))}"
    flight = turns.table["flight"].iloc[turn]
    say(f"{flight}, code {turns.codes[turn]}, {turns.seats[turn]} seats, {hours}: {_name(now, here)}")
    _show_parts(cost_parts(problem, config, now.plan, turn, here), _name(now, here))
    elsewhere = [blocks(problem, now.plan, turn, stand) for stand in range(problem.n_stands) if stand != here]
    by_rule: dict[str, int] = {}
    for found in elsewhere:
        if found:
            by_rule[found[0].rule] = by_rule.get(found[0].rule, 0) + 1
    free = others_free(problem, now.plan, turn)
    ruled_out = ", ".join(f"{count} by the rule {rule!r}" for rule, count in by_rule.items())
    say(f"Of {len(elsewhere)} other stands {len(free)} are free then; ruled out: {ruled_out or 'none'}.")
    rows = [(problem.airport.stands[at].id, _minutes(more, sign=True)) for at, more in free[:SHOWN]]
    if rows:
        show(table([f"the {len(rows)} cheapest", "min more than now"], rows, right=[1]))


def explain_stand(now: Planned, config: StandsConfig, turn: int, wanted: str) -> None:
    """Print why a turn is not on a stand: every rule in the way, or what the plan would cost more."""
    known = [stand.id for stand in now.problem.airport.stands]
    if wanted not in known:
        raise UserError(f"no stand {wanted!r} in {now.problem.airport.name}{did_you_mean(wanted, known)}")
    stand = known.index(wanted)
    if stand == now.plan[turn]:
        say(f"{wanted} is the stand it has.")
        return
    if found := blocks(now.problem, now.plan, turn, stand):
        for one in found:
            say(f"Not {wanted}, by the rule {one.rule!r}: {one.sentence}.")
        return
    more = difference(now.problem, now.plan, turn, stand)
    say(f"{wanted} is free. The plan would cost {_minutes(abs(more))} min {'more' if more >= 0 else 'less'}:")
    _show_parts(cost_parts(now.problem, config, now.plan, turn, stand), wanted)


def _say_outcome(before: Planned, outcome: Outcome) -> None:
    rows = [(change.flight, change.before or "none", change.after or "none") for change in outcome.changes]
    if rows:
        show(table(["flight", "before", "after"], rows))
    more = outcome.after.cost - before.cost
    say(
        f"{len(rows)} of {len(before.plan)} stands change; the plan costs {_minutes(outcome.after.cost)} min instead of"
        f" {_minutes(before.cost)}, {_minutes(more, sign=True)}."
    )
    for one in outcome.broken:
        say(f"Cannot hold, {one.rule}: {one.sentence}.")


def _show_parts(parts: list[Part], where: str) -> None:
    rows = [(part.what, _minutes(part.cost)) for part in parts]
    rows.append(("together", _minutes(sum(part.cost for part in parts))))
    show(table([f"on {where}", "min"], rows, right=[1]))


def _name(now: Planned, stand: int) -> str:
    if stand == UNASSIGNED:
        return "no stand"
    found = now.problem.airport.stands[stand]
    return f"{found.id}, {'contact' if found.contact else 'remote'}, terminal {found.terminal}"


def _minutes(cost: int, sign: bool = False) -> str:
    return f"{cost / SCALE:{'+' if sign else ''},.2f}"

"""Small made-up airports, turns and departures, and the real year: what the tests of `stands` are built from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from demos.stands.airport import Airport
from demos.stands.config import CostConfig, DelayConfig, RulesConfig, StandsConfig, TowConfig
from demos.stands.data import WEATHER, Flights, load_flights
from demos.stands.problem import UNASSIGNED, Problem, build_problem
from demos.stands.rules.tows import split_long_stays
from demos.stands.turns import Turns
from demos.stands.verify import Stay

DAY = date(2013, 10, 2)
MIDNIGHT = pd.Timestamp(DAY)
# The same examples each time, and no deadline: the machine is shared.
FEW = settings(derandomize=True, deadline=None, max_examples=25)
MANY = settings(derandomize=True, deadline=None, max_examples=100)
SMALL_MODEL = DelayConfig(
    levels=(0.1, 0.5, 0.9), learning_rate=0.3, rounds=8, leaves=8, min_leaf=50, threads=1, scenarios=50
)


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def flights() -> Flights:
    """The embedded year, from the user's cache."""
    return load_flights(None)


@pytest.fixture(scope="session")
def autumn(flights: Flights) -> Flights:
    """Six weeks at the three airports: enough to learn a small model from."""
    std = flights.departures["std"]
    kept = (std >= "2013-09-01") & (std < "2013-10-15")
    return replace(flights, departures=flights.departures[kept].reset_index(drop=True))


def make_airport(
    stands: str,
    shadows: Sequence[tuple[str, str, str]] = (),
    closures: Sequence[tuple[str, str, str]] = (),
    preferences: dict[str, tuple[str, ...]] | None = None,
    **more: object,
) -> Airport:
    """An airport from "A1 C, A2 D, R1 D": the terminal is the first letter, and terminal R is remote; more: entries."""
    words = [entry.split() for entry in stands.split(",")]
    return Airport.model_validate(
        {
            "name": "Testing",
            "iata": "TST",
            "source": "made up",
            "stands": [
                {"id": name, "terminal": name[0], "code": code, "contact": name[0] != "R"} for name, code in words
            ],
            "shadows": [{"stand": stand, "blocks": blocks, "code": code} for stand, blocks, code in shadows],
            "closures": [{"stand": stand, "from": start, "to": end} for stand, start, end in closures],
            "preferences": preferences or {},
            **more,
        }
    )


def make_departures(std: Sequence[str] | pd.DatetimeIndex, delay: Sequence[float | None], **columns) -> pd.DataFrame:  # type: ignore[no-untyped-def]
    """Departures of the schema of `data`; delay in minutes, None for a cancelled flight."""
    times = pd.Series(pd.to_datetime(std)).astype("datetime64[us]")
    # Not pd.to_timedelta, which rounds uninitialised memory where a delay is unknown, and may warn.
    known = [pd.NaT if minutes is None else pd.Timedelta(minutes=minutes) for minutes in delay]
    late = pd.Series(known, dtype="timedelta64[ns]")
    table = {
        "flight": [f"XX{number}" for number in range(len(times))],
        "carrier": "XX",
        "origin": "TST",
        "dest": "DST",
        "std": times,
        "atd": (times + late).astype("datetime64[us]"),
        "code": "C",
        "tail": None,
        "distance_mi": 500.0,
        "seats": 150,
        "sibt": pd.Series(pd.NaT, index=times.index, dtype="datetime64[us]"),
        "aibt": pd.Series(pd.NaT, index=times.index, dtype="datetime64[us]"),
    }
    return pd.DataFrame({**table, **columns})


def make_turns(
    stays: Sequence[tuple[int, int]], codes: str = "", delay: Sequence[float | None] = (), **columns
) -> Turns:  # type: ignore[no-untyped-def]
    """Turns from (sibt, sobt) minutes after midnight, in order of sibt; codes: one letter each, C where not given."""
    table = make_departures(
        [MIDNIGHT + pd.Timedelta(minutes=off) for _, off in stays],
        delay or [0.0] * len(stays),
        code=list(codes) or "C",
        **columns,
    )
    sibt, sobt = np.array(stays, dtype=np.int64).reshape(-1, 2).T
    order = np.lexsort((table["flight"].to_numpy(str), sobt, sibt))
    none = np.zeros(len(stays), dtype=bool)
    return Turns(DAY, table.iloc[order], sibt[order], sobt[order], none, none)


def random_problem(
    seed: int,
    turns: int,
    stands: int,
    shadows: bool = True,
    closures: bool = False,
    cost: CostConfig | None = None,
    sizes: str = "BCDE",
) -> Problem:
    """A crowded made-up day; one-way shadows between neighbouring stands, one closure around noon."""
    draws = np.random.default_rng(seed)
    names = [("R" if draws.random() < 0.3 else draws.choice(["A", "B"])) + str(index) for index in range(stands)]
    codes = draws.choice(list(sizes), size=stands)
    pairs = [(names[i], names[i + 1], str(draws.choice(["C", "D"]))) for i in range(stands - 1) if draws.random() < 0.6]
    shut = [(names[0], "10:00", "12:30")] if closures else []
    airport = make_airport(
        ", ".join(f"{name} {code}" for name, code in zip(names, codes, strict=True)),
        pairs if shadows else [],
        shut,
        {"XX": (next(name[0] for name in names),), "YY": ()},
    )
    on = draws.integers(480, 480 + 45 * turns, size=turns)
    stays = [(int(start), int(start + stay)) for start, stay in zip(on, draws.integers(30, 150, turns), strict=True)]
    day = make_turns(
        stays,
        "".join(draws.choice(["B", "C", "D"], size=turns)),
        seats=draws.integers(20, 300, size=turns),
        carrier=draws.choice(["XX", "YY", "ZZ"], size=turns),
    )
    overlap = np.triu(np.round(draws.exponential(20, size=(turns, turns)) * (draws.random((turns, turns)) < 0.7), 2), 1)
    return build_problem(day, airport, cost or CostConfig(), overlap + overlap.T)


def random_plan(problem: Problem, seed: int) -> NDArray[np.int64]:
    """Any stand or none for each turn, hard rules or not."""
    return np.random.default_rng(seed).integers(UNASSIGNED, problem.n_stands, size=len(problem.turns))


def stands_config(**sections: dict[str, object]) -> StandsConfig:
    """The config with some fields of some sections replaced: stands_config(turn={"inbound_share": 0.0})."""
    return StandsConfig.model_validate(sections)


def no_weather() -> pd.DataFrame:
    """What a user's own file comes with."""
    return pd.DataFrame(columns=["origin", "known_at", *WEATHER])


def cost_of(problem: Problem) -> Callable[[Sequence[int]], int | None]:
    """A slow, plain cost of a plan, read from the airport's entries; None where a hard rule is broken."""
    turns, airport = problem.turns, problem.airport
    codes = turns.codes
    position = {stand.id: index for index, stand in enumerate(airport.stands)}

    def meet(plan: Sequence[int], one: int, two: int) -> bool:
        if UNASSIGNED in (plan[one], plan[two]):
            return False
        if plan[one] == plan[two]:
            return True
        for shadow in airport.shadows:
            for large, other in ((one, two), (two, one)):
                beside = (plan[large], plan[other]) == (position[shadow.stand], position[shadow.blocks])
                if beside and codes[large] >= shadow.code:
                    return True
        return False

    def cost(plan: Sequence[int], hard: bool = True) -> int | None:
        total = 0
        for one, stand in enumerate(plan):
            if stand == UNASSIGNED:
                total += problem.unassigned
                continue
            if hard and not problem.allowed[one, stand]:
                return None
            total += int(problem.static[one, stand])
            for two in range(one):
                if meet(plan, one, two):
                    apart = turns.sobt[one] <= turns.sibt[two] or turns.sobt[two] <= turns.sibt[one]
                    if hard and not apart:
                        return None
                    total += int(problem.pair[one, two])
        return total

    return cost


def best_cost(problem: Problem) -> int:
    """The least cost of all plans that keep the hard rules, one by one."""
    slow = cost_of(problem)
    plans = product(range(UNASSIGNED, problem.n_stands), repeat=len(problem.turns))
    return min(cost for plan in plans if (cost := slow(plan)) is not None)


RULES = RulesConfig(pushback=20, locked={"XX0": "A0", "XX2": "A1"}, price=100.0)
TOW = TowConfig(stays_over=75, arrive=20, depart=20, minutes=35, tugs=1, cost=3.0)


def ruled_day(seed: int, turns: int, stands: int, overlap: float = 20.0, cost: CostConfig | None = None) -> Problem:
    """A crowded made-up day on which every rule is in force: long stays with one tug, one row, one stand for the night.

    overlap: mean of the expected overlaps [min].
    """
    draws = np.random.default_rng(seed)
    names = [f"A{index}" for index in range(stands)]
    codes = draws.choice(["C", "D"], size=stands)
    airport = make_airport(
        ", ".join(f"{name} {code}" for name, code in zip(names, codes, strict=True)),
        [(names[i], names[i + 1], "D") for i in range(stands - 1) if draws.random() < 0.3],
        rows=[names],
        night_parking=names[-1:],
    )
    on = draws.integers(200, 200 + 45 * turns, size=turns)
    stays = [(int(start), int(start + stay)) for start, stay in zip(on, draws.integers(30, 150, turns), strict=True)]
    day = split_long_stays(make_turns(stays, "".join(draws.choice(["C", "D"], size=turns, p=[0.8, 0.2]))), TOW)
    n = len(day)
    met = np.triu(np.round(draws.exponential(overlap, size=(n, n)) * (draws.random((n, n)) < 0.7), 2), 1)
    return build_problem(day, airport, cost or CostConfig(), met + met.T, RULES, TOW)


def as_stays(problem: Problem) -> list[Stay]:
    """The turns as the verifier sees them."""
    turns = problem.turns
    columns = turns.table["flight"], turns.codes, turns.sibt, turns.sobt
    return [Stay(flight, code, int(on), int(off)) for flight, code, on, off in zip(*columns, strict=True)]


def stand_names(problem: Problem, plan: Sequence[int] | NDArray[np.int64]) -> list[str | None]:
    """The stands of a plan by name, None where there is none."""
    return [None if at == UNASSIGNED else problem.airport.stands[at].id for at in plan]

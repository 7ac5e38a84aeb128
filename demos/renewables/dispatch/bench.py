"""Solvers on the same day, and a row of days over workers.

trendlab bench renewables 'chapters=[dispatch]'
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from demos.renewables.dispatch.check import Twin
from demos.renewables.dispatch.composite import load_composite
from demos.renewables.dispatch.config import DispatchConfig, DispatchSolverConfig
from demos.renewables.dispatch.days import DayInputs, calendar, make_inputs
from demos.renewables.dispatch.model import solve
from demos.renewables.dispatch.policies import run_mpc, stochastic
from demos.renewables.dispatch.problem import Problem, cost
from demos.renewables.dispatch.scenarios import reduced
from shared.evaluation.timing import Timing, paired_timing, thread_counts
from shared.fanout import fan_out, shut_down
from shared.result import Column, Headline, Metric, Result, Table

if TYPE_CHECKING:
    from demos.renewables.config import RenewablesConfig
    from shared.demo import Run

CBC, GLOP, HIGHS = "PuLP, CBC", "OR-Tools, GLOP", "PuLP, HiGHS in its own process"
REPEATS = 7
ROUNDS = 5  # of the fan-out; each number of workers once in each
YEAR = 365


@dataclass(frozen=True)
class Scaling:
    """One number of workers. seconds: (rounds,) of all days, workers up; start_up: seconds until they are up, 0 where
    the days stay in this process; threads: most that a numeric library uses inside a worker."""

    workers: int
    seconds: np.ndarray
    start_up: float
    threads: int


def measure(config: RenewablesConfig, run: Run) -> Result:
    """Seconds of one stochastic day by solver and number of scenarios, and of a row of days by workers."""
    dispatch = config.dispatch
    composite = load_composite(dispatch.data.profiles, dispatch.fleet)
    # Days in a row, whatever the step of the profile: workers need more days than there are workers.
    wanted = calendar(dispatch.days.first, dispatch.days.last, 1)[: dispatch.evaluation.bench_days]
    inputs = make_inputs(composite, dispatch, wanted)
    run.say("dispatch: solvers")
    timings = _solvers(inputs[0], dispatch)
    run.say("dispatch: fan-out")
    scaling = _fan_out(inputs)
    gain = float(np.median(scaling[0].seconds / scaling[-1].seconds))
    ours = timings[CBC, dispatch.forecast.scenarios]
    return Result(
        headlines=[
            Headline(
                name="Dispatch: one stochastic day in PuLP, built and solved",
                value=ours.median,
                unit="s",
                direction="lower",
                peer="the same LP in OR-Tools (GLOP), in this process",
                peer_value=timings[GLOP, dispatch.forecast.scenarios].median,
                note=f"{dispatch.forecast.scenarios} scenarios; median of {len(ours.seconds)} repeats",
            )
        ],
        metrics=[
            Metric(
                name=f"dispatch: speed-up of the fan-out, {scaling[-1].workers} workers over 1",
                value=gain,
                unit="1",
                direction="higher",
            )
        ],
        tables=[_solver_table(timings), _fan_out_table(scaling, len(inputs))],
        figures=[],
        data=composite.used,
        notes=composite.notes,
    )


def _solvers(inputs: DayInputs, config: DispatchConfig) -> dict[tuple[str, int], Timing]:
    found: dict[tuple[str, int], Timing] = {}
    every = len(inputs.every.values)
    own = config.forecast.scenarios
    for count in sorted({1, own, min(2 * own, every), min(4 * own, every)}):
        few = reduced(inputs.every, count)
        problem = inputs.problem(few.values, few.weights)
        timings = paired_timing({CBC: _by("cbc", problem), GLOP: _twin(problem), HIGHS: _by("highs", problem)}, REPEATS)
        found |= {(name, count): timing for name, timing in timings.items()}
    return found


def _by(name: str, problem: Problem) -> Callable[[], Any]:
    solver = DispatchSolverConfig.model_validate({"name": name})
    return lambda: solve(problem, solver)


def _twin(problem: Problem) -> Callable[[], Any]:
    return lambda: Twin(problem).solve()


def _solver_table(timings: dict[tuple[str, int], Timing]) -> Table:
    return Table(
        title="Dispatch: one day, solved",
        columns=[
            Column(name="solver"),
            Column(name="scenarios", digits=0),
            Column(name="median", unit="ms", direction="lower"),
            Column(name="quartiles", unit="ms"),
            Column(name="ratio to CBC", digits=2),
        ],
        rows=[
            [
                name,
                float(count),
                1000 * timing.median,
                f"{1000 * timing.quartiles[0]:.0f} to {1000 * timing.quartiles[2]:.0f}",
                timing.ratio,
            ]
            for (name, count), timing in timings.items()
        ],
        caption="From arrays to schedule: building, writing, solving, reading. PuLP writes a file and starts CBC; HiGHS"
        " has a fresh Python process to start besides; the twin stays in this process.",
    )


def _fan_out(inputs: list[DayInputs]) -> list[Scaling]:
    """All days by 1, 2, 4, ... workers up to the cores, in turns, so that a slow spell of the machine hits all."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    counts = sorted({1, *(2**power for power in range(1, 8) if 2**power <= cores), cores})
    start_up = {count: _start_up(inputs, count) for count in counts}
    seconds: dict[int, list[float]] = {count: [] for count in counts}
    threads = dict.fromkeys(counts, 0)
    for turn in range(ROUNDS):
        # The order turns round, so that none always runs on the cache the same neighbour left.
        for count in counts if turn % 2 == 0 else counts[::-1]:
            threads[count] = max(threads[count], *_ready(inputs, count))
            start = time.perf_counter()
            fan_out(plan_and_follow, inputs, workers=count)
            seconds[count].append(time.perf_counter() - start)
    return [Scaling(count, np.array(seconds[count]), start_up[count], threads[count]) for count in counts]


def _start_up(inputs: list[DayInputs], workers: int) -> float:
    """Seconds from nothing to workers that have every library loaded, less the days they play by that."""
    if workers == 1:
        plan_and_follow(inputs[0])
        return 0.0
    shut_down()
    start = time.perf_counter()
    _ready(inputs, workers)
    first = time.perf_counter()
    _ready(inputs, workers)
    return max(2 * first - start - time.perf_counter(), 0.0)


def _ready(inputs: list[DayInputs], workers: int) -> list[int]:
    """Have so many workers up, with all libraries loaded; the threads in each."""
    return fan_out(_threads, [inputs[0]] * (2 * workers), workers=workers)


def _threads(inputs: DayInputs) -> int:
    plan_and_follow(inputs)
    return max(thread_counts().values(), default=1)


def plan_and_follow(inputs: DayInputs) -> float:
    """What one day takes in service: the stochastic plan, then MPC through the day; its cost [EUR]."""
    sold = inputs.truth().with_position(stochastic(inputs))
    return float(cost(sold, run_mpc(inputs, sold))[0])


def _fan_out_table(scaling: list[Scaling], days: int) -> Table:
    rows: list[list[str | float | None]] = []
    for found in scaling:
        gains = scaling[0].seconds / found.seconds
        low, gain, high = np.quantile(gains, [0.25, 0.5, 0.75])
        median = float(np.median(found.seconds))
        rows.append(
            [
                str(found.workers),
                median,
                days / median,
                float(gain),
                f"{low:.2f} to {high:.2f}",
                float(100 * gain / found.workers),
                found.start_up,
                str(found.threads),
            ]
        )
    rate = max(days / float(np.median(found.seconds)) for found in scaling)
    return Table(
        title="Dispatch: days over workers",
        columns=[
            Column(name="workers"),
            Column(name="wall time", unit="s", direction="lower", digits=2),
            Column(name="days per second", digits=2, direction="higher"),
            Column(name="speed-up", digits=2, direction="higher"),
            Column(name="quartiles"),
            Column(name="efficiency", unit="%", digits=0, direction="higher"),
            Column(name="start-up, once", unit="s", digits=1),
            Column(name="threads in a worker"),
        ],
        rows=rows,
        caption=f"{days} days, each the stochastic plan and MPC through the day; medians of {ROUNDS} rounds, numbers of"
        " workers in turns, speed-up paired within a round. One worker is this process, so it has no process to talk"
        " to. Start-up (processes, and loading the libraries in each) is not in the wall time. A year of"
        f" {YEAR} such days at the highest rate: {YEAR / rate:.0f} s.",
    )

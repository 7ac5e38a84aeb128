"""Solvers on the same day, and a row of days over workers.

trendlab bench renewables --profile smoke
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from demos.renewables.dispatch.check import Twin
from demos.renewables.dispatch.composite import load_composite
from demos.renewables.dispatch.config import DispatchConfig, DispatchSolverConfig
from demos.renewables.dispatch.days import DayInputs, calendar, make_inputs
from demos.renewables.dispatch.model import solve
from demos.renewables.dispatch.policies import play_day, run_mpc, stochastic
from demos.renewables.dispatch.problem import Problem
from demos.renewables.dispatch.scenarios import reduced
from shared.evaluation.timing import Timing, paired_timing
from shared.fanout import fan_out
from shared.result import Column, Headline, Metric, Result, Table

if TYPE_CHECKING:
    from demos.renewables.config import RenewablesConfig
    from shared.demo import Run

CBC, GLOP, HIGHS = "PuLP, CBC", "OR-Tools, GLOP", "PuLP, HiGHS in its own process"
REPEATS = 7
LEVEL = 0.3  # of the hedged plan: any will do for its time


def measure(config: RenewablesConfig, run: Run) -> Result:
    """Seconds of one stochastic day by solver and number of scenarios, and of a row of days by workers."""
    dispatch = config.dispatch
    composite = load_composite(dispatch.data.profiles, dispatch.fleet)
    wanted = calendar(dispatch.days.first, dispatch.days.last, dispatch.days.step)[: dispatch.evaluation.bench_days]
    inputs = make_inputs(composite, dispatch, wanted)
    run.say("dispatch: solvers")
    timings = _solvers(inputs[0], dispatch)
    run.say("dispatch: fan-out")
    rows = _fan_out(inputs)
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
        metrics=[Metric(name="dispatch: speed-up of the fan-out", value=rows[-1][2], unit="1", direction="higher")],
        tables=[_solver_table(timings), _fan_out_table(rows, len(inputs))],
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


def _fan_out(inputs: list[DayInputs]) -> list[tuple[int, float, float]]:
    """(workers, seconds, speed-up over one) of playing all days; workers are up before the clock starts."""
    jobs = [(day, LEVEL) for day in inputs]
    found: list[tuple[int, float, float]] = []
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    counts = sorted({1, *(2**power for power in range(1, 8) if 2**power <= cores), cores})
    for workers in counts:
        fan_out(_warm, [(inputs[0], LEVEL)] * workers, workers=workers)
        start = time.perf_counter()
        fan_out(play_day, jobs, workers=workers)
        seconds = time.perf_counter() - start
        found.append((workers, seconds, found[0][1] / seconds if found else 1.0))
    return found


def _warm(job: tuple[DayInputs, float]) -> float:
    """Load every library that a day needs."""
    inputs, _ = job
    sold = inputs.truth().with_position(stochastic(inputs))
    return float(np.abs(run_mpc(inputs, sold).grid).max())


def _fan_out_table(rows: list[tuple[int, float, float]], days: int) -> Table:
    return Table(
        title="Dispatch: days over workers",
        columns=[
            Column(name="workers"),
            Column(name="wall time", unit="s", direction="lower"),
            Column(name="speed-up", digits=2, direction="higher"),
            Column(name="efficiency", unit="%", digits=0),
        ],
        rows=[[str(count), seconds, gain, 100 * gain / count] for count, seconds, gain in rows],
        caption=f"{days} days, all policies on each; processes, warm. A year is as many of the same jobs.",
    )

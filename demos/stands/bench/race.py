"""One contender on one problem, in a process of its own, under a clock that nobody overruns.

The clock of this process counts, from the word "go" on: models are built in that time. What a contender has not handed
over when the time is up does not exist; it and all that it started are killed. Each plan is checked by the
independent verifier, and its cost is summed here: nobody's word is taken for it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.plan import stays_of
from demos.stands.problem import UNASSIGNED, Problem, plan_cost
from demos.stands.verify import violations

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

    from numpy.typing import NDArray

    from demos.stands.bench.contenders import Contender
    from demos.stands.config import StandsConfig

START_SECONDS = 120.0  # to import, compile, and load the problem, before the clock starts


@dataclass
class Race:
    """curve: (seconds, cost [1/100 min]) of each better plan; plan: (n,) the best, None if there was none; refused:
    plans that broke a hard rule; claims_best: it says that no plan is better; seconds: until it ended or was ended;
    failed: its last words, if it broke down.
    """

    curve: list[tuple[float, int]] = field(default_factory=list)
    plan: NDArray | None = None
    refused: int = 0
    claims_best: bool = False
    seconds: float = 0.0
    failed: str = ""


def race(
    problem: Problem,
    contender: Contender,
    seconds: float,
    config: StandsConfig,
    warm_up: Callable[[], object] | None = None,
) -> Race:
    """Give a contender `seconds` for a problem; it, and `warm_up`, must pickle.

    Raises RuntimeError if it does not get as far as the start.
    """
    with TemporaryDirectory(prefix="race-") as folder:  # what a killed solver leaves behind goes with it
        return _race(problem, contender, seconds, config, warm_up, folder)


def _race(
    problem: Problem,
    contender: Contender,
    seconds: float,
    config: StandsConfig,
    warm_up: Callable[[], object] | None,
    folder: str,
) -> Race:
    context = get_context("spawn")
    here, there = context.Pipe()
    # Not a daemon: it may have to start processes, such as CBC.
    process = context.Process(target=_contend, args=(there, contender, problem, seconds, config, warm_up, folder))
    process.start()
    there.close()
    try:
        said = _first_word(here)
        if said != "ready":
            raise RuntimeError(f"a contender did not start: {said}")
        here.send("go")
        found, offered = _watch(here, seconds)
    finally:
        _kill(process)
        here.close()
    # What a plan is worth is found out after the clock has stopped: a contender has both cores for itself.
    for at, plan in offered:
        _take(found, problem, plan, at)
    return found


def _first_word(here: Connection) -> object:
    if not here.poll(START_SECONDS):
        return f"nothing in {START_SECONDS:g} s"
    try:
        return here.recv()
    except EOFError:
        return "it was killed"


def _watch(here: Connection, seconds: float) -> tuple[Race, list[tuple[float, NDArray]]]:
    """How it went, and each plan with when it came."""
    found, began = Race(), time.perf_counter()
    offered: list[tuple[float, NDArray]] = []
    while (left := began + seconds - time.perf_counter()) > 0:
        if not here.poll(left):
            break
        at = time.perf_counter() - began
        try:
            kind, value = here.recv()
        except EOFError:
            found.failed = "it was killed"
            break
        if kind == "plan" and at <= seconds:
            offered.append((at, value))
        elif kind == "best":
            found.claims_best = True
        elif kind == "done":
            break
        elif kind == "failed":
            found.failed = value
            break
    found.seconds = min(time.perf_counter() - began, seconds)
    return found, offered


def _take(found: Race, problem: Problem, plan: NDArray, at: float) -> None:
    if holds(problem, plan):
        cost = plan_cost(problem, plan)
        if not found.curve or cost < found.curve[-1][1]:
            found.curve.append((at, cost))
            found.plan = plan
    else:
        found.refused += 1


def holds(problem: Problem, plan: NDArray) -> bool:
    """Whether the independent verifier finds no hard rule broken."""
    turns = problem.turns
    stays = stays_of(turns, np.arange(len(turns)))
    names = [None if stand == UNASSIGNED else problem.airport.stands[stand].id for stand in plan.tolist()]
    return not violations(stays, problem.airport, names, turns.day_start)


def _contend(
    there: Connection,
    contender: Contender,
    problem: Problem,
    seconds: float,
    config: StandsConfig,
    warm_up: Callable[[], object] | None,
    folder: str,
) -> None:
    """What runs in the other process."""
    os.setsid()
    os.environ.update(dict.fromkeys(("TMPDIR", "TMP", "TEMP"), folder))
    try:
        if warm_up:
            warm_up()
        there.send("ready")
        there.recv()
        if contender(problem, seconds, lambda plan: there.send(("plan", plan)), config):
            there.send(("best", None))
        there.send(("done", None))
    except Exception as error:  # whatever it was, the race goes on and says so
        there.send(("failed", f"{type(error).__name__}: {error}"))


def _kill(process: SpawnProcess) -> None:
    """End a contender and all that it started."""
    if process.pid:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()

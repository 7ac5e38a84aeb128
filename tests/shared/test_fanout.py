"""Fan-out keeps order, errors and results, whatever the engine and the number of workers."""

import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from shared.errors import UserError
from shared.fanout import Engine, fan_out, shut_down, worker_count
from shared.progress import Progress
from shared.seed import generator
from tests.conftest import ROOT

ENGINES: list[tuple[Engine, int | None]] = [("serial", None), ("processes", 1), ("processes", 2), ("processes", 3)]


@pytest.fixture(autouse=True)
def _no_worker_is_left() -> Any:
    yield
    shut_down()


def numbers(item: int) -> float:
    values = generator(3, "fan-out", item).random((200, 200))
    return float((values @ values.T).sum())


def threads(item: int) -> int:
    import numpy as np
    from threadpoolctl import threadpool_info

    np.ones((2, 2)) @ np.ones((2, 2))
    return max(info["num_threads"] for info in threadpool_info())


def fail(item: int) -> int:
    if item == 3:
        raise UserError("row 3, column tail: empty")
    if item == 4:
        raise ZeroDivisionError("four")
    return item


def process(item: int) -> int:
    return os.getpid()


def test_results_depend_on_neither_engine_nor_workers() -> None:
    expected = [numbers(item) for item in range(8)]
    for engine, workers in ENGINES:
        found = fan_out(numbers, range(8), engine=engine, workers=workers)
        # Our own loop above may use several threads and so add in another order.
        assert found == pytest.approx(expected, rel=1e-12)
        assert found == fan_out(numbers, range(8), engine="serial")


@pytest.mark.parametrize(("engine", "workers"), ENGINES[:3])
def test_one_thread_in_each_worker(engine: Engine, workers: int | None) -> None:
    assert fan_out(threads, range(4), engine=engine, workers=workers) == [1] * 4


@pytest.mark.parametrize(("engine", "workers"), ENGINES[:3])
def test_an_exception_surfaces_as_itself(engine: Engine, workers: int | None) -> None:
    with pytest.raises(UserError, match=r"^row 3, column tail: empty$"):
        fan_out(fail, [1, 3], engine=engine, workers=workers, label="fail", progress=Progress(quiet=True))
    with pytest.raises(ZeroDivisionError):
        fan_out(fail, [1, 2, 4], engine=engine, workers=workers)


def test_processes_are_others_and_serial_is_this_one() -> None:
    assert os.getpid() not in fan_out(process, range(4), workers=2)
    assert fan_out(process, range(2), engine="serial") == [os.getpid()] * 2


def interrupts_are_held(item: int) -> bool:
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_workers_leave_ctrl_c_to_us() -> None:
    # In a process of its own: the first fan-out of a process starts more than workers.
    lines = [
        "from shared.fanout import fan_out",
        "from tests.shared.test_fanout import interrupts_are_held as held",
        "print(fan_out(held, range(4), workers=2), held(0))",
    ]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[True, True, True, True] False\n", done.stderr


@pytest.mark.parametrize(("engine", "workers"), ENGINES[:3])
def test_nothing_to_do(engine: Engine, workers: int | None) -> None:
    assert fan_out(numbers, [], engine=engine, workers=workers, label="none") == []


def test_bad_engines_and_workers() -> None:
    with pytest.raises(UserError, match="allowed: processes, serial, ray"):
        fan_out(numbers, [1], engine="threads")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="--workers must be 1 or more, got 0"):
        fan_out(numbers, [1], workers=0)
    assert worker_count(None) >= 1


def test_without_ray_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r'pip install -e "\.\[ray\]"'):
        fan_out(numbers, [1], engine="ray")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Ray's own
def test_ray_gives_the_same() -> None:
    pytest.importorskip("ray")
    assert fan_out(numbers, range(8), engine="ray", workers=2) == fan_out(numbers, range(8), engine="serial")
    with pytest.raises(UserError, match=r"^row 3, column tail: empty$"):
        fan_out(fail, [1, 3], engine="ray", workers=2)


def test_plain_progress_is_one_line_when_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(Progress(quiet=True).track("days", range(3))) == [0, 1, 2]
    Progress(quiet=True).say("hidden")
    Progress().say("shown")
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("days: 3 in ")
    assert second == "shown"


def test_plain_progress_tells_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr("shared.progress.time.perf_counter", lambda: next(clock))
    assert len(list(Progress().track("days", range(8)))) == 8
    assert capsys.readouterr().err.splitlines() == [
        "days: 2 of 8, 60 s left",
        "days: 4 of 8, 40 s left",
        "days: 6 of 8, 20 s left",
        "days: 8 in 90.0 s",
    ]


def test_a_terminal_gets_a_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert list(Progress().track("days", iter(range(3)))) == [0, 1, 2]
    assert "3/3" in capsys.readouterr().err

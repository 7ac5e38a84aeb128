"""A run folder is all or nothing, whatever stops the run."""

import errno
import os
import re
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.config import DemoConfig
from shared.errors import UserError
from shared.progress import Progress
from shared.result import Result
from shared.run import (
    RunFolder,
    Terminated,
    new_run_id,
    output_root,
    remove_leftovers,
    run_folder,
    write_atomically,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def dead_pid() -> int:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def test_a_finished_run_gets_its_name_at_the_end(tmp_path: Path) -> None:
    with run_folder(tmp_path, "one") as folder:
        (folder / "result.json").write_text("{}")
        assert folder.name.startswith(".partial-")
        assert not (tmp_path / "one").exists()
    assert names(tmp_path) == ["one"]
    assert names(tmp_path / "one") == ["result.json"]


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt, Terminated, MemoryError])
def test_a_stopped_run_leaves_nothing(tmp_path: Path, stop: type[BaseException]) -> None:
    (tmp_path / "earlier").mkdir()

    def work() -> None:
        with run_folder(tmp_path, "one") as folder:
            (folder / "half.txt").write_text("half")
            raise stop

    with pytest.raises(stop):
        work()
    assert names(tmp_path) == ["earlier"]


def test_what_waits_for_the_run_to_be_kept_is_called_then(tree: Path, tmp_path: Path) -> None:
    from shared.demo import Demo
    from shared.execute import Options, execute

    def demo(then: str) -> Demo:
        def work(_: object, run: RunFolder) -> Result:
            run.afterwards(lambda: called.append(sorted(path.name for path in run.folder.parent.iterdir())))
            if then:
                raise UserError(then)
            return Result(headlines=[], metrics=[], tables=[], figures=[], data=[])

        return Demo("coins", "", "", "", DemoConfig, work, "base")

    called: list[list[str]] = []
    with pytest.raises(UserError, match="no"):
        execute(demo("no"), DemoConfig(), "smoke", Options(tmp_path, quiet=True))
    assert called == []
    folder, _ = execute(demo(""), DemoConfig(), "smoke", Options(tmp_path, quiet=True))
    assert called == [[folder.name]]


def test_sigterm_stops_like_an_exception_and_is_given_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated), run_folder(tmp_path, "one"):
        signal.raise_signal(signal.SIGTERM)
    assert names(tmp_path) == []
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_line(tmp_path: Path, number: int) -> None:
    message = r"no space left on the disk of .*nothing was kept.*--out"
    with pytest.raises(UserError, match=message), run_folder(tmp_path, "one"):
        raise OSError(number, os.strerror(number))
    assert names(tmp_path) == []


def test_other_failures_of_the_system_are_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), run_folder(tmp_path, "one"):
        (tmp_path / "absent").read_text()


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose another --out"), run_folder(tmp_path / "file" / "toy", "one"):
        pass


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(tmp_path: Path) -> None:
    host = socket.gethostname()
    for name in (f"{host}-{dead_pid()}-a", f"{host}-{os.getppid()}-b", f"elsewhere-{dead_pid()}-c", f"{host}-x-d"):
        (tmp_path / f".partial-{name}").mkdir()
    (tmp_path / "kept").mkdir()
    remove_leftovers(tmp_path)
    left = [f".partial-{host}-{os.getppid()}-b", f".partial-{host}-x-d", ".partial-elsewhere", "kept"]
    assert [name.rsplit("-", 2)[0] if "elsewhere" in name else name for name in names(tmp_path)] == sorted(left)


def test_the_next_run_cleans_up(tmp_path: Path) -> None:
    (tmp_path / f".partial-{socket.gethostname()}-{dead_pid()}-a").mkdir()
    with run_folder(tmp_path, "one"):
        pass
    assert names(tmp_path) == ["one"]


def test_run_ids_sort_by_time_and_differ() -> None:
    ids = [new_run_id(datetime(2026, 1, day, 5, tzinfo=UTC)) for day in (31, 2, 2)]
    assert re.fullmatch(r"20260131T050000Z-[0-9a-f]{6}", ids[0])
    assert sorted(ids)[2] == ids[0]
    assert len(set(ids)) == 3


def test_writing_keeps_the_old_file_when_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "result.json"
    write_atomically(file, "old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        write_atomically(file, "new")
    assert (file.read_text(), names(tmp_path)) == ("old", ["result.json"])


def test_the_place_of_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRENDLAB_RUNS", raising=False)
    assert output_root() == tmp_path / "runs"
    monkeypatch.setenv("TRENDLAB_RUNS", str(tmp_path / "elsewhere"))
    assert output_root() == tmp_path / "elsewhere"
    assert output_root("mine") == tmp_path / "mine"


def test_figures_are_saved_twice_the_same_to_the_byte_and_closed(tmp_path: Path) -> None:
    from matplotlib import pyplot

    def draw(folder: str) -> bytes:
        (tmp_path / folder).mkdir()
        drawing, axes = pyplot.subplots()
        axes.plot([1, 2, 3])
        run = RunFolder(tmp_path / folder, Progress(quiet=True))
        figure = run.figure(drawing, "a-line", title="T", caption="C", alt="A")
        assert (tmp_path / folder / "a-line.png").read_bytes()[:4] == b"\x89PNG"
        return (tmp_path / folder / figure.file).read_bytes()

    with pyplot.rc_context({"svg.hashsalt": "trendlab"}):
        assert draw("a") == draw("b")
    assert pyplot.get_fignums() == []


def test_figure_names_are_checked(tmp_path: Path) -> None:
    from matplotlib import pyplot

    run = RunFolder(tmp_path, Progress(quiet=True))
    words = {"title": "T", "caption": "C", "alt": "A"}
    drawing, _ = pyplot.subplots()
    for name in ("../up", "Upper", "a b", ""):
        with pytest.raises(ValueError, match="figure name"):
            run.figure(drawing, name, **words)
    run.figure(drawing, "twice", **words)
    with pytest.raises(ValueError, match="used twice"):
        run.figure(drawing, "twice", **words)

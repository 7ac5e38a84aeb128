"""What is left of an index after kill -9, a power cut, or files that cannot be read."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demos.clip_retrieval.index import durable, snapshot
from demos.clip_retrieval.index.vector_index import RECORD, SCAN, VectorIndex
from shared.errors import UserError
from tests.conftest import ROOT
from tests.demos.clip_retrieval.index_writer import DIMENSION, METADATA, expected, rows, vector
from tests.demos.clip_retrieval.test_index import check, found

WRITER = Path(__file__).parent / "index_writer.py"


@pytest.fixture
def index(tmp_path: Path) -> VectorIndex:
    return VectorIndex.create(tmp_path / "index", DIMENSION, "tiny", METADATA, threads=1)


@pytest.mark.parametrize("fault", ["absent", "forbidden"])
def test_a_condition_is_not_blamed_for_files_that_cannot_be_read(
    index: VectorIndex, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    index.add(rows({"a": 1}))
    index.add(rows({"b": 2}))
    index.search(vector("a", 1), 1)
    data = next((index.folder / "vectors.lance" / "data").iterdir())
    if fault == "absent":  # as after a power cut
        data.unlink()
    else:  # a test may run as root, to whom nothing is forbidden

        def forbidden(*_: object) -> None:
            raise RuntimeError("lance error: LanceError(IO): Too many open files (os error 24), /x/local.rs:274:24")

        monkeypatch.setattr("lancedb.query.LanceEmptyQueryBuilder.to_arrow", forbidden)
    with pytest.raises(UserError, match=rf"version {index.version} of the table cannot be read") as error:
        VectorIndex.open(index.folder, threads=1).search(vector("a", 1), 1, "n > 0")
    assert "columns are" not in str(error.value)
    assert ("goes back to the version before" in str(error.value)) == (fault == "absent")


def test_the_only_version_is_not_to_be_removed(index: VectorIndex) -> None:
    index.add(rows({"a": 1}))
    index.optimise()
    index.close()
    next((index.folder / "vectors.lance" / "data").iterdir()).unlink()
    with pytest.raises(UserError, match="there is none before it") as error:
        VectorIndex.open(index.folder).search(vector("a", 1), 1)
    assert "manifest" not in str(error.value)


def test_a_create_that_was_killed_can_be_repeated(tmp_path: Path) -> None:
    with VectorIndex.create(tmp_path / "x", DIMENSION, "tiny", METADATA) as first:
        first.add(rows({"a": 1}))
    (tmp_path / "x" / RECORD).unlink()
    (tmp_path / "x" / SCAN).unlink(missing_ok=True)
    with VectorIndex.create(tmp_path / "x", DIMENSION, "tiny", METADATA) as again:
        assert again.keys() == []


@pytest.fixture
def running() -> Iterator[int]:
    """Number of another process that lives as long as the test."""
    process = subprocess.Popen(["sleep", "600"])
    yield process.pid
    process.kill()
    process.wait()


def test_what_killed_processes_left_is_replaced_and_what_is_alive_is_not(tmp_path: Path, running: int) -> None:
    dead, alive = killed(), running
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / f".{RECORD}.{dead}").touch()
    (folder / f".{RECORD}.{alive}").touch()  # its number is that of another process by now: it has no lock
    with VectorIndex.create(folder, DIMENSION, "tiny", METADATA, threads=1) as index:
        index.add(rows({"a": 1}))
        for number in (dead, alive, 1):  # process 1 is always there
            (folder / f".{SCAN}.{number}").write_bytes(b"half")
        os.utime(folder / f".{SCAN}.{alive}", (0, 0))
        assert found(index, vector("a", 1), 1) == [("a", 1)]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [f".{SCAN}.1", RECORD, SCAN, "vectors.lance", "writer.lock"]
    )


def killed() -> int:
    """Number of a process that is dead."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_damaged_copy_of_the_vectors_is_made_again(index: VectorIndex, damage: bytes | None) -> None:
    index.add(rows({"a": 1, "b": 2}))
    index.search(vector("a", 1), 1)
    file = index.folder / SCAN
    file.write_bytes(file.read_bytes()[:-100] if damage is None else damage)
    assert found(VectorIndex.open(index.folder), vector("a", 1), 1) == [("a", 1)]
    assert snapshot.read(file, index.version) is not None
    assert snapshot.read(file, index.version + 1) is None


def test_a_disk_without_room_for_the_copy_still_searches(index: VectorIndex) -> None:
    index.add(rows({"a": 1}))
    (index.folder / SCAN).mkdir()
    assert found(index, vector("a", 1), 1) == [("a", 1)]


@pytest.mark.parametrize("damage", ["empty", "zeros"])
def test_an_unreadable_newest_version_is_one_line_with_the_way_out(index: VectorIndex, damage: str) -> None:
    """As a power cut may leave it: the change before is still there."""
    index.add(rows({"a": 1}))
    index.upsert(rows({"b": 2}))
    index.close()
    newest = index.folder / "vectors.lance" / "_versions" / f"{2**64 - 1 - index.version:020d}.manifest"
    newest.write_bytes(bytes(newest.stat().st_size if damage == "zeros" else 0))
    for read in (lambda x: x.search(vector("a", 1), 1), lambda x: x.count, lambda x: x.upsert(rows({"c": 1}))):
        with pytest.raises(UserError, match="goes back to the version before") as error:
            read(VectorIndex.open(index.folder))
        assert "\n" not in str(error.value)
        assert str(newest) in str(error.value)
    newest.unlink()
    with VectorIndex.open(index.folder) as again:
        check(again, {"a": 1})
        again.add(rows({"c": 3}))
        check(again, {"a": 1, "c": 3})


def test_every_file_of_a_change_is_on_the_disk_before_it_is_acknowledged(
    index: VectorIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: dict[Path, set[Path]] = {}  # what of before was still there when it was brought to the disk
    real = os.fsync

    def spy(handle: int) -> None:
        synced[Path(f"/proc/self/fd/{handle}").readlink()] = {path for path in before if path.exists()}
        real(handle)

    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    monkeypatch.setattr(durable.os, "fsync", spy)
    table = index.folder / "vectors.lance"
    for change in (
        lambda: index.add(rows({"a": 1, "b": 2})),
        lambda: index.upsert(rows({"a": 3})),
        lambda: index.delete(["b"]),
        lambda: index.add(rows({"c": 4})),
        index.optimise,
    ):
        before = {path for path in table.rglob("*") if path.is_file()}
        synced.clear()
        change()
        new = {path for path in table.rglob("*") if path.is_file()} - before
        assert new
        assert {*new, *(path.parent for path in new), table} <= synced.keys()
        # What is joined is on the disk before what it was joined from is gone.
        assert all(synced[path] == before for path in new)
    assert not any(path.exists() for path in before if path.suffix == ".manifest")


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_nothing_acknowledged_is_lost_when_the_writer_is_killed(tmp_path: Path, kills: int) -> None:
    """kill -9 at a random moment, again and again; the next writer takes over, whatever was held or half done."""
    folder = tmp_path / "index"
    VectorIndex.create(folder, DIMENSION, "tiny", METADATA, threads=1).close()
    moments, done = random.Random(7), 0
    waiting = [
        start(folder),
        start(folder),
    ]  # the engine takes seconds to import: the next one does while this one dies
    try:
        for number in range(kills):
            writer = waiting.pop(0)
            waiting += [start(folder)] if number + 2 < kills else []
            last = kill_after(writer, done, moments.uniform(0, 0.4))
            assert last > done, writer.communicate()[1]
            with VectorIndex.open(folder, "tiny", threads=1) as index:
                # The one change that was under way may be there, but as a whole.
                there = {hit.key: hit.metadata["n"] for hit in index.search(vector("query", 0), 10**6)[0]}
                done = last if there == expected(last) else last + 1
                assert there == expected(done)
                check(index, expected(done))
    finally:
        for writer in waiting:
            writer.kill()
            writer.communicate()
    with VectorIndex.open(folder) as index:
        index.optimise()
        check(index, expected(done))


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WRITER), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"},
    )


def kill_after(writer: subprocess.Popen[str], done: int, seconds: float) -> int:
    """Let it go on after `done` steps; the last step it acknowledged when it was killed, `seconds` after its first."""
    assert writer.stdin
    assert writer.stdout
    writer.stdin.write(f"{done}\n")
    writer.stdin.flush()
    lines = [writer.stdout.readline()]
    try:
        writer.wait(seconds)
    except subprocess.TimeoutExpired:
        writer.kill()
    lines += writer.communicate()[0].splitlines()
    return max((int(line) for line in lines if line.strip()), default=done)

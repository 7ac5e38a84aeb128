"""Embedding a corpus: the same table whatever the engine and however often it was stopped; only changes are done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from demos.clip_retrieval.corpus import encode
from demos.clip_retrieval.corpus.encode import Encoded, encode_corpus
from demos.clip_retrieval.corpus.intake import read_corpus
from demos.clip_retrieval.corpus.layout import OWN, Layout, content_hash, layout_of
from shared.corpus.items import Item, Source
from shared.errors import UserError
from shared.fanout import Engine, shut_down
from shared.progress import Progress
from tests.conftest import ROOT

DIMENSION = 6


@pytest.fixture(autouse=True)
def _no_worker_is_left() -> Any:
    yield
    shut_down()


class MeanColours:
    """An encoder without weights: mean colours of the four quarters, through a fixed projection."""

    size = 8
    dimension = DIMENSION
    fit: Literal["pad", "crop"] = "pad"

    def images(self, pictures_nhwc: np.ndarray) -> np.ndarray:
        means = pictures_nhwc.reshape(-1, 2, 4, 2, 4, 3).mean(axis=(2, 4)).reshape(len(pictures_nhwc), 12) + 1
        vectors = means @ np.random.default_rng(0).normal(size=(12, DIMENSION))
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class MeanColoursSpec:
    def load(self) -> MeanColours:
        return MeanColours()


@dataclass(frozen=True)
class Forbidden:
    def load(self) -> MeanColours:
        raise UserError("there are no weights; run make")


@dataclass
class Rows:
    """A sink in memory, or in a file that is replaced as a whole; `kill_at`: the upsert that it does not survive."""

    file: Path | None = None
    kill_at: int = -1
    kill_after_writing: bool = False
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.file and self.file.is_file():
            self.rows = json.loads(self.file.read_text())

    def keys_and_hashes(self) -> dict[str, str]:
        return {key: row["content"] for key, row in self.rows.items()}

    def upsert(self, table: pa.Table) -> None:
        if self.kill_at == len(self.sizes) and not self.kill_after_writing:
            os.kill(os.getpid(), signal.SIGKILL)
        assert len(set(table["key"].to_pylist())) == table.num_rows > 0
        self.rows |= {row["key"]: row for row in table.to_pylist()}
        self._write()
        if self.kill_at == len(self.sizes):
            os.kill(os.getpid(), signal.SIGKILL)
        self.sizes.append(table.num_rows)

    def delete(self, keys: list[str]) -> None:
        for key in keys:
            del self.rows[key]
        self._write()

    def _write(self) -> None:
        if self.file:
            part = self.file.with_suffix(".part")
            part.write_text(json.dumps(self.rows))
            part.replace(self.file)


def put(root: Path, name: str, seed: int, caption: str | None = None) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(root / name, "PNG")
    if caption is not None:
        (root / name).with_suffix(".txt").write_text(caption)


def truncated(file: Path) -> None:
    """A picture whose header is fine and whose pixels are not all there."""
    data = file.read_bytes()
    file.write_bytes(data[: len(data) - 80])


def run(root: Path, sink: Rows, spec: Any = None, **options: Any) -> Encoded:
    options = {"engine": "serial", **options}
    return encode_corpus(read_corpus(root), sink, spec or MeanColoursSpec(), **options)


def counts(done: Encoded) -> tuple[int, int, int, int]:
    return done.added, done.updated, done.unchanged, done.deleted


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    root = tmp_path / "in"
    for n in range(20):
        put(root, f"{'ab'[n % 2]}/{n:02d}.png", n, f"picture {n}" if n % 3 else None)
    return root


def test_rows_are_pictures_with_their_words(corpus: Path) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "green")]
    frames[0].save(corpus / "moving.gif", save_all=True, append_images=frames[1:])
    sink = Rows()
    done = run(corpus, sink)
    assert (counts(done), done.pictures) == ((21, 0, 0, 0), 21)
    assert done.notes == {"first of several frames": 1}
    row = sink.rows["b/07.png"]
    assert set(row) == {"key", "vector", *OWN}
    assert (row["caption"], row["folder"], row["notes"], row["more"]) == ("picture 7", "b", None, None)
    assert sink.rows["moving.gif"]["notes"] == "first of several frames"
    with Image.open(corpus / "b" / "07.png") as picture:
        pixels = np.full((8, 8, 3), 255, np.uint8)
        pixels[:, 1:7] = np.asarray(picture.resize((6, 8), Image.Resampling.LANCZOS))
    np.testing.assert_allclose(row["vector"], MeanColours().images(pixels[None])[0], atol=1e-6)


def test_only_what_changed_is_done(corpus: Path) -> None:
    sink = Rows()
    run(corpus, sink)
    again = Rows(rows=dict(sink.rows))
    assert counts(run(corpus, again, Forbidden())) == (0, 0, 20, 0)
    assert again.sizes == []
    put(corpus, "a/00.png", 100)  # other bytes
    (corpus / "b" / "01.txt").write_text("other words")
    (corpus / "a" / "02.png").unlink()
    (corpus / "a" / "04.png").rename(corpus / "a" / "moved.png")
    put(corpus, "c/new.png", 101)
    assert counts(run(corpus, again)) == (2, 2, 16, 2)
    fresh = Rows()
    run(corpus, fresh)
    assert again.rows == fresh.rows
    assert again.rows["b/01.png"]["caption"] == "other words"
    assert again.rows["a/00.png"]["vector"] != sink.rows["a/00.png"]["vector"]


def test_vanished_pictures_stay_without_prune(corpus: Path) -> None:
    sink = Rows()
    run(corpus, sink)
    (corpus / "a" / "02.png").unlink()
    assert counts(run(corpus, sink, prune=False)) == (0, 0, 19, 0)
    assert "a/02.png" in sink.rows
    assert counts(run(corpus, sink)) == (0, 0, 19, 1)
    assert "a/02.png" not in sink.rows


def test_a_picture_that_broke_goes_and_comes_back(corpus: Path) -> None:
    sink = Rows()
    run(corpus, sink)
    whole = (corpus / "a" / "02.png").read_bytes()
    truncated(corpus / "a" / "02.png")
    done = run(corpus, sink)
    assert counts(done) == (0, 0, 19, 1)
    assert [(found.file, str(found.reason)) for found in done.problems] == [("a/02.png", "broken")]
    (corpus / "a" / "02.png").write_bytes(whole)
    assert counts(run(corpus, sink)) == (1, 0, 19, 0)


def test_what_cannot_be_read_this_time_is_not_gone(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tarfile.open(corpus.parent / "s.tar", "w") as archive:
        for file in sorted((corpus / "a").glob("*.png")):
            archive.add(file, file.name)
    sink = Rows()
    run(corpus, sink)
    scandir = os.scandir

    def forbidden(path: str) -> object:
        if str(path).endswith("/a"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", forbidden)
        (corpus / "b" / "01.png").unlink()
        assert counts(run(corpus, sink)) == (0, 0, 9, 1)
    tar, sink = corpus.parent / "s.tar", Rows()
    run(tar, sink)
    tar.write_bytes(tar.read_bytes()[:3000])
    done = run(tar, sink)
    assert done.deleted == 0
    assert 0 < done.unchanged < 10
    assert len(sink.rows) == 10


def test_when_nothing_is_left_nothing_is_deleted(corpus: Path) -> None:
    sink = Rows()
    run(corpus, sink)
    for file in corpus.rglob("*.png"):
        truncated(file)
    with pytest.raises(UserError, match=r"no picture can be used: 20 broken; the first is 'a/00.png' \("):
        run(corpus, sink)
    assert len(sink.rows) == 20


def test_memory_is_bounded_by_the_commit(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    call = encode.Work.__call__

    def watched(self: encode.Work, items: Any) -> pa.Table:
        held.append(len(items))
        return call(self, items)

    monkeypatch.setattr(encode.Work, "__call__", watched)
    monkeypatch.setattr(encode, "TASK", 3)
    sink = Rows()
    run(corpus, sink, commit=8)
    assert sink.sizes == [8, 8, 4]
    assert max(held) == 3


@pytest.mark.parametrize("engine", ["serial", "processes"])
def test_engines_give_the_same(corpus: Path, engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    put(corpus, "broken.png", 50)
    truncated(corpus / "broken.png")
    expected, sink = Rows(), Rows()
    first = run(corpus, expected)
    done = run(corpus, sink, engine=engine, workers=2, commit=8, progress=Progress(quiet=True))
    assert sink.rows == expected.rows
    assert done == first
    assert capsys.readouterr().err.startswith("embed: 21 in ")


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Ray's own
def test_ray_gives_the_same(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setattr(encode, "TASK", 3)
    put(corpus, "broken.png", 50)
    truncated(corpus / "broken.png")
    expected, sink = Rows(), Rows()
    first = run(corpus, expected)
    done = run(corpus, sink, engine="ray", workers=2, commit=8)
    assert sink.rows == expected.rows
    assert done == first
    assert max(sink.sizes) <= 8
    assert counts(run(corpus, sink, engine="ray", workers=2)) == (0, 0, 20, 0)
    with pytest.raises(UserError, match=r"^there are no weights; run make$"):
        run(corpus, Rows(), Forbidden(), engine="ray", workers=2)


@pytest.mark.parametrize("engine", ["serial", "processes"])
def test_what_a_worker_raises_is_said_and_what_was_kept_stays(corpus: Path, engine: Engine) -> None:
    sink = Rows()
    with pytest.raises(UserError, match=r"^there are no weights; run make$"):
        run(corpus, sink, Forbidden(), engine=engine, workers=2)
    assert sink.rows == {}


KILLED = """
import sys
from pathlib import Path
from demos.clip_retrieval.corpus.encode import encode_corpus
from demos.clip_retrieval.corpus.intake import read_corpus
from tests.demos.clip_retrieval.test_encode import MeanColoursSpec, Rows
root, file, at, after = sys.argv[1:]
sink = Rows(Path(file), int(at), after == "after")
encode_corpus(read_corpus(root), sink, MeanColoursSpec(), commit=4, engine="serial")
"""


def test_killed_and_started_again_it_is_the_same_table(corpus: Path, tmp_path: Path) -> None:
    expected = Rows()
    run(corpus, expected)
    file = tmp_path / "rows.json"
    acknowledged = 0
    for at, when in [(0, "before"), (1, "after"), (0, "after"), (1, "before")]:
        words = [sys.executable, "-c", KILLED, str(corpus), str(file), str(at), when]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == -signal.SIGKILL, done.stderr
        acknowledged += 4 * (at + (when == "after"))
        assert len(Rows(file).rows) == acknowledged
    sink = Rows(file)
    assert counts(run(corpus, sink)) == (20 - acknowledged, 0, acknowledged, 0)
    assert sink.rows == expected.rows


def test_a_file_that_changes_while_it_is_read_gets_the_hash_of_what_was_embedded(corpus: Path) -> None:
    found = read_corpus(corpus)
    put(corpus, "a/00.png", 100)
    sink, fresh = Rows(), Rows()
    encode_corpus(found, sink, MeanColoursSpec(), engine="serial")
    run(corpus, fresh)
    assert sink.rows == fresh.rows


def test_facts_get_columns(tmp_path: Path) -> None:
    put(tmp_path, "a.png", 1)
    facts = {
        "file_name": "a.png",
        "text": "a",
        "Exif.Model": "x",
        "exif model": "y",
        "key": "k",
        "3d": "z",
        "code": "c",
    }
    (tmp_path / "metadata.jsonl").write_text(json.dumps(facts))
    corpus = read_corpus(tmp_path)
    layout = layout_of(corpus.items)
    columns = ["fact_3d", "exif_model", "fact_code", "fact_exif_model", "fact_key"]
    assert [column for _, column in layout.facts] == columns
    assert layout.schema().names == [*OWN, *columns]
    sink = Rows()
    encode_corpus(corpus, sink, MeanColoursSpec(), engine="serial")
    row = sink.rows["a.png"]
    assert [row[column] for column in columns] == ["z", "x", "c", "y", "k"]
    # An index made before has columns of its own.
    older = layout.within(["key", "vector", *OWN, "fact_key", "gone"])
    assert older.schema().names == [*OWN, "fact_key", "gone"]
    sink = Rows()
    encode_corpus(corpus, sink, MeanColoursSpec(), layout=older, engine="serial")
    row = sink.rows["a.png"]
    assert (row["fact_key"], row["gone"]) == ("k", None)
    assert json.loads(row["more"]) == {"Exif.Model": "x", "exif model": "y", "3d": "z", "code": "c"}
    assert layout_of(corpus.items, most=1).facts == (("3d", "fact_3d"),)


names = st.text(max_size=6)


@given(st.dictionaries(names, names, max_size=6))
def test_columns_are_distinct_words(metadata: dict[str, str]) -> None:
    layout = layout_of([Item("a", Source("a"), None, metadata)])
    columns = layout.schema().names
    assert len(set(columns)) == len(columns) == len(OWN) + len(metadata.keys() - {"folder"})
    assert all(column.isascii() and column.isidentifier() for column in columns)


@given(names, st.none() | names, st.dictionaries(names, names, max_size=3), names)
def test_the_content_hash_tells_words_and_bytes_apart(
    sha: str, caption: str | None, metadata: dict[str, str], other: str
) -> None:
    item = Item("a", Source("a"), caption, metadata, sha)
    assert content_hash(item) == content_hash(replace(item, key="b", source=Source("b")))
    changes: list[Callable[[], Item]] = [
        lambda: replace(item, sha256=sha + "x"),
        lambda: replace(item, caption=(caption or "") + "x"),
        lambda: replace(item, metadata={**metadata, other: metadata.get(other, "") + "x"}),
    ]
    assert all(content_hash(change()) != content_hash(item) for change in changes)
    assert Layout().schema().names == list(OWN)

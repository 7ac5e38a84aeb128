"""Words or a picture in, pictures out: the Python API and the verb, on a tower that learned nothing worth knowing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor

from demos.clip_retrieval import answer
from demos.clip_retrieval.corpus import corpora, encode
from demos.clip_retrieval.corpus.corpora import find_pictures
from demos.clip_retrieval.index.vector_index import VectorIndex
from demos.clip_retrieval.search import Collection, open_collection
from shared import registry
from shared.cli import main
from shared.errors import UserError
from shared.openmoji import render
from shared.openmoji.records import records
from shared.openmoji.render import pictures
from shared.progress import Progress
from shared.sheet import LINE
from tests.conftest import ROOT

EXTRA = ["faiss", "lancedb", "onnxruntime", "open_clip", "pyarrow", "resvg_py", "safetensors", "tokenizers", "torch"]


@pytest.fixture(scope="module")
def work(tiny_tower: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder of its own with the tiny tower as the shipped one; the data stay in the user's cache."""
    folder = tmp_path_factory.mktemp("work")
    patch = pytest.MonkeyPatch()
    for module in ("model.weights", "corpus.corpora"):
        patch.setattr(f"demos.clip_retrieval.{module}.work_folder", lambda: folder)
    patch.setattr("demos.clip_retrieval.model.weights.assembled.__defaults__", (tiny_tower,))
    from demos.clip_retrieval.model.encoder import _load

    _load.cache_clear()
    yield folder  # type: ignore[misc]
    patch.undo()
    _load.cache_clear()


@pytest.fixture(scope="module")
def embedded(work: Path) -> Collection:
    """The embedded pictures."""
    return open_collection()


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Six pictures of the user, one with a caption, and a file that is none."""
    folder = tmp_path / "album"
    folder.mkdir()
    for row in range(6):
        Image.fromarray(np.asarray(pictures(64)[row * 500])).save(folder / f"{row}.png")
    (folder / "0.txt").write_text("the first one")
    (folder / "notes.doc").write_text("no picture")
    return folder


def test_three_lines_find_a_picture_by_itself(embedded: Collection, tmp_path: Path) -> None:
    assert len(embedded) == 4495
    row = 1234
    file = tmp_path / "x.png"
    Image.fromarray(np.asarray(pictures(32)[row])).save(file)
    found = embedded.search(file, k=5)
    # At the size of the tower it is itself, whatever the tower learned.
    assert found.hits[0].metadata["name"] == records()[row].name
    exact = embedded.search(np.asarray(pictures(32)[row]), k=3)
    assert exact.hits[0].score == pytest.approx(1, abs=1e-5)
    assert len(embedded.search("a red apple", k=7).hits) == 7
    with Image.open(found.save(tmp_path / "deep" / "sheet.png")) as sheet:
        assert sheet.width > 500
    assert found._repr_png_().startswith(b"\x89PNG")


def test_filters_hold_and_wrong_ones_are_one_line(embedded: Collection) -> None:
    found = embedded.search("anything", k=20, where="subgroup = 'food fruit'")
    assert {hit.metadata["subgroup"] for hit in found.hits} == {"food fruit"}
    with pytest.raises(UserError, match="columns"):
        embedded.search("anything", where="colour = 'red'")


@pytest.mark.parametrize(
    ("query", "k", "message"),
    [("  ", 8, "no words"), ("x", 0, "k must be 1 or more"), (Path("absent.png"), 8, "absent.png")],
)
def test_faults_of_a_user_are_one_line(embedded: Collection, query: str | Path, k: int, message: str) -> None:
    with pytest.raises(UserError, match=message):
        embedded.search(query, k)


def test_a_query_of_any_length_and_script_is_answered(embedded: Collection) -> None:
    for query in ("a " * 5000, "ein roter Apfel 🍎", "苹果", "'; drop table x; --", "\x00"):
        assert len(embedded.search(query, k=3).hits) == 3


def test_the_users_folder_is_embedded_once_and_refreshed_on_demand(work: Path, album: Path) -> None:
    first = open_collection(album, engine="serial")
    assert len(first) == 6
    assert {hit.key for hit in first.search("the first one", k=6).hits} == {f"{row}.png" for row in range(6)}
    assert next(iter((work / "indexes").glob("*/skipped.csv"))).read_text().splitlines()[1].startswith("notes.doc,")
    (album / "0.png").unlink()
    Image.fromarray(np.asarray(pictures(64)[77])).save(album / "new.png")
    assert len(open_collection(album, engine="serial")) == 6
    again = open_collection(album, engine="serial", refresh=True)
    found = again.search("x", k=9)
    assert {hit.key for hit in found.hits} == {"new.png", *(f"{row}.png" for row in range(1, 6))}
    frame = np.array(ImageColor.getrgb(LINE))
    assert not (np.asarray(found.sheet()) == frame).all(-1).any()
    (album / "new.png").unlink()
    new, gone = again.pictures(["1.png", "new.png"], 64)
    assert new is not None
    assert gone is None
    # The frame of what is gone.
    assert (np.asarray(found.sheet()) == frame).all(-1).sum() > 400


def test_pictures_in_tars_are_found_again(work: Path, album: Path, tmp_path: Path) -> None:
    import tarfile

    tar = tmp_path / "shard.tar"
    with tarfile.open(tar, "w") as archive:
        archive.add(album / "3.png", "a/3.png")
        archive.add(album / "4.png", "a/4.png")
    collection = open_collection(tar, engine="serial")
    assert sorted(hit.key for hit in collection.search("x").hits) == ["shard.tar:a/3.png", "shard.tar:a/4.png"]
    shown, absent = collection.pictures(["shard.tar:a/4.png", "shard.tar:a/5.png"], 64)
    assert np.array_equal(shown, pictures(64)[2000])
    assert absent is None


def test_a_picture_is_that_of_its_own_tar(album: Path, tmp_path: Path) -> None:
    import tarfile

    for folder, row in (("ba", 3), ("a", 4)):
        (tmp_path / folder).mkdir()
        with tarfile.open(tmp_path / folder / "x.tar", "w") as archive:
            archive.add(album / f"{row}.png", "0.png")
    for pattern, key in (("{ba,a}/x.tar", "a/x.tar:0.png"), ("a/{x,y}.tar", "x.tar:0.png"), ("a/x.tar", "x.tar:0.png")):
        source = find_pictures(str(tmp_path / pattern), [key])[key]
        assert source.read() == (album / "4.png").read_bytes()
    assert find_pictures(str(tmp_path / "{ba,a}" / "x.tar"), ["x.tar:0.png", "ba/x.tar:1.png"]) == {}


def test_the_archive_is_opened_once_for_all_answers(embedded: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(render, "svgs", lambda names, real=render.svgs: asked.append(names) or real(names))
    assert len([picture for picture in embedded.search("x", k=5).pictures() if picture is not None]) == 5
    assert [len(names) for names in asked] == [5]


class Ones:
    """An encoder that sees the same in every picture."""

    size, dimension, fit, identity = 32, 4, "pad", "ones"

    def load(self) -> Ones:
        return self

    def images(self, pictures_nhwc: np.ndarray) -> np.ndarray:
        return np.full((len(pictures_nhwc), 4), 0.5, np.float32)


def test_two_first_searches_at_once_leave_one_whole_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpora, "work_folder", lambda: tmp_path)
    monkeypatch.setattr(render, "pictures", lambda size: np.zeros((4495, 1, 1, 3), np.uint8))
    add, counts = VectorIndex.add, []

    def first_search(index: VectorIndex, table: object) -> None:
        add(index, table)
        if not counts:  # another process does all of it between the filling of the first one and its renaming
            counts.append(0)
            counts.append(corpora.embedded_index(Ones(), Progress(quiet=True)).count)

    monkeypatch.setattr(VectorIndex, "add", first_search)
    counts.append(corpora.embedded_index(Ones(), Progress(quiet=True)).count)
    assert counts == [0, 4495, 4495]
    assert [path.name for path in (tmp_path / "indexes").iterdir()] == ["openmoji-ones"]


def test_as_many_workers_as_asked_for_with_one_thread_each(
    work: Path, album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, threads = [], []
    real, call = corpora.fan_out, encode.Work.__call__
    monkeypatch.setattr(corpora, "fan_out", lambda *a, **named: asked.append(named["workers"]) or real(*a, **named))
    monkeypatch.setattr(
        encode.Work, "__call__", lambda self, items: threads.append(self.spec.threads) or call(self, items)
    )
    open_collection(album, engine="processes", workers=1)
    open_collection(album, engine="serial", workers=1, refresh=True)
    Image.new("RGB", (8, 8)).save(album / "more.png")
    open_collection(album, engine="serial", refresh=True)
    assert asked == [1, 1, None]
    assert threads == [1, None]


def test_a_large_collection_gets_an_index_on_disk_once(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for method in (VectorIndex.create, VectorIndex.open):
        monkeypatch.setitem(method.__func__.__kwdefaults__, "exact_below", 30)
    folder = tmp_path / "many"
    folder.mkdir()

    def put(rows: range) -> None:
        for row in rows:
            Image.fromarray(np.asarray(pictures(32)[row])).save(folder / f"{row}.png")

    def said() -> str:
        collection = open_collection(folder, engine="serial", refresh=True, progress=Progress())
        assert 0 < collection.index.recall <= 1
        assert len(collection.search("x", k=4).hits) == 4
        return capsys.readouterr().err

    put(range(30))
    assert "index" not in said()
    put(range(30, 40))
    assert re.search(r"index: finds [\d.]+% of the exact answers \(the 10 nearest of 100 texts\)", said())
    put(range(40, 50))
    assert "index" not in said()
    put(range(50, 80))
    assert "index: finds" in said()


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Exit code of the command line in this process."""
    monkeypatch.setattr(sys, "argv", ["trendlab", *words])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_the_verb_prints_a_table_and_the_sheets_path(
    embedded: Collection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRENDLAB_RUNS", str(tmp_path / "runs"))
    assert call(monkeypatch, "search", "a red apple", "--k", "3", "-q") == 0
    shown = capsys.readouterr()
    sheet = Path(shown.out.strip().splitlines()[-1])
    assert sheet.parent == tmp_path / "runs" / "search"
    assert sheet.name.endswith("-a-red-apple.png")
    assert sheet.is_file()
    assert shown.err == ""
    assert call(monkeypatch, "search", "a red apple", "--sheet", str(tmp_path / "x.png")) == 0
    assert "among 4,495 pictures\n" in capsys.readouterr().err
    assert call(monkeypatch, "search", "x", "--refresh") == 2
    assert "for a corpus of your own" in capsys.readouterr().err
    assert call(monkeypatch, "search") == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert call(monkeypatch, "search", "x", "--engine", "rays") == 2
    assert "did you mean" in capsys.readouterr().err


def test_the_verb_says_how_old_its_vectors_are(
    work: Path, album: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("search", "x", "--corpus", str(album), "--engine", "serial", "--sheet", str(tmp_path / "x.png"))
    assert call(monkeypatch, *words) == 0
    assert re.search(r"among 6 pictures, as of \d{4}-\d\d-\d\d \d\d:\d\d; --refresh looks", capsys.readouterr().err)


@pytest.mark.parametrize("words", [("  ",), ("--image", "absent.png"), ("--image", __file__)])
def test_a_query_that_is_none_costs_no_embedding(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(answer, "open_collection", lambda *_, **__: pytest.fail("embeds"))
    assert call(monkeypatch, "search", *words, "--corpus", "absent") == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_packages_that_are_missing_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(answer.provenance, "missing", lambda extra: ["lancedb"])
    assert call(monkeypatch, "search", "x") == 2
    assert 'lancedb, not installed here: pip install -e ".[clip_retrieval]"' in capsys.readouterr().err


def test_what_says_that_needs_the_base_install_alone() -> None:
    """Pillow comes with matplotlib."""
    code = f"""
import sys
sys.modules |= dict.fromkeys({EXTRA!r})
import demos.clip_retrieval.answer
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_a_search_imports_neither_torch_nor_the_table_engine(embedded: Collection, tiny_tower: Path) -> None:
    """In a process of its own: pandas, torch and lancedb cost seconds."""
    folder = embedded.index.folder.parent.parent
    code = f"""
import sys
from pathlib import Path
from demos.clip_retrieval.corpus import corpora
from demos.clip_retrieval.model import weights
corpora.work_folder = weights.work_folder = lambda: Path({str(folder)!r})
weights.assembled.__defaults__ = (Path({str(tiny_tower)!r}),)
from demos.clip_retrieval.search import open_collection
assert len(open_collection().search("a red apple").hits) == 8
print(sorted({{"torch", "open_clip", "transformers", "lancedb", "pandas"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "[]\n", done.stderr


def test_every_verb_is_a_command_with_help() -> None:
    for name, function in registry.verbs().items():
        assert function.__doc__, name


def test_links_out_of_a_folder_are_read_where_asked(work: Path, album: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    Image.fromarray(np.asarray(pictures(64)[3333])).save(other / "far.png")
    (album / "far").symlink_to(other, target_is_directory=True)
    assert len(open_collection(album)) == 6
    assert len(open_collection(album, follow_links=True)) == 7
    assert len(open_collection(album)) == 7
    assert len(open_collection(album, refresh=True)) == 6
    Image.new("RGB", (65, 65)).save(album / "large.png")
    assert len(open_collection(album)) == 6
    assert len(open_collection(album, max_megapixels=0.0042)) == 6
    assert len(open_collection(album, max_megapixels=0.0043)) == 7

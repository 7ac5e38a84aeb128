"""Words or a picture in, pictures out: the Python API and the verb, on a tower that learned nothing worth knowing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demos.clip_retrieval.emoji.openmoji import records
from demos.clip_retrieval.emoji.render import pictures
from demos.clip_retrieval.search import Collection, open_collection
from shared import registry
from shared.cli import main
from shared.errors import UserError


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
    assert {hit.key for hit in again.search("x", k=9).hits} == {"new.png", *(f"{row}.png" for row in range(1, 6))}
    assert again.picture("new.png", 64) is not None
    assert again.picture("0.png", 64) is None


def test_pictures_in_tars_are_found_again(work: Path, album: Path, tmp_path: Path) -> None:
    import tarfile

    tar = tmp_path / "shard.tar"
    with tarfile.open(tar, "w") as archive:
        archive.add(album / "3.png", "a/3.png")
        archive.add(album / "4.png", "a/4.png")
    collection = open_collection(tar, engine="serial")
    assert sorted(hit.key for hit in collection.search("x").hits) == ["shard.tar:a/3.png", "shard.tar:a/4.png"]
    shown = collection.picture("shard.tar:a/4.png", 64)
    assert shown is not None
    assert np.abs(shown.astype(int) - np.asarray(pictures(64)[2000]).astype(int)).max() == 0


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
    assert call(monkeypatch, "search") == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert call(monkeypatch, "search", "x", "--engine", "rays") == 2
    assert "did you mean" in capsys.readouterr().err


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
    assert len(open_collection(album, refresh=True, follow_links=True)) == 7
    assert len(open_collection(album, refresh=True)) == 6

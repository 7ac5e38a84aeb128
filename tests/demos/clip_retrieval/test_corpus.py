"""A folder as strangers have it, from the files to the rows: nothing fatal, everything counted, and a usable index."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from demos.clip_retrieval.corpus.encode import encode_corpus
from demos.clip_retrieval.corpus.intake import read_corpus
from demos.clip_retrieval.corpus.layout import layout_of
from shared.corpus.skipped import report_rows, summary
from tests.demos.clip_retrieval.test_encode import DIMENSION, MeanColours, MeanColoursSpec, Rows, counts, put, truncated
from tests.shared.corpus.test_pictures import header_only_png

SKIPPED = {
    "bad crc.png": "broken",
    "bomb.png": "too large",
    "clip.mp4": "other file",
    "zz copy.png": "duplicate",
    "cut.jpg": "broken",
    "dangling.png": "link",
    "iphone.heic": "unsupported",
    "text.png": "not a picture",
    "vector.svg": "unsupported",
    "zero.png": "empty",
    ".DS_Store": "hidden",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """12 pictures that can be used, and 11 other files."""
    root = tmp_path / "Pictures"
    root.mkdir()
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))
    for name in ("ok.png", "ok.jpg", "wrong suffix.gif"):
        photo.rotate(len(name)).save(root / name, "JPEG" if name != "ok.png" else "PNG")
    photo.convert("CMYK").save(root / "cmyk.jpg")
    photo.convert("LAB").save(root / "lab.tif")
    alpha = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    alpha.paste((255, 0, 0, 255), (10, 10, 30, 30))
    alpha.save(root / "alpha.png")
    alpha.convert("LA").save(root / "la.png")
    alpha.quantize(8).save(root / "palette.png")
    photo.convert("1").save(root / "one.png")
    Image.fromarray(np.arange(900, dtype=np.uint16).reshape(30, 30) * 70).save(root / "sixteen.png")
    photo.save(root / "moving.webp", save_all=True, append_images=[photo.rotate(90)])
    Image.new("RGB", (1, 3000), "red").save(root / "thin.png")
    (root / "folder.png").mkdir()
    _spoil(root)
    return root


def _spoil(root: Path) -> None:
    ok = (root / "ok.png").read_bytes()
    (root / "zz copy.png").write_bytes(ok)
    (root / "cut.jpg").write_bytes((root / "ok.jpg").read_bytes()[:1000])
    (root / "bad crc.png").write_bytes(ok[:60] + bytes([ok[60] ^ 255]) + ok[61:])
    (root / "bomb.png").write_bytes(header_only_png(60_000, 60_000).getvalue())
    (root / "zero.png").touch()
    (root / "text.png").write_text("no picture")
    (root / "vector.svg").write_text("<svg/>")
    (root / "iphone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    (root / "clip.mp4").touch()
    (root / ".DS_Store").touch()
    (root / "dangling.png").symlink_to("nowhere.png")


def test_every_file_is_a_row_or_named(folder: Path) -> None:
    sink = Rows()
    done = encode_corpus(read_corpus(folder), sink, MeanColoursSpec(), engine="serial")
    assert {file: reason for file, reason, _ in report_rows(done.problems)} == SKIPPED
    names = {name for name in os.listdir(folder) if (folder / name).is_file()}  # noqa: PTH208
    assert set(sink.rows) == names - set(SKIPPED)
    assert done.pictures == 12
    assert summary(done.pictures, done.problems) == (
        "12 pictures, 11 skipped: 2 broken, 2 unsupported, 1 duplicate, 1 empty, 1 hidden, 1 link, "
        "1 not a picture, 1 other file, 1 too large"
    )
    assert done.notes == {"CMYK without a colour profile": 1, "first of several frames": 1}


def test_the_real_index_takes_the_rows(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("lancedb")
    from demos.clip_retrieval.corpus.corpora import IndexSink
    from demos.clip_retrieval.index.vector_index import VectorIndex

    for shade, name in enumerate(("it's.png", 'a "b".png', "new\nline.png", "ünï 猫.png", "x' OR 1=1 --.png")):
        Image.new("RGB", (8, 8), (shade, 99, 0)).save(folder / name)
        (folder / name).with_suffix(".txt").write_text(f"caption of {name}")
    corpus = read_corpus(folder)
    with VectorIndex.create(tmp_path / "index", DIMENSION, "mean", layout_of(corpus.items).schema()) as index:
        done = encode_corpus(corpus, IndexSink(index), MeanColoursSpec(), engine="serial", commit=5)
        assert counts(done) == (17, 0, 0, 0)
        assert index.keys() == sorted({item.key for item in corpus.items} - {found.file for found in done.problems})
        for name in ("it's.png", "new\nline.png", "x' OR 1=1 --.png"):
            (folder / name).unlink()
        (folder / 'a "b".txt').write_text("other words")
        again = encode_corpus(read_corpus(folder), IndexSink(index), MeanColoursSpec(), engine="serial")
        assert counts(again) == (0, 1, 13, 3)
        white = MeanColours().images(np.full((1, 8, 8, 3), 255, np.uint8))
        (hits,) = index.search(white, 20, where="caption LIKE 'other%'")
        assert [(hit.key, hit.metadata["caption"]) for hit in hits] == [('a "b".png', "other words")]


KINDS = st.sampled_from(["put", "remove", "break", "caption", "rename"])
CHANGES = st.tuples(KINDS, st.integers(0, 4), st.integers(0, 3))


@given(st.lists(st.lists(CHANGES, max_size=4), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None)
def test_whatever_changed_since_the_table_is_that_of_a_fresh_start(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[list[tuple[str, int, int]]]
) -> None:
    root = tmp_path_factory.mktemp("changing")
    put(root, "always.png", 99)
    sink = Rows()
    for changes in rounds:
        for change in changes:
            _apply(root, *change)
        fresh = Rows()
        encode_corpus(read_corpus(root), fresh, MeanColoursSpec(), engine="serial")
        done = encode_corpus(read_corpus(root), sink, MeanColoursSpec(), engine="serial")
        assert sink.rows == fresh.rows
        assert done.pictures == len(sink.rows)


def _apply(root: Path, change: str, which: int, other: int) -> None:
    file = root / f"{which}.png"
    if change == "put":
        put(root, file.name, other)
    elif change == "caption":
        file.with_suffix(".txt").write_text(f"caption {other}")
    elif file.is_file():
        if change == "remove":
            file.unlink()
        elif change == "break":
            truncated(file)
        else:
            file.rename(root / f"{other}.png")

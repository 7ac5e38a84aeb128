"""Which form a corpus has, what of it is read, and that everything else is counted and named."""

from __future__ import annotations

import csv
import doctest
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from demos.clip_retrieval.corpus import intake, layout, ray_engine
from demos.clip_retrieval.corpus.intake import Corpus, read_corpus
from shared.corpus import items, skipped, words
from shared.corpus.pictures import Reason
from shared.corpus.skipped import write_report
from shared.errors import UserError


def picture(seed: int = 0) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def put(root: Path, **files: bytes) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def tar(file: Path, members: dict[str, bytes]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file


def keys(corpus: Corpus) -> list[str]:
    return [item.key for item in corpus.items]


@pytest.mark.parametrize("module", [items, layout, ray_engine, skipped, words])
def test_examples(module: Any) -> None:
    found = doctest.testmod(module)
    assert found.failed == 0
    assert found.attempted > 0 or module in (layout,)


def test_a_folder(tmp_path: Path) -> None:
    root = put(
        tmp_path, **{"a.png": picture(1), "b/c.png": picture(2), "zero.png": b"", "text.png": b"words", ".x": b""}
    )
    corpus = read_corpus(root)
    assert (corpus.form, keys(corpus)) == ("folder", ["a.png", "b/c.png"])
    assert all(len(item.sha256) == 64 for item in corpus.items)
    assert corpus.summary() == "2 pictures, 3 skipped: 1 empty, 1 hidden, 1 not a picture"
    assert read_corpus(str(root)) == corpus


def test_the_home_folder_may_be_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    put(tmp_path, **{"Pictures/a.png": picture()})
    assert keys(read_corpus("~/Pictures")) == ["a.png"]


def test_equal_bytes_are_kept_once_and_named(tmp_path: Path) -> None:
    same = picture(1)
    root = put(
        tmp_path, **{"a.png": same, "b/a copy.jpg": same, "c.png": picture(2), "d.png": b"broken", "e.png": b"broken"}
    )
    corpus = read_corpus(root)
    assert keys(corpus) == ["a.png", "c.png"]
    (twice,) = [problem for problem in corpus.problems if problem.reason is Reason.DUPLICATE]
    assert (twice.file, twice.detail) == ("b/a copy.jpg", "same bytes as a.png")
    kept = read_corpus(root, duplicates="keep")
    assert keys(kept) == ["a.png", "c.png", "b/a copy.jpg"]
    assert kept.summary() == "3 pictures, 2 skipped: 2 not a picture; 1 exact duplicates kept"


def test_one_tar_a_folder_of_tars_and_a_pattern(tmp_path: Path) -> None:
    one = tar(tmp_path / "in" / "s-0.tar", {"a.png": picture(1), "a.txt": b"an a"})
    tar(tmp_path / "in" / "deep" / "s-1.tar", {"a.png": picture(2)})
    (tmp_path / "in" / "s-0_stats.json").write_text("{}")
    corpus = read_corpus(one)
    assert (corpus.form, keys(corpus), corpus.items[0].caption) == ("webdataset", ["s-0.tar:a.png"], "an a")
    assert keys(read_corpus(tmp_path / "in")) == ["s-0.tar:a.png", "deep/s-1.tar:a.png"]
    tar(tmp_path / "in" / "s-1.tar", {"b.png": picture(3)})
    corpus = read_corpus(str(tmp_path / "in" / "s-{0..2}.tar"))
    assert keys(corpus) == ["s-0.tar:a.png", "s-1.tar:b.png"]
    assert corpus.summary() == "2 pictures, 1 skipped: 1 broken shard"
    two = read_corpus(str(tmp_path / "in" / "{s-0,deep/s-1}.tar"))
    assert keys(two) == ["s-0.tar:a.png", "deep/s-1.tar:a.png"]


def test_the_name_of_a_tar_may_be_no_text(tmp_path: Path) -> None:
    try:
        file = tar(tmp_path / os.fsdecode(b"s\xe9.tar"), {"a.png": picture(1)})
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    assert keys(read_corpus(file)) == ["s\\xe9.tar:a.png"]
    assert keys(read_corpus(tmp_path / os.fsdecode(b"{s\xe9,t}.tar"))) == ["s\\xe9.tar:a.png"]


def test_a_tar_beside_pictures_is_named(tmp_path: Path) -> None:
    tar(tmp_path / "s.tar", {"a.png": picture(1)})
    corpus = read_corpus(put(tmp_path, **{"b.png": picture(2)}))
    assert keys(corpus) == ["b.png"]
    assert corpus.problems[0].detail == "a tar beside pictures; give it by itself"


def test_a_member_written_again_is_named(tmp_path: Path) -> None:
    file = tmp_path / "s.tar"
    with tarfile.open(file, "w") as archive:
        for name, seed in [("a.png", 1), ("b.png", 2), ("a.png", 3)]:
            info = tarfile.TarInfo(name)
            info.size = len(picture(seed))
            archive.addfile(info, io.BytesIO(picture(seed)))
    corpus = read_corpus(file)
    assert keys(corpus) == ["s.tar:a.png", "s.tar:b.png"]
    assert corpus.problems[0].detail == "of its name in the same tar; the first one counts"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("absent", "there is no such folder or file; expected a folder of pictures"),
        ("empty", "no pictures in it; expected"),
        ("broken", "no picture can be used: 1 empty, 1 hidden; the first is 'a.png' (no bytes); expected"),
        ("one.png", "got a single file"),
        ("many.zip", "unpack it to .tar first"),
        ("many.tar.gz", "unpack it to .tar first"),
        ("broken.tar", "no picture can be used: 1 broken shard"),
        ("s-{0..3}.tar", "none of its 4 shards is there"),
        ("s-{0..3.tar", "the braces do not match"),
    ],
)
def test_what_is_no_corpus_is_one_line(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    put(
        tmp_path,
        **{"broken/a.png": b"", "broken/.x": b"", "one.png": picture(), "many.zip": b"PK", "many.tar.gz": b"x"},
    )
    put(tmp_path, **{"broken.tar": b"x" * 2000})
    with pytest.raises(UserError) as caught:
        read_corpus(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_size_limit_is_handed_on(tmp_path: Path) -> None:
    root = put(tmp_path, **{"a.png": picture(1)})
    with pytest.raises(UserError, match="1 too large"):
        read_corpus(root, max_megapixels=1e-5)


def test_the_reading_is_fanned_out_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "ITEMS_A_SCAN", 2)
    asked: list[tuple[str, int]] = []

    def mapper(label: str, function: Callable[[Any], Any], parts: Iterable[Any]) -> list[Any]:
        parts = list(parts)
        asked.append((label, len(parts)))
        return [function(part) for part in parts]

    root = put(tmp_path, **{f"{n}.png": picture(n) for n in range(5)})
    assert read_corpus(root, mapper=mapper) == read_corpus(root)
    assert asked == [("read", 3)]


def test_the_report_holds_any_name(tmp_path: Path) -> None:
    odd = 'a "b",\nü\'.png'
    half = json.dumps({"file_name": "half \ud800.png"}).encode()
    files = {odd: b"", "ok.png": picture(), "m.mp4": b"", "metadata.jsonl": half}
    corpus = read_corpus(put(tmp_path / "in", **files))
    write_report(corpus.problems, tmp_path / "skipped.csv")
    with (tmp_path / "skipped.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["file", "reason", "detail"],
            [odd, "empty", "no bytes"],
            ["m.mp4", "other file", ".mp4 is no picture"],
            ["metadata.jsonl:1", "named but absent", "half ?.png"],
        ]

"""A folder of the user: every file is a picture, the words of one, or named as passed over."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from shared.corpus.folder import read_folder
from shared.corpus.items import Item, Problem
from shared.corpus.pictures import Reason
from shared.corpus.words import MAX_TEXT, Words, canonical, from_json, from_mapping, from_text


def read(root: Path, follow_links: bool = False) -> tuple[dict[str, Item], dict[str, tuple[str, str]]]:
    """(items by key, problems as file -> (reason, detail)); each file has one problem at most."""
    problems: list[Problem] = []
    items = list(read_folder(root, problems, follow_links))
    named = {problem.file: (str(problem.reason), problem.detail) for problem in problems}
    assert len(named) == len(problems), problems
    assert len({item.key for item in items}) == len(items)
    return {item.key: item for item in items}, named


def put(root: Path, **files: bytes | str) -> None:
    for name, content in files.items():
        put_one(root, name, content)


def put_one(root: Path, name: str, content: bytes | str = b"x") -> Path:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def test_pictures_in_the_order_of_names_with_their_folder(tmp_path: Path) -> None:
    for name in ["b.PNG", "a.jpeg", "dog/2.jpg", "dog/1.webp", "cat/big/3.gif"]:
        put_one(tmp_path, name)
    items, problems = read(tmp_path)
    assert list(items) == ["a.jpeg", "b.PNG", "cat/big/3.gif", "dog/1.webp", "dog/2.jpg"]
    assert [item.metadata["folder"] for item in items.values()] == ["", "", "cat/big", "dog", "dog"]
    assert items["dog/1.webp"].source.read() == b"x"
    assert problems == {}


def test_hidden_linked_and_other_files_are_named(tmp_path: Path) -> None:
    outside = put_one(tmp_path, "outside/far.png")
    root = tmp_path / "root"
    for name in [
        "a.png",
        ".hidden.png",
        ".git/b.png",
        "__MACOSX/c.png",
        "Thumbs.db",
        "clip.mp4",
        "README",
        "sub/d.png",
    ]:
        put_one(root, name)
    (root / "loop").symlink_to(root, target_is_directory=True)
    (root / "sub" / "up").symlink_to("..", target_is_directory=True)
    (root / "far.png").symlink_to(outside)
    (root / "far").symlink_to(outside.parent, target_is_directory=True)
    (root / "near.png").symlink_to("a.png")
    (root / "dangling.png").symlink_to("nowhere")
    (root / "circle.png").symlink_to("circle.png")
    os.mkfifo(root / "pipe.png")
    (root / "folder.png").mkdir()
    items, problems = read(root)
    assert list(items) == ["a.png", "near.png", "sub/d.png"]
    assert {file: reason for file, (reason, _) in problems.items()} == {
        ".hidden.png": "hidden",
        ".git": "hidden",
        "__MACOSX": "hidden",
        "Thumbs.db": "hidden",
        "clip.mp4": "other file",
        "README": "other file",
        "loop": "link",
        "far": "link",
        "sub/up": "link",
        "far.png": "link",
        "dangling.png": "link",
        "circle.png": "link",
        "pipe.png": "other file",
    }
    items, problems = read(root, follow_links=True)
    assert list(items) == ["a.png", "far.png", "near.png", "far/far.png", "sub/d.png"]
    assert problems["loop"][1] == problems["sub/up"][1] == "to a folder that was read already"


def test_a_linked_root_is_read(tmp_path: Path) -> None:
    put_one(tmp_path, "real/a.png")
    (tmp_path / "link").symlink_to("real", target_is_directory=True)
    assert list(read(tmp_path / "link")[0]) == ["a.png"]


def test_a_forbidden_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_one(tmp_path, "shut/a.png")
    put_one(tmp_path, "open/a.png")
    scandir = os.scandir

    def forbidden(path: str) -> object:  # a test may run as root, to whom nothing is forbidden
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    items, problems = read(tmp_path)
    assert list(items) == ["open/a.png"]
    assert problems == {"shut": ("unreadable", "folder: Permission denied")}


def test_odd_names(tmp_path: Path) -> None:
    names = ["it's.png", 'a "b".png', "new\nline.png", "ünï 猫.png", "a,b;c.png", " space .png", "-rf.png", "%s{}.png"]
    for name in names:
        put_one(tmp_path, name)
        put_one(tmp_path, name.replace(".png", ".txt"), f"words of {name}")
    items, problems = read(tmp_path)
    assert set(items) == set(names)
    assert all(items[name].caption == f"words of {name}".strip() for name in names)
    assert problems == {}


def test_names_that_are_no_text_are_shown_as_such(tmp_path: Path) -> None:
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(b"latin")
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    put_one(tmp_path, "caf\\xe9.png")
    items, problems = read(tmp_path)
    (item,) = items.values()
    assert item.key == "caf\\xe9.png"
    assert item.source.read() == b"x" or item.source.read() == b"latin"
    assert problems == {"caf\\xe9.png": ("unreadable", "its name, once made UTF-8, is that of another file")}


def test_a_row_may_name_any_file_that_python_can_list(tmp_path: Path) -> None:
    rows = [{"file_name": "a\ud800.png", "text": "half a character"}, {"file_name": "caf\udce9.png", "text": "latin"}]
    put_one(tmp_path, "metadata.jsonl", "\n".join(json.dumps(row) for row in rows))
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(b"latin")
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    items, problems = read(tmp_path)
    assert {key: item.caption for key, item in items.items()} == {"caf\\xe9.png": "latin"}
    assert problems == {"metadata.jsonl:1": ("named but absent", "a?.png")}


def test_words_beside_a_picture(tmp_path: Path) -> None:
    put(
        tmp_path,
        **{
            "a.jpg": "",
            "a.png": "",  # the same stem: the words are of both
            "a.txt": " a red\napple \n",
            "b.jpg": "",
            "b.txt": "from the text",
            "b.json": json.dumps({"caption": "from json", "width": 3, "exif": {"Make": "x"}, "nothing": None}),
            "c.jpg": "",
            "c.TXT": "Äpfel".encode("utf-16"),
            "d.jpg": "",
            "d.txt": "Äpfel".encode("latin-1"),
            "e.jpg": "",
            "e.json": "{broken",
            "f.jpg": "",
            "f.txt": "  ",
            "g.jpg": "",
            "g.json": "[1]",
            "lonely.txt": "no picture",
        },
    )
    items, problems = read(tmp_path)
    captions = {key: item.caption for key, item in items.items()}
    assert captions == {
        "a.jpg": "a red\napple",
        "a.png": "a red\napple",
        "b.jpg": "from the text",
        "c.jpg": "Äpfel",
        "d.jpg": "Äpfel",
        "e.jpg": None,
        "f.jpg": None,
        "g.jpg": None,
    }
    assert items["b.jpg"].metadata == {"width": "3", "exif": '{"Make": "x"}', "folder": ""}
    assert problems["d.txt"] == ("bad metadata", "neither UTF-8 nor UTF-16; read as Latin-1")
    assert problems["e.json"][0] == problems["g.json"][0] == "bad metadata"
    assert problems["lonely.txt"][0] == "other file"
    assert set(problems) == {"d.txt", "e.json", "g.json", "lonely.txt"}


def test_metadata_jsonl_with_bad_rows(tmp_path: Path) -> None:
    for name in ["train/a.png", "train/b.png", "train/c.png", "train/deep/d.png", "cafe\u0301.png"]:
        put_one(tmp_path, name)
    rows = [
        '{"file_name": "a.png", "text": "an apple", "size": 3, "tags": ["x"], "none": null}',
        "{broken",
        "",
        '["no object"]',
        '{"text": "no name"}',
        '{"file_name": "gone.png", "text": "gone"}',
        '{"file_name": "./deep\\\\d.png", "text": "deep"}',
        '{"file_name": "../../../etc/passwd", "text": "out"}',
        '{"file_name": "b.png", "caption": "first", "text": "other"}',
        '{"file_name": "b.png", "text": "second"}',
        '{"file_name": 3}',
        "[" * 100_000,
        '{"file_name": "c.png", "text": "lone \\ud800 half"}',
    ]
    put_one(tmp_path, "train/metadata.jsonl", "\ufeff" + "\n".join(rows) + "\n" + "\n")
    put_one(tmp_path, "metadata.jsonl", '{"file_name": "caf\u00e9.png", "text": "composed"}\n')
    items, problems = read(tmp_path)
    assert items["train/a.png"].caption == "an apple"
    assert items["train/a.png"].metadata == {"size": "3", "tags": '["x"]', "folder": "train"}
    assert items["train/b.png"].caption == "first"
    assert items["train/b.png"].metadata["text"] == "other"
    assert items["train/c.png"].caption == "lone ? half"
    assert items["train/deep/d.png"].caption == "deep"
    assert items["cafe\u0301.png"].caption == "composed"
    place = "train/metadata.jsonl"
    assert {file.removeprefix(f"{place}:"): detail for file, (_, detail) in problems.items()} == {
        "2": "no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        "4": "a JSON object is expected, got list",
        "5": "no file_name",
        "6": "train/gone.png",
        "8": "../../etc/passwd",
        "10": "names b.png again; the first row counts",
        "11": "no file_name",
        "12": problems[f"{place}:12"][1],
    }
    assert problems[f"{place}:6"][0] == problems[f"{place}:8"][0] == "named but absent"
    assert problems[f"{place}:12"][1].startswith("no JSON: ")


def test_metadata_of_a_folder_overrides_that_above_and_files_beside(tmp_path: Path) -> None:
    put(tmp_path, **{"train/a.png": "", "train/b.png": "", "train/a.txt": "beside", "train/b.txt": "beside"})
    put_one(tmp_path, "metadata.csv", 'file_name,text\ntrain/a.png,"root, with\na line"\ntrain/b.png,root\n')
    put_one(tmp_path, "train/metadata.jsonl", '{"file_name": "b.png", "text": "nearest"}\n')
    items, problems = read(tmp_path)
    assert {key: item.caption for key, item in items.items()} == {
        "train/a.png": "root, with\na line",
        "train/b.png": "nearest",
    }
    assert problems == {}


def test_metadata_csv_and_parquet(tmp_path: Path) -> None:
    for name in ["csv/a.png", "csv/b.png", "parquet/a.png", "bad/a.png", "bad2/a.png", "nameless/a.png", "two/a.png"]:
        put_one(tmp_path, name)
    put_one(tmp_path, "csv/metadata.csv", "file_name,caption,n\r\na.png,an apple,3\r\nb.png,a bee,4,too many\r\n")
    table = pa.table({"file_name": ["a.png", None], "text": ["a pear", "x"], "box": [[1, 2], None]})
    parquet.write_table(table, tmp_path / "parquet" / "metadata.parquet")
    put_one(tmp_path, "bad/metadata.parquet", "PAR1 no parquet")
    put_one(tmp_path, "bad2/metadata.csv", b"file_name,text\na.png,\xff\xfe\n")
    put_one(tmp_path, "nameless/metadata.csv", "name,text\na.png,x\n")
    put_one(tmp_path, "two/metadata.csv", "file_name,text\na.png,from csv\n")
    put_one(tmp_path, "two/metadata.jsonl", '{"file_name": "a.png", "text": "from jsonl"}')
    items, problems = read(tmp_path)
    assert {key: item.caption for key, item in items.items()} == {
        "csv/a.png": "an apple",
        "csv/b.png": "a bee",
        "parquet/a.png": "a pear",
        "bad/a.png": None,
        "bad2/a.png": None,
        "nameless/a.png": None,
        "two/a.png": "from jsonl",
    }
    assert items["csv/a.png"].metadata == {"n": "3", "folder": "csv"}
    assert items["parquet/a.png"].metadata == {"box": "[1, 2]", "folder": "parquet"}
    assert set(problems) == {
        "csv/metadata.csv:3",
        "parquet/metadata.parquet:2",
        "bad/metadata.parquet",
        "bad2/metadata.csv",
        "nameless/metadata.csv",
        "two/metadata.csv",
    }
    assert problems["nameless/metadata.csv"][1] == "no column file_name among name, text"


def test_a_row_that_names_a_file_passed_over_is_not_absent(tmp_path: Path) -> None:
    put(tmp_path, **{"a.png": "", "b.mp4": "", "metadata.csv": "file_name\na.png\nb.mp4\n"})
    assert read(tmp_path)[1] == {"b.mp4": ("other file", ".mp4 is no picture")}


def test_a_row_never_reaches_out_of_the_folder(tmp_path: Path) -> None:
    put(tmp_path, **{"out.png": "", "in/a.png": ""})
    names = ["a/../../out.png", "..", str(tmp_path / "out.png")]
    put_one(tmp_path, "in/metadata.jsonl", "".join(json.dumps({"file_name": name}) + "\n" for name in names))
    items, problems = read(tmp_path / "in")
    assert list(items) == ["a.png"]
    assert {file: reason for file, (reason, _) in problems.items()} == {
        f"metadata.jsonl:{line}": "named but absent" for line in (1, 2, 3)
    }


@given(st.text(max_size=30))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_canonical_path_is_stable(name: str) -> None:
    once = canonical(name)
    assert canonical(once) == once == canonical(f"./a/../{name}") or name.startswith(("/", "\\"))
    assert "/./" not in f"/{once}/" or once == "."


@given(st.binary(max_size=40))
def test_any_bytes_are_words_that_can_be_stored(data: bytes) -> None:
    said: list[str] = []
    for words in (from_text(data, said.append), from_json(data, said.append)):
        assert words.caption is None or (words.caption.encode() and len(words.caption) <= MAX_TEXT)


@given(
    st.dictionaries(
        st.text(max_size=5), st.none() | st.booleans() | st.floats() | st.text(max_size=9) | st.lists(st.integers())
    )
)
def test_facts_of_any_type_are_text(facts: dict[str, object]) -> None:
    words = from_mapping(facts)
    assert isinstance(words, Words)
    assert all(isinstance(text, str) and text.encode() is not None for pair in words.more.items() for text in pair)


def test_long_words_are_cut() -> None:
    assert len(from_text(b"a" * 10**6, print).caption or "") == MAX_TEXT


def test_a_source_says_why_it_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from shared.corpus import items
    from shared.corpus.pictures import Unreadable

    file = put_one(tmp_path, "a.png", b"0123456789")
    assert items.Source(str(file), 2, 3).read() == b"234"
    with pytest.raises(Unreadable) as caught:
        items.Source(str(file), 8, 3).read()
    assert caught.value.reason is Reason.BROKEN
    monkeypatch.setattr(items, "MAX_BYTES", 9)
    with pytest.raises(Unreadable) as caught:
        items.Source(str(file)).read()
    assert caught.value.reason is Reason.TOO_LARGE
    with pytest.raises(Unreadable) as caught:
        items.Source(str(tmp_path / "gone.png")).read()
    assert caught.value.reason is Reason.UNREADABLE

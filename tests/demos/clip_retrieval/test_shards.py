"""Webdataset tars: raw bytes at their place, nothing executed, and of a damaged tar what can be had."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demos.clip_retrieval.corpus.shards import expand, read_shards
from shared.corpus.items import Item, Problem
from shared.corpus.pictures import Unreadable
from shared.errors import UserError

Members = list[tuple[str, bytes]]


def tar(file: Path, members: Members) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file


def read(*files: Path) -> tuple[dict[str, Item], dict[str, tuple[str, str]]]:
    problems: list[Problem] = []
    items = list(read_shards([(file.name, file) for file in files], problems))
    named = {problem.file: (str(problem.reason), problem.detail) for problem in problems}
    assert len(named) == len(problems), problems
    return {item.key: item for item in items}, named


def samples(count: int) -> Members:
    """As img2dataset writes them."""
    return [
        member
        for n in range(count)
        for member in (
            (f"{n:04d}.jpg", f"picture {n}".encode() * 100),
            (f"{n:04d}.json", json.dumps({"caption": f"json {n}", "url": f"https://x/{n}", "width": n}).encode()),
            (f"{n:04d}.txt", f"text {n}".encode()),
        )
    ]


def test_samples_of_img2dataset(tmp_path: Path) -> None:
    items, problems = read(tar(tmp_path / "00000.tar", samples(3)))
    assert list(items) == ["00000.tar:0000.jpg", "00000.tar:0001.jpg", "00000.tar:0002.jpg"]
    item = items["00000.tar:0001.jpg"]
    assert item.caption == "text 1"
    assert item.metadata == {"url": "https://x/1", "width": "1", "folder": "00000.tar"}
    assert item.source.read() == b"picture 1" * 100
    assert problems == {}


def test_the_conventions_of_webdataset(tmp_path: Path) -> None:
    members: Members = [
        ("__meta__/x.jpg", b""),
        ("sub.dir/a.b.jpg", b"1"),  # the key is up to the first dot of the name: "sub.dir/a"
        ("sub.dir/a.txt", b"of a"),
        ("B.PNG", b"2"),
        ("B.jpg", b"3"),
        ("B.TXT", b"of both"),
        ("nosuffix", b""),
        (".hidden.jpg", b""),
        ("c.cls", b"7"),
        ("d.jpg", b"4"),
        ("e.jpg", b"5"),
        ("d.txt", b"too late: not beside d.jpg"),
    ]
    items, problems = read(tar(tmp_path / "s.tar", members))
    assert {key: (item.caption, item.source.read()) for key, item in items.items()} == {
        "s.tar:sub.dir/a.b.jpg": ("of a", b"1"),
        "s.tar:B.PNG": ("of both", b"2"),
        "s.tar:B.jpg": ("of both", b"3"),
        "s.tar:d.jpg": (None, b"4"),
        "s.tar:e.jpg": (None, b"5"),
    }
    assert problems["s.tar:d"] == ("other file", "no picture in this sample; the files of one must be consecutive")
    assert {file: reason for file, (reason, _) in problems.items()} == {
        "s.tar:__meta__/x.jpg": "hidden",
        "s.tar:.hidden.jpg": "hidden",
        "s.tar:nosuffix": "other file",
        "s.tar:c.cls": "other file",
        "s.tar:c": "other file",
        "s.tar:d": "other file",
    }


def test_odd_names(tmp_path: Path) -> None:
    names = ["it's.png", 'a "b".png', "new\nline.png", "ünï 猫.png", "../../up.png", "/root.png", "long" * 60 + ".png"]
    items, problems = read(tar(tmp_path / "s.tar", [(name, name.encode()) for name in names]))
    assert {key: item.source.read().decode() for key, item in items.items()} == {f"s.tar:{n}": n for n in names}
    assert problems == {}
    latin = tmp_path / "latin.tar"
    with tarfile.open(latin, "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        archive.addfile(tarfile.TarInfo("café.png"))
    assert list(read(latin)[0]) == ["latin.tar:caf\\xe9.png"]


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch executed",)


def test_pickles_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("load", "loads"):
        monkeypatch.setattr(pickle, name, lambda *_: pytest.fail("it was unpickled"))
    payload = pickle.dumps(Bomb())
    suffixes = ["pkl", "pyd", "pickle", "pth", "ten", "npy"]
    members = [("a.jpg", b"picture"), *((f"a.{suffix}", payload) for suffix in suffixes), ("b.pyd", payload)]
    items, problems = read(tar(tmp_path / "s.tar", members))
    assert list(items) == ["s.tar:a.jpg"]
    assert {f"s.tar:a.{suffix}" for suffix in suffixes} | {"s.tar:b.pyd", "s.tar:b"} == set(problems)
    assert not (tmp_path / "executed").exists()


def test_names_are_never_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    items, problems = read(Path("pipe:touch executed; cat .tar"))
    assert items == {}
    assert [reason for reason, _ in problems.values()] == ["broken shard"]
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("cut", ["payload", "header", "boundary"])
def test_of_a_tar_cut_off_what_came_before_is_kept(tmp_path: Path, cut: str) -> None:
    whole = tar(tmp_path / "whole.tar", [(f"{n}.jpg", bytes([n]) * 700) for n in range(6)])
    data = whole.read_bytes()
    one = 512 + 1024  # header and payload of a member
    at = {"payload": 3 * one + 512 + 300, "header": 3 * one + 200, "boundary": 3 * one}[cut]
    short = tmp_path / "short.tar"
    short.write_bytes(data[:at])
    other = tar(tmp_path / "other.tar", [("x.jpg", b"x")])
    items, problems = read(short, other)
    assert list(items) == ["short.tar:0.jpg", "short.tar:1.jpg", "short.tar:2.jpg", "other.tar:x.jpg"]
    assert items["short.tar:2.jpg"].source.read() == b"\2" * 700
    assert problems["short.tar"][0] == "broken shard"
    assert problems["short.tar"][1].startswith("cut off")


def test_a_damaged_header_is_said_and_not_taken_for_the_end(tmp_path: Path) -> None:
    file = tar(tmp_path / "s.tar", [(f"{n}.jpg", b"x" * 700) for n in range(6)])
    data = bytearray(file.read_bytes())
    data[2 * 1536 : 2 * 1536 + 512] = b"\7" * 512
    file.write_bytes(data)
    items, problems = read(file)
    assert list(items) == ["s.tar:0.jpg", "s.tar:1.jpg"]
    assert problems == {"s.tar": ("broken shard", "damaged at byte 3,072; what comes after is lost")}


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_damaged_tar_never_does_more_than_be_reported(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    file = tar(tmp_path_factory.mktemp("tar") / "s.tar", samples(2))
    whole = bytearray(file.read_bytes())
    for at in data.draw(st.lists(st.sampled_from(range(0, len(whole), 512)), min_size=1, max_size=3)):
        whole[at + data.draw(st.integers(0, 511))] = data.draw(st.integers(0, 255))
    file.write_bytes(whole[: data.draw(st.integers(1, len(whole)))])
    problems: list[Problem] = []
    for item in read_shards([("s.tar", file)], problems):
        with contextlib.suppress(Unreadable):
            item.source.read()
        assert isinstance(f"{item.key}{item.caption}{item.metadata}".encode(), bytes)


def test_what_is_no_tar(tmp_path: Path) -> None:
    plain, empty, packed = tmp_path / "plain.tar", tmp_path / "empty.tar", tmp_path / "a.tar.gz"
    plain.write_bytes(b"no tar" * 1000)
    empty.write_bytes(b"")
    with tarfile.open(packed, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a.jpg"))
    items, problems = read(plain, empty, packed, tmp_path / "absent.tar")
    assert items == {}
    assert problems["a.tar.gz"] == ("broken shard", "compressed: unpack it to .tar")
    assert problems["absent.tar"] == ("broken shard", "No such file or directory")
    assert [reason for reason, _ in problems.values()] == ["broken shard"] * 4


def test_links_and_devices_in_a_tar_are_not_followed(tmp_path: Path) -> None:
    file = tmp_path / "s.tar"
    with tarfile.open(file, "w") as archive:
        for name, kind in [("a.jpg", tarfile.SYMTYPE), ("b.jpg", tarfile.LNKTYPE), ("c.jpg", tarfile.FIFOTYPE)]:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    items, problems = read(file)
    assert items == {}
    assert [reason for reason, _ in problems.values()] == ["link", "link", "other file"]


def test_a_member_of_negative_size_ends_the_reading(tmp_path: Path) -> None:
    file = tar(tmp_path / "s.tar", [("a.jpg", b"x"), ("b.jpg", b"x")])
    data = bytearray(file.read_bytes())
    data[1024 + 124 : 1024 + 136] = b"\xff" * 10 + b"\xfc\x00"  # -1024: back to the first header
    data[1024 + 148 : 1024 + 156] = b" " * 8
    data[1024 + 148 : 1024 + 156] = b"%06o\0 " % sum(data[1024:1536])
    file.write_bytes(data)
    items, problems = read(file)
    assert list(items) in (["s.tar:a.jpg"], [])
    assert problems["s.tar"][0] == "broken shard"


def test_the_same_name_twice_in_a_sample_is_said(tmp_path: Path) -> None:
    items, problems = read(tar(tmp_path / "s.tar", [("a.jpg", b"1"), ("a.jpg", b"2")]))
    assert items["s.tar:a.jpg"].source.read() == b"1"
    assert "duplicate file name" in problems["s.tar"][1]


def test_brace_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [str(path) for path in expand("x/{a,b}-{008..010}.tar")] == [
        f"x/{letter}-{number}.tar" for letter in "ab" for number in ("008", "009", "010")
    ]
    with pytest.raises(UserError, match="the braces do not match"):
        expand("x/{000..012.tar")
    monkeypatch.setattr("demos.clip_retrieval.corpus.shards.MOST_SHARDS", 5)
    with pytest.raises(UserError, match="more than 5 shards"):
        expand("{0..5}.tar")

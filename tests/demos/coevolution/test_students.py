"""`trendlab students`: what it shows, what it answers, what it refuses."""

import io
from pathlib import Path

import pytest
import torch
from rich.console import Console

from demos.coevolution.deploy.gate import written
from demos.coevolution.models.device import by_chance
from demos.coevolution.models.words import words
from demos.coevolution.versions.show import act, newest, tree
from demos.coevolution.versions.store import Store
from shared.errors import UserError


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Store:
    device = by_chance(words().size, 0).eval()
    with torch.no_grad():
        device.vectors.weight.mul_(5)
    store = Store(tmp_path_factory.mktemp("runs") / "coevolution" / "20261130T000000Z-1" / "students")
    cloud = store.add("cloud", lambda folder: (folder / "model.onnx").touch(), data="aa", scores={}, note="from home")
    first = store.add(
        "device", written(device, 8), data="bb", scores={"film": 0.8, "tweet": 0.7}, teacher=cloud.name, note="first"
    )
    second = store.add("device", written(device, 8), data="cc", scores={}, parent=first.name, note="round 1")
    for version in (cloud, second):
        store.deploy(version.name)
    return store


def test_the_tree_shows_where_each_came_from_and_who_answers(versions: Store) -> None:
    console = Console(file=io.StringIO(), width=200, highlight=False)
    console.print(tree(versions))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    (first,) = (place for place, line in enumerate(lines) if "device-0-" in line and "first" in line)
    (second,) = (place for place, line in enumerate(lines) if "device-1-" in line)
    # A child stands below its parent, further in.
    assert second > first
    assert lines[second].index("device-1-") > lines[first].index("device-0-")
    assert "(answers)" in lines[second]
    assert "(answers)" not in lines[first]
    assert "taught by cloud-0-" in lines[first]
    assert "film 80.0, tweet 70.0; learned from bb" in "\n".join(lines)


def test_a_text_is_answered_and_so_are_lines(
    versions: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    act("answer", ["not", "a", "good", "film"], versions.folder, "device")
    label, sure, text = capsys.readouterr().out.strip().split("\t")
    assert label in ("positive", "negative")
    assert 0.5 <= float(sure) <= 1
    assert text == "not a good film"

    class Given:
        buffer = io.BytesIO("good\n\ncafé\n".encode())

    monkeypatch.setattr("sys.stdin", Given)
    act("answer", ["-"], versions.folder, "device")
    assert [line.split("\t")[2] for line in capsys.readouterr().out.splitlines()] == ["good", "café"]


def test_one_can_go_back_and_forth(versions: Store, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (version.name for version in versions.versions() if version.kind == "device")
    act("rollback", ["device"], versions.folder, "device")
    assert capsys.readouterr().out.strip() == f"deployed: {first}, in the place of {second}"
    act("deploy", [second], versions.folder, "device")
    assert versions.deployed("device").name == second


@pytest.mark.parametrize(
    ("action", "words", "said"),
    [
        ("answer", [], "answer takes a text"),
        ("answer", [" "], "the text is empty"),
        ("deploy", [], "deploy takes the name of a version; 0 were given"),
        ("deploy", ["device-9-0"], "has no version device-9-0; it has: cloud-0-"),
        ("rollback", ["edge"], "no version of a edge is deployed"),
        ("rollback", ["cloud"], "is the first cloud: there is nothing to go back to"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(versions: Store, action: str, words: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        act(action, words, versions.folder, "device")
    assert "\n" not in str(error.value)


def test_input_in_another_encoding_is_told(versions: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    class Given:
        buffer = io.BytesIO(b"good\n\xff\n")

    monkeypatch.setattr("sys.stdin", Given)
    with pytest.raises(UserError, match="not in UTF-8: byte 6"):
        act("answer", ["-"], versions.folder, "device")


def test_the_newest_run_that_has_versions_is_taken(
    versions: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRENDLAB_RUNS", str(versions.folder.parent.parent.parent))
    assert newest() == versions.folder
    monkeypatch.setenv("TRENDLAB_RUNS", str(tmp_path))
    with pytest.raises(UserError, match="has versions; `trendlab run coevolution` makes some"):
        newest()
    with pytest.raises(UserError, match="there are no versions in"):
        tree(Store(tmp_path))

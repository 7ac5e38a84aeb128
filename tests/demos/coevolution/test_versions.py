"""Versions: where they come from, which one answers, and the way back."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demos.coevolution.versions.store import CURRENT, Store, Writer, hashed
from demos.coevolution.versions.version import RECORD, checked_file, read
from shared.errors import UserError


def holding(text: str) -> Writer:
    def write(folder: Path) -> None:
        (folder / "model.onnx").write_text(text)

    return write


def add(store: Store, text: str, kind: str = "device", parent: str | None = None, teacher: str | None = None) -> str:
    return store.add(kind, holding(text), data="00", scores={"film": 0.8}, parent=parent, teacher=teacher).name


def test_a_version_is_found_as_it_was_added(tmp_path: Path) -> None:
    store = Store(tmp_path / "students")
    cloud = add(store, "large", "cloud")
    first = add(store, "one", teacher=cloud)
    second = add(store, "two", parent=first, teacher=cloud)
    assert [version.name for version in store.versions()] == [cloud, first, second]
    found = Store(tmp_path / "students").read(second)
    assert (found.kind, found.parent, found.teacher, found.scores) == ("device", first, cloud, {"film": 0.8})
    assert checked_file(store.folder / second, found, "model.onnx").read_text() == "two"
    # A name tells what is in it: the same again has the same, up to the number.
    assert first.split("-")[2] != second.split("-")[2]
    assert add(Store(tmp_path / "other"), "large", "cloud") == cloud


def test_one_version_of_a_kind_answers_and_one_can_go_back(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(UserError, match="no version of a device is deployed"):
        store.rollback("device")
    first = add(store, "one")
    second = add(store, "two", parent=first)
    edge = add(store, "three", "edge")
    for name in (first, second, edge):
        store.deploy(name)
    assert store.current() == {"device": second, "edge": edge}
    assert store.rollback("device").name == first
    assert store.deployed("device").name == first
    with pytest.raises(UserError, match="is the first device: there is nothing to go back to"):
        store.rollback("device")
    assert store.rollback("device", second).name == second
    with pytest.raises(UserError, match="is a edge, not a device"):
        store.rollback("device", edge)
    assert store.current() == {"device": second, "edge": edge}


def test_what_does_not_belong_together_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    edge = add(store, "one", "edge")
    with pytest.raises(UserError, match="cannot be the parent of a device: it is a edge"):
        add(store, "two", parent=edge)
    with pytest.raises(UserError, match=r"has no version nobody; it has: edge-0-"):
        add(store, "two", teacher="nobody")
    assert [version.name for version in store.versions()] == [edge]


def test_a_version_that_could_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    def half(folder: Path) -> None:
        (folder / "model.onnx").write_text("half")
        raise OSError("disk is full")

    store = Store(tmp_path)
    with pytest.raises(OSError, match="disk is full"):
        store.add("device", half, data="00", scores={})
    assert store.versions() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / RECORD).unlink(), "is no version of a model"),
        (lambda folder: (folder / RECORD).write_text("{"), "cannot be read"),
        (lambda folder: (folder / RECORD).write_text('{"format": 2}'), "is of format 2, this program reads 1"),
        (lambda folder: (folder / RECORD).write_text('{"format": 1}'), "is no record of a version"),
        (lambda folder: (folder / RECORD).write_text("[]"), "is of format None"),
    ],
)
def test_a_record_that_is_none_is_told_in_one_line(tmp_path: Path, change: object, said: str) -> None:
    store = Store(tmp_path)
    folder = tmp_path / add(store, "one")
    change(folder)  # type: ignore[operator]
    with pytest.raises(UserError, match=said) as error:
        read(folder)
    assert "\n" not in str(error.value)


def test_a_file_that_was_cut_off_is_found_out(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = tmp_path / add(store, "a model")
    (folder / "model.onnx").write_text("a mod")
    with pytest.raises(UserError, match=r"model.onnx is not what version device-0-\w+ was made with"):
        checked_file(folder, read(folder), "model.onnx")
    (folder / "model.onnx").unlink()
    with pytest.raises(UserError, match=r"has no model.onnx"):
        checked_file(folder, read(folder), "model.onnx")


@settings(max_examples=30, deadline=None)
@given(
    given=st.lists(st.tuples(st.text(max_size=10), st.floats(0, 1)), min_size=1, max_size=8), seed=st.integers(0, 99)
)
def test_what_was_learned_from_has_one_hash_in_any_order(given: list[tuple[str, float]], seed: int) -> None:
    mixed = [given[place] for place in np.random.default_rng(seed).permutation(len(given))]
    one, other = (
        hashed([text for text, _ in rows], np.array([target for _, target in rows])) for rows in (given, mixed)
    )
    assert one == other
    assert one != hashed([text + "!" for text, _ in given], np.array([target for _, target in given]))


@pytest.mark.parametrize("told", ["5", "[1]", "null", '{"device": 3}'])
def test_what_does_not_say_what_is_deployed_is_told_in_one_line(tmp_path: Path, told: str) -> None:
    (tmp_path / CURRENT).write_text(told)
    with pytest.raises(UserError, match="does not say which version is deployed"):
        Store(tmp_path).deployed("device")

"""The index beside a dictionary, under changes, filters and other processes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from demos.clip_retrieval.index import approximate
from demos.clip_retrieval.index.vector_index import RECORD, VectorIndex
from shared.errors import UserError
from tests.conftest import ROOT
from tests.demos.clip_retrieval.index_writer import DIMENSION, METADATA, State, rows, vector


@pytest.fixture
def index(tmp_path: Path) -> VectorIndex:
    return VectorIndex.create(tmp_path / "index", DIMENSION, "tiny", METADATA, threads=1)


def best(state: State, query: np.ndarray, k: int) -> list[tuple[str, int]]:
    """Key and n of the k nearest, equal scores by key."""
    scored = [
        (-np.float32((vector(key, n).astype(float) * query.astype(float)).sum()), key, n) for key, n in state.items()
    ]
    return [(key, n) for _, key, n in sorted(scored)[:k]]


def found(index: VectorIndex, query: np.ndarray, k: int, where: str | None = None) -> list[tuple[str, int]]:
    hits = index.search(query, k, where)[0]
    assert all(hit.metadata == {"group": f"g{hit.metadata['n'] % 3}", "n": hit.metadata["n"]} for hit in hits)
    return [(hit.key, hit.metadata["n"]) for hit in hits]


def check(index: VectorIndex, state: State) -> None:
    assert index.keys() == sorted(state)
    assert index.count == len(state)
    for query in (vector("query", 1), vector("query", 2)):
        assert found(index, query, 5) == best(state, query, 5)


KEYS = st.sampled_from(["a", "b", "it's", 'say "x"', "", "back\\slash", "c%_d", "é 😀", "x" * 300, "a' OR 'a'='a", "1"])
CHANGES = st.one_of(
    st.tuples(st.just("add"), st.dictionaries(KEYS, st.integers(0, 50), max_size=6)),
    st.tuples(st.just("upsert"), st.dictionaries(KEYS, st.integers(0, 50), max_size=6)),
    st.tuples(st.just("delete"), st.sets(KEYS, max_size=4)),
    st.tuples(st.just("optimise"), st.none()),
)


@given(changes=st.lists(CHANGES, min_size=1, max_size=8), least=st.integers(0, 50))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_is_a_dictionary(tmp_path_factory: pytest.TempPathFactory, changes: list, least: int) -> None:
    state: State = {}
    folder = tmp_path_factory.mktemp("index") / "x"
    with VectorIndex.create(folder, DIMENSION, "tiny", METADATA, threads=1) as index:
        reader = VectorIndex.open(folder, "tiny", threads=1)
        for kind, change in changes:
            if kind == "add" and not state.keys().isdisjoint(change):
                with pytest.raises(ValueError, match="use upsert"):
                    index.add(rows(change))
            elif kind == "delete":
                assert index.delete(change) == len(state.keys() & change)
                state = {key: n for key, n in state.items() if key not in change}
            elif kind == "optimise":
                index.optimise()
            else:
                (index.add if kind == "add" else index.upsert)(rows(change))
                state |= change
            assert found(reader, vector("query", 1), 4) == best(state, vector("query", 1), 4)
        check(index, state)
        check(reader, state)
        some = {key: n for key, n in state.items() if n >= least and n % 3 == 1 and key != "it's"}
        where = f"n >= {least} AND group = 'g1' AND key != 'it''s'"
        assert found(reader, vector("query", 2), 3, where) == best(some, vector("query", 2), 3)


def test_equal_vectors_come_by_key_whatever_the_order_of_adding(index: VectorIndex) -> None:
    query = vector("same", 0)
    names = ["d", "a", "c", "b", "Z"]
    for name in names:
        row = rows({"same": 0})
        index.add(row.set_column(0, "key", pa.array([name])))
    assert [hit.key for hit in index.search(query, 4)[0]] == ["Z", "a", "b", "c"]
    assert {hit.score for hit in index.search(query, 9)[0]} == {1.0}


def test_batches_and_single_queries_agree(index: VectorIndex) -> None:
    state = {f"k{number:04d}": number for number in range(500)}
    index.add(rows(state))
    queries = np.array([vector("query", number) for number in range(24)])
    for where, inside in ((None, state), ("n < 200", {key: n for key, n in state.items() if n < 200})):
        batch = index.search(queries, 7, where)
        for query, hits in zip(queries, batch, strict=True):
            assert [hit.key for hit in hits] == [key for key, _ in best(inside, query, 7)]
    assert index.search(queries, 3, "n > 1000") == [[] for _ in queries]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop_columns(["n"]), "columns must be"),
        (lambda table: table.append_column("more", pa.array([1, 2])), "columns must be"),
        (lambda table: table.set_column(0, "key", pa.array(["a", "a"])), "'a' is in the table more than once"),
        (lambda table: table.set_column(0, "key", pa.array(["a", None])), "null"),
        (lambda table: table.set_column(3, "n", pa.array(["one", "two"])), "do not convert"),
        (lambda table: with_vectors(table, 2 * vector("a", 1)), "not of norm 1, such as that of 'a' with 2"),
        (lambda table: with_vectors(table, np.full(DIMENSION, np.nan, np.float32)), "not of norm 1"),
        (lambda table: with_vectors(table, np.zeros(DIMENSION, np.float32)), "not of norm 1"),
        (lambda table: with_vectors(table, np.ones(1, np.float32), 1), "do not convert"),
        (lambda table: table.set_column(1, "vector", with_a_null()), "must not be null"),
    ],
)
def test_wrong_rows_are_refused_and_nothing_is_written(index: VectorIndex, change, message: str) -> None:
    table = change(rows({"a": 1, "b": 2}))
    for method in (index.add, index.upsert):
        with pytest.raises(ValueError, match=re.escape(message)):
            method(table)
    assert index.count == 0


def with_a_null() -> pa.Array:
    numbers = [1.0, None, *[0.0] * (DIMENSION - 2)]
    return pa.array([numbers, numbers], pa.list_(pa.float32(), DIMENSION))


def with_vectors(table: pa.Table, first: np.ndarray, width: int = DIMENSION) -> pa.Table:
    both = np.concatenate([first, vector("b", 2)[:width]]).astype(np.float32)
    return table.set_column(1, "vector", pa.FixedSizeListArray.from_arrays(pa.array(both), width))


@pytest.mark.parametrize(
    "query", [np.ones(DIMENSION), np.full(DIMENSION, np.nan), vector("a", 1)[:-1], np.zeros((2, 2, DIMENSION))]
)
def test_wrong_queries_are_refused(index: VectorIndex, query: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"norm 1|queries must be"):
        index.search(query, 3)
    with pytest.raises(ValueError, match="k must be 1"):
        index.search(vector("a", 1), 0)


WRONG = [
    "nothing = 3",
    "group = 3",
    "n >",
    "n",
    "DROP TABLE vectors",
    "",
    "1 / (n - n) = 1",
    'CAST("group" AS INT) > 1',
]


@pytest.mark.parametrize("where", WRONG)
def test_a_wrong_filter_is_one_line_that_names_the_columns(index: VectorIndex, where: str) -> None:
    index.add(rows({"a": 1}))
    with pytest.raises(UserError) as error:
        index.search(vector("a", 1), 3, where)
    assert "\n" not in str(error.value)
    assert "columns are key (string), group (string), n (int64)" in str(error.value)
    assert ".rs" not in str(error.value)
    assert "removing" not in str(error.value)


def test_opening_says_what_is_wrong(index: VectorIndex, tmp_path: Path) -> None:
    folder = index.folder
    with pytest.raises(UserError, match="made with the encoder tiny, not large"):
        VectorIndex.open(folder, "large")
    with pytest.raises(UserError, match="no index here"):
        VectorIndex.open(tmp_path)
    with pytest.raises(UserError, match="holds an index already"):
        VectorIndex.create(folder, DIMENSION, "tiny", METADATA)
    with pytest.raises(UserError, match="not an empty folder"):
        VectorIndex.create(tmp_path, DIMENSION, "tiny", METADATA)
    record = (folder / RECORD).read_text()
    for text, message in ((record.replace('"format": 1', '"format": 2'), "format 2"), ("{", "cannot be read")):
        (folder / RECORD).write_text(text)
        with pytest.raises(UserError, match=message):
            VectorIndex.open(folder)


@pytest.mark.parametrize("names", [["key"], ["vector"], ["a.b"], ["a", "a"], ["_distance"]])
def test_metadata_columns_must_be_words_of_their_own(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(ValueError, match="metadata columns"):
        VectorIndex.create(tmp_path / "x", 4, "tiny", pa.schema([(name, pa.string()) for name in names]))


def test_one_writer_at_a_time(index: VectorIndex) -> None:
    index.add(rows({"a": 1}))
    second = VectorIndex.open(index.folder)
    for change in (lambda: second.add(rows({"b": 2})), lambda: second.delete(["a"]), second.optimise):
        with pytest.raises(UserError, match="another process is writing this index"):
            change()
    assert found(second, vector("a", 1), 1) == [("a", 1)]
    index.close()
    second.add(rows({"b": 2}))
    assert index.keys() == ["a", "b"]
    with pytest.raises(UserError, match="another process"):
        index.delete(["a"])


def test_the_next_process_maps_the_vectors_and_needs_no_engine(index: VectorIndex) -> None:
    state = {f"k{number}": number for number in range(50)}
    index.add(rows(state))
    query = vector("query", 0)
    assert found(index, query, 3) == best(state, query, 3)
    code = (
        "import sys, numpy as np; from demos.clip_retrieval.index.vector_index import VectorIndex\n"
        f"hits = VectorIndex.open({str(index.folder)!r}, 'tiny').search(np.load(sys.argv[1]), 3)[0]\n"
        "print([hit.key for hit in hits], sorted({'lancedb', 'torch', 'pandas'} & set(sys.modules)))"
    )
    np.save(index.folder / "query.npy", query)
    command = [sys.executable, "-W", "error", "-c", code, str(index.folder / "query.npy")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == f"{[key for key, _ in best(state, query, 3)]} []", done.stderr


def test_tidying_up_leaves_few_files_and_readers_alive(index: VectorIndex) -> None:
    for number in range(8):
        index.add(rows({f"k{number}": number}))
    reader = VectorIndex.open(index.folder)
    check(reader, {f"k{number}": number for number in range(8)})
    index.delete(["k3"])
    index.optimise()
    state = {f"k{number}": number for number in range(8) if number != 3}
    assert len(list((index.folder / "vectors.lance" / "data").iterdir())) == 1
    assert len(list((index.folder / "vectors.lance" / "_versions").glob("*.manifest"))) == 1
    assert found(reader, vector("query", 1), 4, "n > 0") == best(
        {key: n for key, n in state.items() if n > 0}, vector("query", 1), 4
    )
    check(reader, state)


def test_an_index_on_disk_is_for_many_rows_and_says_its_recall(index: VectorIndex) -> None:
    state = {f"k{number:04d}": number for number in range(600)}
    index.add(rows(state))
    queries = np.array([vector("query", number) for number in range(10)])
    with pytest.raises(UserError, match="600 rows are searched exactly"):
        index.build_ann(queries)
    index.close()
    with VectorIndex.open(index.folder, exact_below=500) as small:
        assert small.recall_against_exact(queries, 5) == small.recall == 1.0
        assert small.wants_ann()
        built = small.build_ann(queries, k=5, recall=0.9)
        assert small.recall == built.recall >= 0.9
        assert not small.wants_ann()
        assert approximate.is_built(small._store.writer())
        small.delete(["k0000"])
        small.upsert(rows({"new": 3}))
        assert small.recall_against_exact(queries, 5) >= 0.8
        assert small._snapshot is None or small._snapshot.version < small.version
        assert found(small, vector("new", 3), 1) == [("new", 3)]
        assert all(n < 100 for _, n in found(small, queries[0], 5, "n < 100"))
        for where in ("nothing = 1", "1 / (n - n) = 1"):
            with pytest.raises(UserError, match="columns are"):
                small.search(queries[0], 3, where)
        small.optimise()
        assert small.recall_against_exact(queries, 5) >= 0.8
        small.add(rows({f"more{number}": number for number in range(600)}))
        assert small.wants_ann()

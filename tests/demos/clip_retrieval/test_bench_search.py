"""The bench on a few vectors: everyone is there, finds the same rows, and every number is finite."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from demos.clip_retrieval.index import bench_approximate, bench_peers
from demos.clip_retrieval.index.bench_peers import OURS, contenders
from demos.clip_retrieval.index.bench_search import K, Measured, enlarged, measure_search, pinned
from shared.result import Table
from shared.seed import generator


class Quiet:
    """A run that says nothing."""

    def say(self, message: str) -> None:
        pass


def unit(rows: int, dimension: int = 32) -> np.ndarray:
    drawn = generator(0, "bench", rows).standard_normal((rows, dimension))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def measured() -> Measured:
    return measure_search(unit(700), unit(9), Quiet(), threads=1, repeats=3, described="Random vectors.")


def column(table: Table, name: str) -> dict[str, object]:
    place = [column.name for column in table.columns].index(name)
    return {str(row[0]): row[place] for row in table.rows}


def test_everyone_is_in_the_tables_and_exact_ones_find_the_same(measured: Measured) -> None:
    one, batch = measured.tables
    same = column(one, "same rows, same order")
    exact = {name for name, share in same.items() if share is not None} - {"torch, bfloat16, product and topk"}
    assert {OURS, "faiss, IndexFlatIP", "numpy, product and argpartition", "LanceDB, flat"} <= exact
    assert {name: same[name] for name in exact} == dict.fromkeys(exact, 100.0)
    assert column(one, "ratio to ours")[OURS] == 1.0
    assert column(one, "ratio to reading float32")["reading the float32 matrix"] == 1.0
    assert OURS in column(batch, "median")
    numbers = [cell for table in measured.tables for row in table.rows for cell in row if isinstance(cell, float)]
    assert np.isfinite(numbers).all()
    assert measured.headlines[0].peer == "faiss, IndexFlatIP"


def test_batches_of_all_find_the_rows_of_single_queries() -> None:
    vectors, queries = unit(700), unit(25)
    with contenders(vectors, 1, K) as (present, _):
        right = [present[0].one(query) for query in queries]
        for contender in present:
            if contender.batch and "bfloat16" not in contender.name:
                np.testing.assert_array_equal(contender.batch(queries), right, err_msg=contender.name)


def test_a_peer_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_peers.importlib.util, "find_spec", lambda _: None)
    with contenders(unit(100), 1, K) as (present, absent):
        assert absent == ["USearch (pip install usearch)"]
        assert not any("USearch" in contender.name for contender in present)


def test_enlarged_keeps_the_vectors_and_adds_near_ones() -> None:
    vectors = unit(50, 256)
    many = enlarged(vectors, 175, seed=0)
    np.testing.assert_array_equal(many[:50], vectors)
    np.testing.assert_allclose(np.linalg.norm(many, axis=1), 1, atol=1e-6)
    assert ((many[50:] * vectors[np.arange(125) % 50]).sum(axis=1) > 0.9).all()
    np.testing.assert_array_equal(many, enlarged(vectors, 175, seed=0))
    assert len(enlarged(vectors, 20, seed=0)) == 20
    assert len(np.unique(many, axis=0)) == 175


def test_threads_are_pinned_and_given_back() -> None:
    import torch

    from shared.evaluation.timing import thread_counts

    before = torch.get_num_threads()
    with pinned(1):
        assert torch.get_num_threads() == 1
        assert set(thread_counts().values()) == {1}
    assert torch.get_num_threads() == before


def test_few_queries_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 8"):
        measure_search(unit(50), unit(3), Quiet(), threads=1, repeats=3, described="")


def test_approximate_indexes_come_with_their_recall(tmp_path: Path) -> None:
    table = bench_approximate.measure_approximate(
        unit(600), unit(12), Quiet(), repeats=3, described="", kinds=("IVF_FLAT",)
    )
    recalls = [row[3] for row in table.rows]
    assert table.rows[0][0] == OURS
    assert recalls[0] == 1.0
    assert all(0 <= float(recall) <= 1 for recall in recalls)
    # More partitions read, more found.
    assert recalls[1:] == sorted(recalls[1:])
    assert recalls[-1] == pytest.approx(1.0)

"""A query is timed as the sum of its stages, by a clock that is known; the parts of the bench are those asked for."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from demos.clip_retrieval import bench
from demos.clip_retrieval.config import BenchSection, ClipConfig
from demos.clip_retrieval.model import bench_query
from demos.clip_retrieval.model.bench_query import EAGER, FAST, PADDED, WHOLE, measure_query, queries
from demos.clip_retrieval.model.encoder import EncoderSpec, OnnxEncoder
from demos.clip_retrieval.model.shape import CONFIG, ONNX_TEXT
from demos.clip_retrieval.model.weights import assembled
from shared.evaluation.timing import paired_timing
from shared.openmoji.records import records
from shared.progress import Progress
from shared.result import Headline, Metric, Result, Table
from shared.run import RunFolder
from shared.seed import generator

FEW = 5  # queries, where a test asks no more of them
COST = {"fast": 0.002, "shipped": 0.0015, "float32": 0.003, "eager": 0.005, "padded": 0.012, "search": 0.001}  # seconds


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path, Progress(quiet=True), workers=1)


@pytest.fixture(autouse=True)
def threads_as_before() -> Any:
    import torch

    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def unit(texts: list[str]) -> np.ndarray:
    found = np.stack([generator(len(text), text).normal(size=16) for text in texts])
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


class Clock:
    """Stands still but where something is said to have cost time; what is asked is noted."""

    def __init__(self) -> None:
        self.now = 0.0
        self.work: list[tuple[str, str]] = []
        self.grows = 0.0  # of each search to the next

    def __call__(self) -> float:
        return self.now

    def encoder(self, kind: str, vectors: Callable[[list[str]], np.ndarray] = unit) -> Any:
        def texts(asked: list[str]) -> np.ndarray:
            self.now += COST[kind]
            (text,) = asked
            self.work.append((kind, text))
            return vectors(asked)

        return texts

    def search(self, vector: np.ndarray, k: int) -> list[int]:
        self.now += COST["search"] + self.grows * sum(kind == "search" for kind, _ in self.work)
        self.work.append(("search", str(k)))
        return list(range(k))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Models and an index that cost what is said, and nothing else does."""
    found = Clock()

    class Told:
        def numpy(self) -> np.ndarray:
            return unit(["padded"])

    def padded(tokens: Any, normalize: bool) -> Told:
        found.now += COST["padded"]
        return Told()

    eager = SimpleNamespace(
        texts=found.encoder("eager"), _model=SimpleNamespace(encode_text=padded), _tokenizer=lambda texts: texts
    )
    fast = SimpleNamespace(texts=found.encoder("fast"))
    monkeypatch.setattr(bench_query, "QUERIES", FEW)
    monkeypatch.setattr(bench_query, "assembled", lambda: Path("assembled"))
    monkeypatch.setattr(bench_query, "ready", lambda folder: folder)
    shipped = SimpleNamespace(texts=found.encoder("shipped"))
    monkeypatch.setattr(bench_query, "OnnxEncoder", lambda folder, threads: fast)
    monkeypatch.setattr(EncoderSpec, "load", lambda self: shipped if self == EncoderSpec() else None)
    monkeypatch.setattr(bench_query, "_in_float32", lambda folder: SimpleNamespace(texts=found.encoder("float32")))
    monkeypatch.setattr("demos.clip_retrieval.model.torch_encoder.load_open_clip", lambda name, device: eager)
    monkeypatch.setattr(bench_query, "embedded_index", lambda spec, progress: SimpleNamespace(search=found.search))
    monkeypatch.setattr(bench_query, "time", SimpleNamespace(perf_counter=found))
    monkeypatch.setattr(bench_query, "paired_timing", partial(paired_timing, clock=found))
    return found


def rows(table: Table) -> dict[str, list[Any]]:
    return {str(row[0]): row[1:] for row in table.rows}


def test_a_query_takes_what_its_stages_take(clock: Clock, run: RunFolder) -> None:
    headlines, metrics, (stages, encoders) = measure_query(run, 3)
    (whole,) = headlines
    assert whole.value == pytest.approx(1e3 * (COST["fast"] + COST["search"]))
    assert whole.peer_value == pytest.approx(1e3 * (COST["padded"] + COST["search"]))
    assert PADDED in whole.peer
    assert (whole.unit, whole.direction) == ("ms", "lower")
    by_stage = rows(stages)
    first, second, both, as_run = by_stage.values()
    assert first == pytest.approx([2.0, 2.0, 100 * 2 / 3])
    assert second == pytest.approx([1.0, 1.0, 100 / 3])
    assert both == pytest.approx([3.0, 3.0, 100.0])
    assert as_run[:2] == pytest.approx([2.5, 2.5])
    by_runtime = rows(encoders)
    assert [by_runtime[name][0] for name in (FAST, WHOLE, EAGER, PADDED)] == pytest.approx([2.0, 3.0, 5.0, 12.0])
    assert [by_runtime[name][1] for name in (FAST, WHOLE, EAGER, PADDED)] == pytest.approx([1.0, 1.5, 2.5, 6.0])
    assert {metric.name: metric.value for metric in metrics}["text query, 95th percentile"] == pytest.approx(3.0)


def test_each_query_is_searched_for_with_the_answers_of_the_demo(clock: Clock, run: RunFolder) -> None:
    _, _, (stages, _) = measure_query(run, 4)
    first = next(place for place, (kind, _) in enumerate(clock.work) if kind == "search")
    asked = clock.work[first - 1 :]
    # One to warm up, then every query as often as there are repeats, each encoded and then searched for.
    each = 1 + 4 * FEW
    assert [kind for kind, _ in asked] == ["fast", "search"] * each + ["shipped", "search"] * each
    for encoder in ("fast", "shipped"):
        assert [text for kind, text in asked if kind == encoder][1:] == 4 * queries()
    assert {text for kind, text in asked if kind == "search"} == {str(bench_query.K)}
    assert f"{4 * FEW} queries" in stages.caption


def test_slow_queries_are_in_the_percentiles(clock: Clock, run: RunFolder) -> None:
    clock.grows = 0.001
    headlines, metrics, (stages, _) = measure_query(run, 3)
    # The warm-up is the search of 1 ms; those that are measured take 2, 3, ... 16 ms.
    searched = [float(number) for number in range(2, 2 + 3 * FEW)]
    _, second, both, _ = rows(stages).values()
    assert second[:2] == pytest.approx([np.median(searched), np.quantile(searched, 0.95)])
    assert both[:2] == pytest.approx([2 + np.median(searched), 2 + np.quantile(searched, 0.95)])
    assert second[2] == pytest.approx(100 * sum(searched) / (sum(searched) + 2 * len(searched)))
    assert headlines[0].value == pytest.approx(2 + np.median(searched))
    assert metrics[1].value == pytest.approx(2 + np.quantile(searched, 0.95))


def test_the_worst_disagreement_with_torch_is_told(
    clock: Clock, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, metrics, (_, table) = measure_query(run, 3)
    assert metrics[0].value == pytest.approx(1, abs=1e-6)
    other = queries()[2]

    def off(texts: list[str]) -> np.ndarray:
        # One of the texts is turned by 60 degrees, its cosine is 1/2.
        found = unit(texts).astype(float)
        axis = unit(["axis"])[0] - (found @ unit(["axis"])[0])[:, None] * found
        turned = 0.5 * found + 0.75**0.5 * axis / np.linalg.norm(axis, axis=1, keepdims=True)
        return np.where(np.array([text == other for text in texts])[:, None], turned, found)

    fast = SimpleNamespace(texts=clock.encoder("fast", off))
    monkeypatch.setattr(bench_query, "OnnxEncoder", lambda folder, threads: fast)
    _, metrics, (_, table) = measure_query(run, 3)
    assert metrics[0].value == pytest.approx(0.5, abs=1e-6)
    assert "0.500000" in table.caption


def test_the_queries_are_different_names_from_the_whole_collection() -> None:
    names = [emoji.name for emoji in records()]
    asked = queries()
    assert len(asked) == len(set(asked)) == bench_query.QUERIES
    places = [names.index(name) for name in asked]
    assert places == sorted(places)
    assert places[-1] > 0.9 * len(names)
    assert len({len(name.split()) for name in asked}) >= 4


@pytest.mark.slow
def test_onnx_and_torch_agree_on_the_shipped_model(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real models, on a few queries; only the index is made up."""
    searched: list[np.ndarray] = []

    def search(vector: np.ndarray, k: int) -> None:
        searched.append(vector)

    monkeypatch.setattr(bench_query, "QUERIES", FEW)
    monkeypatch.setattr(bench_query, "embedded_index", lambda spec, progress: SimpleNamespace(search=search))
    headlines, metrics, (stages, encoders) = measure_query(run, 3)
    assert 0.999 < metrics[0].value < 1.00001
    np.testing.assert_allclose([np.linalg.norm(vector) for vector in searched], 1, atol=1e-5)
    assert len(np.unique(np.round(np.concatenate(searched), 4), axis=0)) == FEW
    first, second, both, as_run = rows(stages).values()
    assert 0 < as_run[0] <= as_run[1]
    assert first[2] + second[2] == pytest.approx(100)
    assert both[2] == 100
    assert max(first[0], second[0]) <= both[0] <= both[1]
    assert headlines[0].value == both[0]
    assert list(rows(encoders)) == [FAST, WHOLE, EAGER, PADDED]


@pytest.mark.slow
def test_eight_bits_keep_the_cosine_to_torch(tmp_path: Path) -> None:
    """Names with typographic marks, which both have to clean alike, those that need the products that are kept in full
    precision, and a sample of all others."""
    from demos.clip_retrieval.model.onnx_export import EIGHT, export_text
    from demos.clip_retrieval.model.torch_encoder import load_open_clip

    marked = [emoji.name for emoji in records() if set(emoji.name) & set("‘’“”")]
    assert len(marked) > 20
    # Of all names, those whose cosine is below .999 when everything is in 8 bits.
    delicate = ["om", "red flag", "man", "link", "details", "plus", "comment", "baby", "close"]
    names = [*marked, *delicate, *(emoji.name for emoji in records()[::20])]
    eager = load_open_clip(f"local-dir:{assembled()}", "cpu")
    for file in (CONFIG, "tokenizer.json"):
        shutil.copyfile(assembled() / file, tmp_path / file)
    # Not what the cache has: an earlier version may have written it.
    export_text(eager._model, tmp_path / ONNX_TEXT, EIGHT)
    cosines = (OnnxEncoder(tmp_path, 1).texts(names) * eager.texts(names)).sum(1)
    assert 0.999 < cosines.min() < 0.99999
    assert cosines.mean() > 0.9995


def test_threads_are_given_back(clock: Clock, run: RunFolder) -> None:
    import torch

    torch.set_num_threads(2)
    measure_query(run, 3)
    assert torch.get_num_threads() == 2


class Parts:
    """Stand-ins for what is timed, which note what they are given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.called: list[str] = []
        self.searched: list[tuple[np.ndarray, np.ndarray]] = []
        self.approximate: list[np.ndarray] = []
        module = "demos.clip_retrieval."
        monkeypatch.setattr(module + "model.bench_query.measure_query", lambda run, repeats: self._part("query"))
        monkeypatch.setattr(module + "training.bench_train.measure_training", lambda *_: self._part("training"))
        monkeypatch.setattr(module + "index.bench_search.measure_search", self._search)
        monkeypatch.setattr(module + "index.bench_approximate.measure_approximate", self._approximate)

    def _part(self, name: str) -> tuple[list[Headline], list[Metric], list[Table]]:
        self.called.append(name)
        headline = Headline(name=name, value=1, unit="", direction="lower", peer="other", peer_value=2)
        return [headline], [Metric(name=f"{name} number", value=1, unit="")], [Table(title=name, columns=[], rows=[])]

    def _search(self, vectors: np.ndarray, asked: np.ndarray, *_: Any) -> Any:
        self.searched.append((vectors, asked))
        headlines, metrics, tables = self._part("search")
        return SimpleNamespace(headlines=headlines, metrics=metrics, tables=tables, notes=["the same note"])

    def _approximate(self, vectors: np.ndarray, *_: Any) -> Table:
        self.approximate.append(vectors)
        return self._part("approximate")[2][0]


class Plain:
    """An encoder of 8 axes that matter and 4 that hardly do."""

    size = 32
    scales = np.array([1.0] * 8 + [1e-4] * 4)

    def _vectors(self, count: int, name: str) -> np.ndarray:
        found = generator(0, name).normal(size=(count, 12)) * self.scales
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)

    def images(self, pictures_nhwc: np.ndarray) -> np.ndarray:
        return self._vectors(len(pictures_nhwc), "images")

    def texts(self, texts: list[str]) -> np.ndarray:
        return self._vectors(len(texts), "texts")


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Parts:
    monkeypatch.setattr(EncoderSpec, "load", lambda self: Plain())
    return Parts(monkeypatch)


def measured(run: RunFolder, **settings: Any) -> Result:
    return bench.measure(ClipConfig(bench=BenchSection(**{"dimension": 8, **settings})), run)


@pytest.mark.parametrize("asked", [["query"], ["training"], ["training", "query"]])
def test_only_what_is_asked_for_is_timed(asked: list[str], parts: Parts, run: RunFolder) -> None:
    result = measured(run, parts=asked)
    assert sorted(parts.called) == sorted(asked)
    assert sorted(headline.name for headline in result.headlines) == sorted(asked)
    assert sorted(metric.name for metric in result.metrics) == sorted(f"{name} number" for name in asked)
    assert {use.name.split(": ")[1] for use in [*result.data, *result.weights]} == {
        "openmoji.whl",
        "model.safetensors",
    }


def test_search_is_timed_over_as_many_vectors_as_asked_and_over_the_pictures_themselves(
    parts: Parts, run: RunFolder
) -> None:
    result = measured(run, parts=["search"], rows=6000, approximate_rows=5000)
    assert [len(vectors) for vectors, _ in parts.searched] == [6000, len(records())]
    assert [len(vectors) for vectors in parts.approximate] == [5000]
    assert [table.title for table in result.tables] == ["search", "search", "approximate"]
    assert [headline.name for headline in result.headlines] == ["search"]
    assert result.notes == ["the same note"]
    for vectors, asked in parts.searched:
        assert vectors.shape[1] == asked.shape[1] == 8
        assert len(asked) == bench.QUERIES
        assert vectors.dtype == asked.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(asked, axis=1), 1, atol=1e-5)
    # On the leading axes the cosines are those of the model, but for what the other axes had.
    vectors, asked = parts.searched[1]
    plain = Plain()
    expected = plain.texts([""] * bench.QUERIES) @ plain.images(np.zeros(len(records()))).T
    np.testing.assert_allclose(asked @ vectors.T, expected, atol=1e-3)


def test_approximate_indexes_can_be_left_out(parts: Parts, run: RunFolder) -> None:
    assert [table.title for table in measured(run, parts=["search"], approximate_rows=0).tables] == ["search"] * 2
    assert parts.approximate == []


def test_a_search_over_few_vectors_has_a_headline_too(parts: Parts, run: RunFolder) -> None:
    result = measured(run, parts=["search"], rows=2000, approximate_rows=0)
    assert len(parts.searched[0][0]) == 2000
    assert [headline.name for headline in result.headlines] == ["search"]

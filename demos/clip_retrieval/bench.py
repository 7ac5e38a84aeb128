"""Training, search and whole queries beside their peers.

trendlab bench clip_retrieval
trendlab bench clip_retrieval 'bench.parts=[search]' bench.threads=2
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from demos.clip_retrieval.data import used
from demos.clip_retrieval.model.encoder import EncoderSpec
from shared.openmoji.records import records
from shared.openmoji.render import pictures
from shared.result import Headline, Metric, Result, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.clip_retrieval.config import ClipConfig
    from shared.demo import Run

QUERIES = 256


def measure(config: ClipConfig, run: Run) -> Result:
    """The parts that the config asks for."""
    headlines: list[Headline] = []
    metrics: list[Metric] = []
    tables: list[Table] = []
    notes: list[str] = []
    if "query" in config.bench.parts:
        from demos.clip_retrieval.model.bench_query import measure_query

        first, numbers, shown = measure_query(run, config.bench.repeats)
        headlines, metrics, tables = headlines + first, metrics + numbers, tables + shown
    if "search" in config.bench.parts:
        from demos.clip_retrieval.index.bench_approximate import measure_approximate
        from demos.clip_retrieval.index.bench_search import enlarged, measure_search

        ours, asked, described = _vectors(config)
        for rows in dict.fromkeys((config.bench.rows, len(ours))):
            what = described if rows > len(ours) else f"{rows:,} vectors of the embedded pictures"
            part = measure_search(
                enlarged(ours, rows, config.seed), asked, run, config.bench.threads, config.bench.repeats, what
            )
            headlines += part.headlines if rows == config.bench.rows else []
            metrics += part.metrics if rows == config.bench.rows else []
            tables += part.tables
            notes += [note for note in part.notes if note not in notes]
        if config.bench.approximate_rows:
            many = enlarged(ours, config.bench.approximate_rows, config.seed)
            tables.append(measure_approximate(many, asked, run, config.bench.repeats, described))
    if "training" in config.bench.parts:
        from demos.clip_retrieval.training.bench_train import measure_training

        first, numbers, shown = measure_training(config, run)
        headlines, metrics, tables = headlines + first, metrics + numbers, tables + shown
    return Result(
        headlines=headlines,
        metrics=metrics,
        tables=tables,
        figures=[],
        data=used("openmoji.whl"),
        weights=used("model.safetensors"),
        notes=notes,
    )


def _vectors(config: ClipConfig) -> tuple[NDArray[np.float32], NDArray[np.float32], str]:
    """(4495, d) vectors of all pictures and (q, d) of names as queries, on the pictures' leading principal axes."""
    encoder = EncoderSpec().load()
    images = encoder.images(np.asarray(pictures(encoder.size)))
    names = [emoji.name for emoji in records()]
    texts = encoder.texts(names[:: len(names) // QUERIES][:QUERIES])
    width = config.bench.dimension
    _, _, axes = np.linalg.svd(images - images.mean(0), full_matrices=False)
    described = (
        f"{len(images):,} vectors of the embedded pictures on their {width} leading axes, and copies moved by noise; "
        f"queries are names of pictures"
    )
    return _unit(images @ axes[:width].T), _unit(texts @ axes[:width].T), described


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

"""A whole text query: how long the encoder takes, how long the search, and what ONNX Runtime gains over torch."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from demos.clip_retrieval.corpus.corpora import embedded_index
from demos.clip_retrieval.model.encoder import EncoderSpec, OnnxEncoder, ready
from demos.clip_retrieval.model.shape import CONFIG, ONNX_TEXT
from demos.clip_retrieval.model.weights import assembled
from shared.evaluation.timing import Timing, paired_timing
from shared.openmoji.records import records
from shared.progress import Progress
from shared.result import Column, Headline, Metric, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.demo import Run

K = 8
FAST, WHOLE = "ONNX Runtime, weights in 8 bits", "ONNX Runtime, float32"
EAGER, PADDED = "torch, eager, trimmed", "torch, eager, padded to the context, as open_clip"
AS_RUN = "both, as a search runs it: threads left to ONNX Runtime"
QUERIES = 64  # different texts, asked in turn
TARGET = 5.0  # milliseconds for the median query


def queries() -> list[str]:
    """Texts of many lengths: names of the embedded pictures, evenly spread."""
    names = [emoji.name for emoji in records()]
    return names[:: len(names) // QUERIES][:QUERIES]


def measure_query(run: Run, repeats: int) -> tuple[list[Headline], list[Metric], list[Table]]:
    """Time 64 different queries one at a time over the embedded pictures, one thread for everyone; and then as a search
    runs them, which leaves the threads to ONNX Runtime."""
    import torch

    run.say("query: text encoder and search")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _measure(repeats)
    finally:
        torch.set_num_threads(threads)


def _measure(repeats: int) -> tuple[list[Headline], list[Metric], list[Table]]:
    from demos.clip_retrieval.model.torch_encoder import load_open_clip

    folder = ready(assembled())
    fast, eager = OnnxEncoder(folder, threads=1), load_open_clip(f"local-dir:{folder}", "cpu")
    whole_precision = _in_float32(folder)
    asked = queries()
    encoders: dict[str, Callable[[str], NDArray[np.float32]]] = {
        FAST: lambda text: fast.texts([text]),
        WHOLE: lambda text: whole_precision.texts([text]),
        EAGER: lambda text: eager.texts([text]),
        PADDED: _padded(eager),
    }
    timings = paired_timing({name: _each(encode, asked) for name, encode in encoders.items()}, repeats)
    cosines = [float((encoders[FAST](text) * encoders[EAGER](text)).sum()) for text in asked]
    shipped = EncoderSpec().load()
    index = embedded_index(EncoderSpec(), Progress(quiet=True))
    encoded, searched = _whole(asked * repeats, encoders[FAST], lambda vector: index.search(vector, K))
    threaded = _whole(asked * repeats, lambda text: shipped.texts([text]), lambda vector: index.search(vector, K))
    whole = encoded + searched
    return (
        [
            Headline(
                name="A text query over 4,495 pictures, median",
                value=float(np.median(whole)),
                unit="ms",
                direction="lower",
                peer=f"the same with {PADDED}",
                peer_value=float(np.median(searched) + 1e3 * timings[PADDED].median / QUERIES),
                note=f"target: below {TARGET:g} ms; one thread",
            )
        ],
        [
            Metric(name="smallest cosine of 8 bits to torch", value=min(cosines), unit="", direction="higher"),
            Metric(name="text query, 95th percentile", value=float(np.quantile(whole, 0.95)), unit="ms"),
        ],
        [_stages(encoded, searched, np.sum(threaded, axis=0)), _encoders(timings, cosines)],
    )


def _in_float32(folder: Path) -> OnnxEncoder:
    """The same text tower, its weights as they were trained; needed here alone, so it is not kept."""
    from demos.clip_retrieval.model.onnx_export import export_text
    from demos.clip_retrieval.model.torch_encoder import open_folder

    with tempfile.TemporaryDirectory() as name:
        temporary = Path(name)
        for file in (CONFIG, "tokenizer.json"):
            shutil.copyfile(folder / file, temporary / file)
        export_text(open_folder(folder), temporary / ONNX_TEXT, 32)
        encoder = OnnxEncoder(temporary, threads=1)
        encoder.texts(["loaded"])
    return encoder


def _padded(eager: Any) -> Callable[[str], NDArray[np.float32]]:
    import torch

    def encode(text: str) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(eager._model.encode_text(eager._tokenizer([text]), normalize=True).numpy())

    return encode


def _each(encode: Callable[[str], Any], asked: list[str]) -> Callable[[], None]:
    def work() -> None:
        for text in asked:
            encode(text)

    return work


def _whole(
    asked: list[str], encode: Callable[[str], Any], search: Callable[[Any], Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n,) milliseconds of both stages of each query, after a warm-up."""
    search(encode(asked[0]))
    times = []
    for text in asked:
        start = time.perf_counter()
        vector = encode(text)
        between = time.perf_counter()
        search(vector)
        times.append((between - start, time.perf_counter() - between))
    found = 1e3 * np.array(times)
    return found[:, 0], found[:, 1]


def _stages(encoded: NDArray[np.float64], searched: NDArray[np.float64], threaded: NDArray[np.float64]) -> Table:
    whole = encoded + searched
    rows: list[list[str | float | None]] = [
        [name, *(float(np.quantile(times, level)) for level in (0.5, 0.95)), share]
        for name, times, share in (
            ("text encoder", encoded, float(100 * encoded.sum() / whole.sum())),
            ("search, with the facts of the answers", searched, float(100 * searched.sum() / whole.sum())),
            ("both", whole, 100.0),
            (AS_RUN, threaded, None),
        )
    ]
    return Table(
        title="Where the time of a query goes",
        columns=[
            Column(name="stage"),
            Column(name="median", unit="ms", direction="lower", digits=2),
            Column(name="95th percentile", unit="ms", direction="lower", digits=2),
            Column(name="share", unit="%", digits=0),
        ],
        rows=rows,
        caption=f"{len(whole)} queries one after the other, 4,495 pictures, {K} answers, one thread but in the last "
        "row, all loaded.",
    )


def _encoders(timings: dict[str, Timing], cosines: list[float]) -> Table:
    rows: list[list[str | float | None]] = [
        [
            name,
            1e3 * timing.median / QUERIES,
            timing.ratio,
            f"{timing.ratio_quartiles[0]:.2f} to {timing.ratio_quartiles[2]:.2f}",
        ]
        for name, timing in timings.items()
    ]
    return Table(
        title="The text encoder, one query at a time",
        columns=[
            Column(name="runtime"),
            Column(name="a query", unit="ms", direction="lower", digits=2),
            Column(name="ratio to 8 bits", digits=2),
            Column(name="quartiles of the ratio"),
        ],
        rows=rows,
        caption=f"In turns, {QUERIES} texts in each timing, one thread; smallest cosine of 8 bits to torch "
        f"{min(cosines):.6f}.",
    )

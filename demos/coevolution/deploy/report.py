"""What became of the models when they were made into files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from demos.coevolution.data import used
from demos.coevolution.deploy.files import CLOUD, Deployed
from demos.coevolution.deploy.gate import LEAST_AGREEMENT, MOST_LOST
from demos.coevolution.deploy.measure import ratio
from shared.chapter import Chapter
from shared.result import Column, Headline, Interval, Metric, Table

if TYPE_CHECKING:
    from demos.coevolution.training.trained import Trained


def deploy(trained: Trained) -> Chapter:
    """Export, compare, time, tell."""
    found = trained.files()
    return Chapter(
        headlines=[_faster(found, "device"), _smaller(found, "device"), _faster(found, "edge")],
        metrics=_metrics(found),
        tables=[_files(found), _starts(found)],
        data=used(),
        notes=[
            "A text is asked for alone, as on a device, on one thread; all files take turns with each text. Cutting it "
            "into pieces is the same for all, and takes longer than the device's model does.",
            "The device's file holds no vectors: what a piece gives to each filter, and to the answer, is worked out "
            "once, so that a text is a few rows of a table and their sums.",
            f"A file goes out in 8 bits if on the texts that calibrate it loses at most {100 * MOST_LOST:g} points and "
            f"agrees on {100 * LEAST_AGREEMENT:g} %.",
        ],
    )


def _faster(found: Deployed, student: str) -> Headline:
    fast, slow, eight = (found.latency[name] for name in (f"{student}, 8 bits", CLOUD, "cloud, 8 bits"))
    middle, low, high = ratio(slow.seconds, fast.seconds)
    against, whole = ratio(eight.seconds, fast.seconds)[0], ratio(slow.whole, fast.whole)[0]
    return Headline(
        name=f"How many times as fast as the large model: {student}, 8 bits",
        value=middle,
        unit="x",
        direction="higher",
        peer="the large model in 8 bits, over that in 32",
        peer_value=ratio(slow.seconds, eight.seconds)[0],
        interval=Interval(low=low, high=high, level=0.5, unit="texts, quartiles of paired ratios"),
        note=f"the model alone, one text, one thread; both with the tokenizer {whole:.0f} x; over the large model in 8 "
        f"bits {against:.0f} x",
    )


def _smaller(found: Deployed, student: str) -> Headline:
    size, cloud = (found.latency[name].size for name in (f"{student}, 8 bits", CLOUD))
    return Headline(
        name=f"How many times as small as the large model: {student}, 8 bits",
        value=cloud / size,
        unit="x",
        direction="higher",
        peer="the large model in 8 bits",
        peer_value=cloud / found.latency["cloud, 8 bits"].size,
    )


def _metrics(found: Deployed) -> list[Metric]:
    metrics = []
    for name, each in found.latency.items():
        metrics.append(Metric(name=f"{name}, one text, median", value=each.quantile(0.5), unit="ms", direction="lower"))
        metrics.append(Metric(name=f"{name}, size", value=each.size / 1e6, unit="MB", direction="lower"))
        metrics.append(
            Metric(name=f"{name}, agreement", value=100 * found.parity[name].agreement, unit="%", direction="higher")
        )
    return metrics


def _files(found: Deployed) -> Table:
    rows: list[list[str | float | None]] = []
    for name, each in found.latency.items():
        parity, slow, eight = found.parity[name], found.latency[CLOUD], found.latency["cloud, 8 bits"]
        over = [
            ratio(slow.seconds, each.seconds),
            ratio(eight.seconds, each.seconds),
            ratio(slow.whole, each.whole),
        ]
        rows.append(
            [
                name,
                each.size / 1e6,
                100 * (0.0 - parity.lost),
                100 * parity.agreement,
                100 * parity.furthest,
                each.quantile(0.5),
                each.quantile(0.99),
                *[f"{middle:.1f} ({low:.1f} to {high:.1f})" for middle, low, high in over],
                1 / float(np.median(each.whole)),
            ]
        )
    return Table(
        title="The files",
        columns=[
            Column(name="file"),
            Column(name="size", unit="MB", direction="lower"),
            Column(name="accuracy against its model", unit="points", digits=2),
            Column(name="agreement with its model", unit="%", direction="higher", digits=2),
            Column(name="furthest from its probability", unit="points", direction="lower", digits=1),
            Column(name="median", unit="ms", direction="lower", digits=3),
            Column(name="99th percentile", unit="ms", direction="lower", digits=3),
            Column(name="x as fast as the large model in 32 bits"),
            Column(name="in 8 bits"),
            Column(name="both with the tokenizer"),
            Column(name="texts a second", direction="higher", digits=0),
        ],
        rows=rows,
        caption=f"{len(found.latency[CLOUD].seconds)} texts one after the other, all files in turns, one thread, after "
        "another text. Times are of the model alone, texts a second with the tokenizer. Ratios: median and middle "
        "half, text by text. Accuracy and agreement: texts that calibrate, all scenes.",
    )


def _starts(found: Deployed) -> Table:
    rows: list[list[str | float | None]] = []
    for name, each in found.latency.items():
        if each.cold:
            low, middle, high = np.quantile(each.cold, [0.25, 0.5, 0.75])
            rows.append([name, float(middle), f"{low:.2f} to {high:.2f}"])
    return Table(
        title="Until the first answer",
        columns=[
            Column(name="file"),
            Column(name="median", unit="s", direction="lower", digits=2),
            Column(name="middle half"),
        ],
        rows=rows,
        caption="A new process: Python, ONNX Runtime and NumPy are imported, every file is checked against its hash, "
        "the model and the tokenizer are opened, one text is answered. The files are in memory from before.",
    )

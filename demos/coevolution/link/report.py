"""How long an answer takes and how many bytes it costs, over links of different rates; and when the link is cut."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from demos.coevolution.cascade.choose import threshold
from demos.coevolution.cascade.confidence import confidence
from demos.coevolution.cascade.measure import TARGET
from demos.coevolution.data import HOME, texts, used
from demos.coevolution.deploy.files import CLOUD
from demos.coevolution.link.trial import BURST, Task, may_shape, shaped
from demos.coevolution.splits import frozen
from demos.coevolution.training.jobs import LAST, students_answers
from demos.coevolution.versions.version import read
from shared.chapter import Chapter
from shared.evaluation.intervals import bootstrap
from shared.result import Column, Headline, Metric, Table

if TYPE_CHECKING:
    from demos.coevolution.training.trained import Trained
    from shared.demo import Run
    from shared.result import Figure

ORACLE = "oracle"
WAYS = {"device": "device alone", "cloud": "cloud alone", "cascade": "cascade", ORACLE: "oracle, text by text"}


@dataclass(frozen=True)
class Way:
    """Of one way to answer over one link: (n,) seconds, bytes, and whether the answer is right."""

    seconds: np.ndarray
    bytes: np.ndarray
    right: np.ndarray

    def milliseconds(self, level: float) -> float:
        """Quantile of what an answer takes."""
        return float(1e3 * np.quantile(self.seconds, level))


def link(trained: Trained) -> Chapter:
    """Shape, answer, tell."""
    section, proxy = trained.config.link, not may_shape()
    out = trained.files().out
    places = frozen().test[HOME][: section.texts]
    labels = np.array([texts()[place].label for place in places])
    border = _border(trained)
    found: dict[float, dict[str, Way]] = {}
    for rate in trained.run.track("links", section.kilobits):
        task = Task(
            str(out["cloud"]),
            str(out["device"]),
            border,
            1000 * rate,
            section.share,
            [texts()[place].text for place in places],
            proxy,
        )
        with tempfile.TemporaryDirectory() as folder:
            found[rate] = _ways(shaped(task, Path(folder)), labels)
    shaper = "a token-bucket proxy of our own, no real link" if proxy else "the system's token bucket (tc tbf)"
    return Chapter(
        headlines=[_headline(found)],
        metrics=_metrics(found),
        tables=[_table(found, section.share)],
        figures=[_figure(found, trained.run)],
        data=used(),
        notes=[
            f"Two processes on this machine, each on one thread and, where there are two cores, on one of its own; the "
            f"link between them is shaped by {shaper}, both ways through one bucket of {BURST:,} bytes. There is no "
            "distance: a real link adds its round trip to each text that goes up. The device has "
            f"{100 * section.share:g} % of its core: after what it computes, it waits as long as a core so much slower "
            "would take.",
            f"The cascade sends what the device is less sure of than {border:.3f}, chosen at home on texts that "
            f"calibrate so that {100 * TARGET:g} % go up. Bytes: messages both ways, without TCP and IP. The oracle "
            "asks the cloud where that is right and the device is not.",
            "A cut link, a cloud that is killed and a device that is killed are tests (tests/demos/coevolution/"
            "test_link.py): the device goes on, and no word of a person is lost or counted twice.",
        ],
    )


def _border(trained: Trained) -> float:
    """Of the device that goes out, with its own temperature, as it says how sure it is."""
    file = trained.lying("device", LAST["device"])[0]
    heat = read(trained.files().out["device"]).temperature
    places = frozen().calibration[HOME][: trained.config.models.test]
    return threshold(confidence(students_answers(file).of(places).numpy(), heat), TARGET)


def _ways(answers: dict[str, list[dict[str, Any]]], labels: np.ndarray) -> dict[str, Way]:
    found = {
        name: Way(
            np.array([each["seconds"] for each in said]),
            np.array([each["bytes"] for each in said]),
            (np.array([each["positive"] for each in said]) > 0.5) == labels,
        )
        for name, said in answers.items()
    }
    own, theirs = found["device"], found["cloud"]
    helps = theirs.right & ~own.right
    found[ORACLE] = Way(
        own.seconds + np.where(helps, theirs.seconds, 0),
        np.where(helps, theirs.bytes, 0),
        own.right | theirs.right,
    )
    return found


def _headline(found: dict[float, dict[str, Way]]) -> Headline:
    slowest = min(found)
    ways = found[slowest]
    return Headline(
        name=f"An answer of the cascade over {slowest:g} kbit/s, mean",
        value=1e3 * float(ways["cascade"].seconds.mean()),
        unit="ms",
        direction="lower",
        peer="cloud alone",
        peer_value=1e3 * float(ways["cloud"].seconds.mean()),
        interval=bootstrap(1e3 * ways["cascade"].seconds, unit="texts"),
    )


def _metrics(found: dict[float, dict[str, Way]]) -> list[Metric]:
    return [
        Metric(name=f"{WAYS[name]}, {rate:g} kbit/s, 95th percentile", value=way.milliseconds(0.95), unit="ms")
        for rate, ways in found.items()
        for name, way in ways.items()
    ]


def _table(found: dict[float, dict[str, Way]], share: float) -> Table:
    rows: list[list[str | float | None]] = []
    for rate, ways in found.items():
        for name, way in ways.items():
            rows.append(
                [
                    f"{rate:g} kbit/s, {WAYS[name]}",
                    way.milliseconds(0.5),
                    way.milliseconds(0.95),
                    1e3 * float(way.seconds.mean()),
                    float(way.bytes.mean()),
                    100 * float((way.bytes > 0).mean()),
                ]
            )
    return Table(
        title="An answer over a link",
        columns=[
            Column(name="link, who answers"),
            Column(name="median", unit="ms", digits=2),
            Column(name="95th percentile", unit="ms", digits=1),
            Column(name="mean", unit="ms", digits=1),
            Column(name="bytes an answer", digits=0),
            Column(name="goes up", unit="%", digits=0),
        ],
        rows=rows,
        caption=f"{len(next(iter(found.values()))['device'].seconds)} texts at home, one after the other, too "
        f"few to tell how good the answers are; the device has {100 * share:g} % of a core.",
    )


def _figure(found: dict[float, dict[str, Way]], run: Run) -> Figure:
    from matplotlib import pyplot

    drawing, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    rates = sorted(found)
    for name, style in zip(WAYS, ("-", "-", "-", ":"), strict=True):
        (line,) = axes.plot(
            rates,
            [1e3 * found[rate][name].seconds.mean() for rate in rates],
            style,
            marker="o",
            label=f"{WAYS[name]}, mean",
        )
        axes.plot(
            rates,
            [found[rate][name].milliseconds(0.95) for rate in rates],
            "--",
            color=line.get_color(),
            linewidth=0.9,
            label=f"{WAYS[name]}, 95th percentile",
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("rate of the link [kbit/s]")
    axes.set_ylabel("an answer takes [ms]")
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return run.figure(
        drawing,
        "link",
        title="What an answer takes over a link",
        caption=f"{CLOUD} and the device in 8 bits, one thread each; no distance, rate alone.",
        alt="; ".join(
            f"{rate:g} kbit/s: "
            + ", ".join(f"{WAYS[name]} {1e3 * way.seconds.mean():.1f} ms" for name, way in found[rate].items())
            for rate in rates
        ),
    )

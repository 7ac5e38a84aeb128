"""Who answers what, and what that costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from demos.coevolution.cascade.measure import RATES, TARGET, TO_THE_EDGE, WITHIN, Cascade, cascade_of
from demos.coevolution.data import HOME, SCENES, texts, used
from demos.coevolution.deploy.files import CLOUD
from demos.coevolution.splits import frozen
from demos.coevolution.training.jobs import LAST
from shared.chapter import Chapter
from shared.evaluation.intervals import bootstrap
from shared.result import Column, Headline, Interval, Metric, Table

if TYPE_CHECKING:
    from demos.coevolution.training.trained import Trained
    from shared.demo import Run
    from shared.result import Figure


def cascade(trained: Trained) -> Chapter:
    """Fit, choose, judge, tell."""
    devices, edges = trained.lying("device", LAST["device"]), trained.lying("edge", LAST["edge"])
    found = [
        cascade_of(trained.folder, seed, device, edge, trained.config.models)
        for seed, device, edge in zip(trained.seeds, devices, edges, strict=True)
    ]
    whole = 100 * _mean([each.chosen[HOME][3] for each in found])
    return Chapter(
        headlines=[_behind(found), _between(found), _least(found), _error(found)],
        metrics=_metrics(found),
        tables=[_ways(found, trained), _scenes(found), _calibration(found)],
        figures=[
            curves_figure(
                [each.curves for each in found],
                whole,
                trained.run,
                "at home",
                through=(
                    100 * _mean([each.through[1] for each in found]),
                    100 * _mean([each.through[2] for each in found]),
                ),
            )
        ],
        data=used(),
        notes=[
            "The temperature and the confidence below which a text goes up are chosen on texts that calibrate, and "
            "judged on the test: the share that goes up there is what it turns out to be.",
            "The smallest share is read off the test itself: it says how well confidence tells who needs help, not "
            "what a user would have chosen.",
            "By lot is the expectation. The oracle knows which texts the large model answers right and the device does "
            "not: no choice of as many texts does better.",
            "Instead of a text the device may send what its last layer is given of it. The cloud can learn to read "
            "that from the labelled texts, but not more out of it than the device put in; and it is no secret: words "
            "can be guessed from it.",
        ],
    )


def _mean(values: list[float]) -> float:
    return float(np.mean(values))


def _interval(values: list[float]) -> Interval | None:
    return bootstrap(values, unit="seeds") if len(values) > 1 else None


def _behind(found: list[Cascade]) -> Headline:
    behind = [100 * (each.chosen[HOME][3] - each.chosen[HOME][1]) for each in found]
    lot = [100 * (1 - each.chosen[HOME][0]) * (each.chosen[HOME][3] - each.chosen[HOME][2]) for each in found]
    return Headline(
        name=f"Points behind the large model with {100 * TARGET:g} % of the texts sent up",
        value=_mean(behind),
        unit="points",
        direction="lower",
        peer="as many by lot",
        peer_value=_mean(lot),
        interval=_interval(behind),
        note=f"at home; {100 * _mean([each.chosen[HOME][0] for each in found]):.1f} % went up",
    )


def _between(found: list[Cascade]) -> Headline:
    behind = [100 * (each.chosen[HOME][3] - each.through[2]) for each in found]
    straight = [100 * (each.chosen[HOME][3] - each.chosen[HOME][1]) for each in found]
    reached, beyond = (100 * _mean([each.through[place] for each in found]) for place in (0, 1))
    return Headline(
        name="And with the edge between, which answers some of these",
        value=_mean(behind),
        unit="points",
        direction="lower",
        peer="straight to the large model",
        peer_value=_mean(straight),
        interval=_interval(behind),
        note=f"at home; {reached:.1f} % went to the edge, {beyond:.1f} % on to the large model",
    )


def _least(found: list[Cascade]) -> Headline:
    shares = [100 * each.least["confidence"] for each in found]
    return Headline(
        name=f"Smallest share sent up that is within {100 * WITHIN:g} points of the large model",
        value=_mean(shares),
        unit="%",
        direction="lower",
        peer="by lot",
        peer_value=100 * _mean([each.least["by lot"] for each in found]),
        interval=_interval(shares),
        note=f"at home, read off the test; oracle {100 * _mean([each.least['oracle'] for each in found]):.1f} %",
    )


def _error(found: list[Cascade]) -> Headline:
    before, after = ([each.errors[HOME][place] for each in found] for place in (0, 1))
    return Headline(
        name="Expected calibration error of the device at home",
        value=_mean(after),
        unit="",
        direction="lower",
        peer="without a temperature",
        peer_value=_mean(before),
        interval=_interval(after),
        note=f"{_mean([each.errors[HOME][2] for each in found]):.3f} of who is exactly as sure as right",
    )


def _metrics(found: list[Cascade]) -> list[Metric]:
    metrics = [
        Metric(
            name=f"Cascade, {scene}",
            value=100 * _mean([each.anew[scene][1] for each in found]),
            unit="%",
            direction="higher",
        )
        for scene in SCENES
    ]
    metrics += [
        Metric(
            name=f"Calibration error, {scene}",
            value=_mean([each.errors[scene][1] for each in found]),
            unit="",
            direction="lower",
        )
        for scene in SCENES
    ]
    return metrics


def _ways(found: list[Cascade], trained: Trained) -> Table:
    files = trained.files().latency
    sizes = [len(texts()[place].text.encode()) for place in frozen().test[HOME]]
    small, middle, large = (
        float(files[name].seconds.mean()) * 1e3 for name in ("device, 8 bits", "edge, 8 bits", CLOUD)
    )
    at = RATES.index(TARGET)
    up, accuracy, alone, whole = (_mean([each.chosen[HOME][place] for each in found]) for place in range(4))
    reached, beyond, through = (_mean([each.through[place] for each in found]) for place in range(3))
    by_state, size = _mean([each.by_state[0] for each in found]), found[0].by_state[1]
    mean_size = float(np.mean(sizes))
    helped = min(TARGET, _mean([each.helped for each in found]))
    lines: list[tuple[str, float, float, float, float]] = [
        ("device alone", 0.0, alone, small, 0.0),
        ("large model alone", 1.0, whole, large, mean_size),
        ("by lot", up, alone + up * (whole - alone), small + up * large, up * mean_size),
        ("by confidence", up, accuracy, small + up * large, up * mean_size),
        ("by confidence, the device's state instead of the text", up, by_state, small, up * size),
        (
            "by confidence, with the edge between",
            beyond,
            through,
            small + reached * middle + beyond * large,
            beyond * mean_size,
        ),
        (
            "oracle",
            helped,
            _mean([each.curves["oracle"][at] for each in found]),
            small + helped * large,
            helped * mean_size,
        ),
    ]
    return Table(
        title="Ways to answer",
        columns=[
            Column(name="who goes up"),
            Column(name="goes to the cloud", unit="%"),
            Column(name="accuracy", unit="%", direction="higher"),
            Column(name="against the large model", unit="points", direction="higher", digits=2),
            Column(name="computing a text, all models", unit="ms", direction="lower", digits=3),
            Column(name="sent a text", unit="bytes", direction="lower", digits=0),
        ],
        rows=[
            [name, 100 * rate, 100 * score, 100 * (score - whole), cost, sent]
            for name, rate, score, cost, sent in lines
        ],
        caption=f"At home, mean of {len(found)} seeds. Computing: the device reads each text, in 8 bits; the edge, to "
        f"which it hands {100 * TO_THE_EDGE:g} % where it is there, in 8; the large model in 32; one thread, means. "
        "Sent: the text itself. "
        "Computing and bytes as if texts that go up were as long as all are.",
    )


def _scenes(found: list[Cascade]) -> Table:
    rows: list[list[str | float | None]] = []
    for scene in SCENES:
        for name, part in (("chosen at home", "chosen"), ("chosen anew", "anew")):
            if scene == HOME and part == "anew":
                continue
            values = [_mean([getattr(each, part)[scene][place] for each in found]) for place in range(4)]
            rows.append([f"{scene}, {name}", *[100 * value for value in values], 100 * (values[1] - values[3])])
    return Table(
        title="The same threshold in other scenes",
        columns=[
            Column(name="scene, threshold"),
            Column(name="goes up", unit="%"),
            Column(name="cascade", unit="%"),
            Column(name="device", unit="%"),
            Column(name="large model", unit="%"),
            Column(name="cascade against the large model", unit="points", digits=2),
        ],
        rows=rows,
        caption=f"For {100 * TARGET:g} % of the texts that calibrate: those at home, or those of the scene.",
    )


def _calibration(found: list[Cascade]) -> Table:
    return Table(
        title="Is it as sure as it says?",
        columns=[
            Column(name="scene"),
            Column(name="calibration error as trained", digits=3),
            Column(name="with the temperature of home", digits=3),
            Column(name="of who is exactly as sure as right", digits=3),
        ],
        rows=[
            [str(scene), *[_mean([each.errors[scene][place] for each in found]) for place in range(3)]]
            for scene in SCENES
        ],
        caption=f"Expected calibration error of the device on the test, 15 bins; temperatures "
        f"{', '.join(f'{each.heat:.2f}' for each in found)}. The last column is what as many texts would show of a "
        "device that is right just as often as it says.",
    )


def curves_figure(
    curves: list[dict[str, list[float]]],
    whole: float,
    run: Run,
    where: str,
    *,
    through: tuple[float, float] | None = None,
) -> Figure:
    """Accuracy by how many texts go up.

    curves: of each seed, as `curves_of` has them; whole: accuracy of the large model [%]; where: the texts are from;
    through: what goes up and how much is right with the edge between, if it is there [%].
    """
    from matplotlib import pyplot

    drawing, axes = pyplot.subplots(figsize=(8, 4), layout="constrained")
    shares = 100 * np.array(RATES)
    for name, style in (("oracle", ":"), ("confidence", "-"), ("by lot", "--")):
        lines = 100 * np.array([each[name] for each in curves])
        (line,) = axes.plot(shares, lines.mean(0), style, label=name)
        if name == "confidence" and len(curves) > 1:
            axes.fill_between(shares, lines.min(0), lines.max(0), color=line.get_color(), alpha=0.15, linewidth=0)
    axes.axhspan(whole - 100 * WITHIN, whole, color="#8a8f98", alpha=0.25, label=f"within {100 * WITHIN:g} points")
    axes.axvline(100 * TARGET, color="#8a8f98", linewidth=0.8, label=f"{100 * TARGET:g} % go up")
    if through:
        axes.plot(*through, "D", label="with the edge between")
    axes.set_xlabel("texts that go up [%]")
    axes.set_ylabel(f"accuracy {where} [%]")
    axes.legend(fontsize=9, loc="lower right")
    ranges = "Mean over seeds, and their range; the" if len(curves) > 1 else "The"
    return run.figure(
        drawing,
        "cascade",
        title="Accuracy by how many texts go up",
        caption=f"{ranges} grey band is where the large model is.",
        alt=f"At {100 * TARGET:g} %: "
        + ", ".join(
            f"{name} {100 * _mean([each[name][RATES.index(TARGET)] for each in curves]):.1f} %"
            for name in ("oracle", "confidence", "by lot")
        ),
    )

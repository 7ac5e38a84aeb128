"""The tables of the report: all methods, ours against each peer on the same queries, groups, targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from demos.clip_retrieval.judging.judge import Judged
from demos.clip_retrieval.judging.retrieval import Ranked
from demos.clip_retrieval.judging.scores import AMONG_KNOWN, BACK, UNIT, Estimate, estimates
from demos.clip_retrieval.judging.zeroshot import ZeroShot
from shared.evaluation.intervals import paired_difference
from shared.result import Column, Headline, Metric, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.clip_retrieval.training.fit import History

RETRIEVAL = ("R@1", "R@5", "R@10", "MRR", "median rank", f"{BACK}R@1", f"{BACK}R@10")
CROWDED = tuple(f"{AMONG_KNOWN}{name}" for name in ("R@1", "R@10", "MRR", "median rank"))
KIND = ("P@5", "R-precision", "mAP@R", "12 groups", "11 groups")
ABSOLUTE = "median rank"  # all others are shares
REFERENCE = "oracle"  # is told what the others have to find out
Found = dict[str, dict[str, Estimate]]


def all_estimates(judged: Sequence[Judged], resamples: int) -> Found:
    """Method key -> name of a number -> estimate."""
    return {method.key: estimates(method.folds, resamples) for method in judged}


def percent(name: str, value: float) -> float:
    """Shares in percent, ranks as they are."""
    return value if ABSOLUTE in name else 100 * value


def methods_table(judged: Sequence[Judged], found: Found, names: Sequence[str], title: str, caption: str) -> Table:
    """One row a method, one column a number, with its interval; the first row is chance."""
    columns = [Column(name="method")]
    for name in names:
        unit = "" if ABSOLUTE in name else "%"
        direction = "lower" if ABSOLUTE in name else "higher"
        columns += [Column(name=name, unit=unit, direction=direction, digits=1), Column(name=f"{name}, 95 %")]
    ours = found[judged[0].key]
    chance: list[str | float | None] = ["chance"]
    for name in names:
        chance += [percent(name, ours[name].chance), None]
    rows = [chance]
    for method in judged:
        row: list[str | float | None] = [method.label]
        for name in names:
            estimate = found[method.key][name]
            low, high = (percent(name, value) for value in (estimate.interval.low, estimate.interval.high))
            row += [percent(name, estimate.value), f"{low:.1f} to {high:.1f}"]
        rows.append(row)
    return Table(title=title, columns=columns, rows=rows, caption=caption)


def paired_table(judged: Sequence[Judged], resamples: int) -> Table:
    """Ours minus each peer on the very same queries, in points."""
    names = ("R@1", "R@10", "MRR", "P@5")
    columns = [Column(name="ours minus")]
    for name in names:
        columns += [Column(name=name, unit="points", digits=1), Column(name=f"{name}, 95 %")]
    ours = _values(judged[0])
    rows: list[list[str | float | None]] = []
    for method in judged[1:]:
        row: list[str | float | None] = [method.label]
        for name in names:
            mine, other = 100 * ours[name], 100 * _values(method)[name]
            interval = paired_difference(mine, other, resamples=resamples, unit=UNIT)
            row += [float((mine - other).mean()), f"{interval.low:+.1f} to {interval.high:+.1f}"]
        rows.append(row)
    return Table(
        title="Ours minus each peer, query by query",
        columns=columns,
        rows=rows,
        caption=f"Paired bootstrap over {len(ours['R@1'])} {UNIT}. Beyond chance where the interval is without 0.",
    )


def _values(method: Judged) -> dict[str, NDArray[np.float64]]:
    ranked = Ranked.pooled([fold.text_to_image for fold in method.folds])
    near = np.concatenate([fold.subgroups.precision for fold in method.folds])
    return {"R@1": ranked.hits(1), "R@10": ranked.hits(10), "MRR": ranked.reciprocal(), "P@5": near}


def folds_table(judged: Sequence[Judged], numbers: Sequence[int]) -> Table:
    """R@1 and R@10 of each fold by itself: how much the pictures that are tested matter."""
    columns = [Column(name="method")]
    for number in numbers:
        columns += [Column(name=f"fold {number}: {name}", unit="%", direction="higher", digits=1) for name in RECALLS]
    rows: list[list[str | float | None]] = []
    for method in judged:
        hits = [float(100 * fold.text_to_image.hits(k).mean()) for fold in method.folds for k in (1, 10)]
        rows.append([method.label, *hits])
    return Table(
        title="Fold by fold",
        columns=columns,
        rows=rows,
        caption=f"{_gallery(judged[0])} names and pictures in each fold.",
    )


RECALLS = ("R@1", "R@10")


def _gallery(method: Judged) -> int:
    return method.folds[0].text_to_image.gallery


def groups_table(ours: Judged) -> Table:
    """Retrieval and zero-shot by group, all folds together."""
    ranked = Ranked.pooled([fold.text_to_image for fold in ours.folds])
    groups = ZeroShot.pooled([fold.groups for fold in ours.folds])
    confusion = groups.confusion()
    rows: list[list[str | float | None]] = []
    for number, name in enumerate(groups.classes):
        own = groups.labels == number
        if not own.any():
            continue
        hits = [float(100 * ranked.hits(k)[own].mean()) for k in (1, 10)]
        recall = 100 * confusion[number, number] / own.sum()
        claimed = confusion[:, number].sum()
        precision = 100 * confusion[number, number] / claimed if claimed else None
        rows.append([name, int(own.sum()), *hits, float(recall), None if precision is None else float(precision)])
    return Table(
        title="By group",
        columns=[
            Column(name="group"),
            Column(name="pictures", digits=0),
            Column(name="R@1", unit="%", direction="higher", digits=0),
            Column(name="R@10", unit="%", direction="higher", digits=0),
            Column(name="zero-shot recall", unit="%", direction="higher", digits=0),
            Column(name="zero-shot precision", unit="%", direction="higher", digits=0),
        ],
        rows=rows,
        caption=f"R@k among all {_gallery(ours)} pictures of the fold, by the group of the query.",
    )


def training_table(histories: dict[int, History]) -> Table:
    """What was followed while training, on the validation families. histories: of each fold, with the same epochs."""
    columns = [Column(name="epoch", digits=0)]
    for fold in histories:
        name = f"fold {fold}: MRR of the validation names"
        columns.append(Column(name=name, unit="%", direction="higher", digits=1))
    epochs = [epoch for epoch, _ in next(iter(histories.values())).watched]
    rows: list[list[str | float | None]] = [
        [epoch, *(100 * history.watched[row][1] for history in histories.values())] for row, epoch in enumerate(epochs)
    ]
    return Table(
        title="While training",
        columns=columns,
        rows=rows,
        caption="Names of the validation families among their pictures; no model was chosen by it within a run. The "
        "second stage, the last epochs, learns from the kernel machine.",
    )


def best_peer(judged: Sequence[Judged], found: Found, name: str) -> Judged | None:
    """The strongest peer in a number; the reference that is told the words is none."""
    peers = [method for method in judged[1:] if method.key != REFERENCE]
    return max(peers, key=lambda method: found[method.key][name].value, default=None)


def headlines(judged: Sequence[Judged], found: Found) -> list[Headline]:
    """The four numbers of the card, each beside its strongest peer."""
    gallery = _gallery(judged[0])
    lines = []
    for name, title in (
        ("R@1", "Text to image, R@1"),
        ("R@10", "Text to image, R@10"),
        ("12 groups", "Zero-shot over 12 groups, balanced accuracy"),
        ("P@5", "Image to image, same subgroup, P@5"),
    ):
        mine, rival = found["ours"][name], best_peer(judged, found, name)
        other = ("chance", mine.chance) if rival is None else (rival.label, found[rival.key][name].value)
        lines.append(
            Headline(
                name=title,
                value=100 * mine.value,
                unit="%",
                direction="higher",
                peer=other[0],
                peer_value=100 * other[1],
                interval=mine.interval.model_copy(
                    update={"low": 100 * mine.interval.low, "high": 100 * mine.interval.high}
                ),
                note=f"gallery of {gallery} pictures, chance {100 * mine.chance:.2g} %",
            )
        )
    return lines


def metrics(found: Found) -> list[Metric]:
    """Every number of ours that is no headline."""
    taken = {"R@1", "R@10", "12 groups", "P@5"}
    return [
        Metric(
            name=name,
            value=percent(name, estimate.value),
            unit="" if ABSOLUTE in name else "%",
            direction="lower" if ABSOLUTE in name else "higher",
            interval=estimate.interval.model_copy(
                update={end: percent(name, getattr(estimate.interval, end)) for end in ("low", "high")}
            ),
        )
        for name, estimate in found["ours"].items()
        if name not in taken
    ]


TARGETS = (("R@1", 20.0), ("R@10", 50.0), ("12 groups", 50.0), ("P@5", 35.0))


def targets_table(found: Found, judged: Sequence[Judged]) -> Table:
    """What was asked of the demo, what was reached, and what the strongest peer has."""
    rows: list[list[str | float | None]] = []
    for name, asked in TARGETS:
        estimate, rival = found["ours"][name], best_peer(judged, found, name)
        low, high = 100 * estimate.interval.low, 100 * estimate.interval.high
        reached = f"{100 * estimate.value:.1f} % ({low:.1f} to {high:.1f})"
        beaten = "" if rival is None else f"{rival.label}: {100 * found[rival.key][name].value:.1f} %"
        rows.append([f"{name} at least {asked:g} %", reached, "yes" if 100 * estimate.value >= asked else "NO", beaten])
    told = found.get(REFERENCE)
    beyond = "" if told is None else f" The reference, told the published words, has {100 * told['P@5'].value:.1f} %."
    return Table(
        title="Targets, met or missed",
        columns=[Column(name="asked"), Column(name="reached"), Column(name="met"), Column(name="strongest peer")],
        rows=rows,
        caption=f"R@k: names to {_gallery(judged[0])} pictures. 12 groups: balanced accuracy. P@5: same subgroup among "
        f"the first five.{beyond}",
    )

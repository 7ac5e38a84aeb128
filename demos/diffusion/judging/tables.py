"""Rows of a judge as tables and metrics of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demos.diffusion.judging.judge import Row
from demos.diffusion.judging.words import AMONG, chance
from shared.evaluation.intervals import bootstrap, paired_difference
from shared.result import Column, Headline, Interval, Metric, Table

if TYPE_CHECKING:
    from demos.diffusion.config import DiffusionConfig
    from demos.diffusion.judging.judge import Judge

THOUSAND = 1000  # the kernel distance is told in thousandths
HALVES = "halves of the pictures, without repeats"


def distance_headline(name: str, row: Row, peer: Row) -> Headline:
    """The kernel distance of a row beside another's."""
    return Headline(
        name=name,
        value=THOUSAND * row.distance.value,
        unit="10⁻³",
        direction="lower",
        peer=peer.name,
        peer_value=THOUSAND * peer.distance.value,
        interval=_interval(row),
    )


def metrics(row: Row) -> list[Metric]:
    """What `trendlab compare` shows of a row."""
    return [
        Metric(
            name=f"kernel distance: {row.name}",
            value=THOUSAND * row.distance.value,
            unit="10⁻³",
            direction="lower",
            interval=_interval(row),
        ),
        Metric(name=f"R-precision: {row.name}", value=100 * float(row.right.mean()), unit="%", direction="higher"),
    ]


def ways(title: str, rows: list[Row], config: DiffusionConfig, *, peer: Row, caption: str) -> Table:
    """Ways to draw beside each other. peer: whose distance the others are told in multiples of."""
    columns = [
        Column(name="pictures"),
        Column(name="evaluations", digits=0, direction="lower"),
        Column(name="time", unit="ms", digits=0, direction="lower"),
        Column(name="kernel distance", unit="10⁻³", direction="lower"),
        Column(name="95 % of halves"),
        Column(name=f"times {peer.name}, 95 % of halves"),
        Column(name="R-precision", unit="%", direction="higher"),
        Column(name="95 %"),
        Column(name=f"points over {peer.name}, 95 %"),
    ]
    return Table(
        title=title,
        columns=columns,
        rows=[_cells(row, peer, config) for row in rows],
        caption=caption,
    )


def gains(title: str, pairs: list[tuple[Row, Row]], config: DiffusionConfig) -> Table:
    """Each row of a pair beside the other."""
    columns = [
        Column(name="pictures"),
        Column(name="beside"),
        Column(name="points of R-precision more, 95 %"),
        Column(name="times its distance, 95 % of halves"),
        Column(name="times its time", digits=1),
    ]
    rows: list[list[str | float | None]] = [
        [
            row.name,
            other.name,
            _points(row, other, config),
            _times(row, other),
            row.seconds / other.seconds if row.seconds and other.seconds else None,
        ]
        for row, other in pairs
    ]
    return Table(title=title, columns=columns, rows=rows, caption="Of the table above: the same names and seeds.")


def how_judged(judge: Judge) -> str:
    """What a caption says of the judge."""
    return (
        f"{len(judge.prompts)} {judge.whose} names, of families that were in no training{judge.chose}, one picture "
        f"each of {judge.size} pixels, against the real pictures of those names. Evaluations of the network, and time, "
        f"for one picture; guidance doubles them; the time is that of one go, and `trendlab bench` measures it better. "
        f"Intervals are over pictures: each model was trained once. R-precision: how often a picture's own name is the "
        f"nearest of {min(AMONG, len(judge.prompts))}, to a judge that has learned a real picture of each family, "
        f"these too; chance {100 * chance(judge.prompts):.1f} %."
    )


def _cells(row: Row, peer: Row, config: DiffusionConfig) -> list[str | float | None]:
    spread = bootstrap(100.0 * row.right, resamples=config.evaluation.bootstrap, seed=config.seed, unit="prompts")
    return [
        row.name,
        row.evaluations,
        None if row.seconds is None else 1000 * row.seconds,
        THOUSAND * row.distance.value,
        f"{THOUSAND * row.distance.low:.0f} to {THOUSAND * row.distance.high:.0f}".replace("-", "−"),
        None if row.distance is peer.distance else _times(row, peer),
        100 * float(row.right.mean()),
        f"{spread.low:.1f} to {spread.high:.1f}",
        None if row.right is peer.right else _points(row, peer, config),
    ]


def _points(row: Row, peer: Row, config: DiffusionConfig) -> str:
    gain = paired_difference(
        100.0 * row.right,
        100.0 * peer.right,
        resamples=config.evaluation.bootstrap,
        seed=config.seed,
        unit="prompts",
    )
    more = f"{100 * float((row.right - peer.right).mean()):+.1f} ({gain.low:.1f} to {gain.high:.1f})"
    return more.replace("-", "−")


def _times(row: Row, peer: Row) -> str:
    ratio, middle = row.distance.over(peer.distance)
    told = f"{ratio:.2f}" if middle is None else f"{ratio:.2f} ({middle[0]:.2f} to {middle[1]:.2f})"
    return told.replace("-", "−")


def _interval(row: Row) -> Interval:
    return Interval(low=THOUSAND * row.distance.low, high=THOUSAND * row.distance.high, unit=HALVES)

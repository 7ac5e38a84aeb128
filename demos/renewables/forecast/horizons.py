"""How good the short-term forecasts are: errors, skill over a reference with intervals, calibration.

Each score is given what it asks for: squared errors the mean, absolute errors the median, the rest the quantiles. A
method that gives one number has it for all; its CRPS is its mean absolute error.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from demos.renewables.chapter import Target
from demos.renewables.forecast.lagged import BLEND, LEVELS, P10, P90, SHARES, Array, Prediction
from shared.evaluation.intervals import paired_ratio
from shared.evaluation.metrics import pinball_losses
from shared.result import Column, DataUse, Headline, Interval, Metric, Table

if TYPE_CHECKING:
    from pathlib import Path

RESAMPLES = 2000
OURS = (BLEND, "torch network", "LightGBM")  # the first of them that was run is judged


@dataclass(frozen=True)
class Case:
    """One horizon on its test rows: what came, and what each method had said. Power as a share of capacity.

    block: (n,) what the bootstrap draws together; masks: name -> (n,) rows that are scored together; predictions: in
    the order of the tables.
    """

    horizon: str
    minutes: int
    issue_time: pd.DatetimeIndex
    valid_time: pd.DatetimeIndex
    y: Array
    block: NDArray[np.int64]
    masks: dict[str, NDArray[np.bool_]]
    predictions: dict[str, Prediction]


def row_losses(case: Case, method: str, measure: str) -> Array:
    """(n,) squared error of the mean ("RMSE"), absolute error of the median ("MAE"), or "CRPS" of each row."""
    prediction = case.predictions[method]
    if measure == "RMSE":
        return np.asarray((prediction.mean - case.y) ** 2)
    absolute = np.abs(prediction.median - case.y)
    if measure == "MAE" or prediction.quantiles is None:
        return np.asarray(absolute)
    return np.asarray(2 * pinball_losses(case.y, prediction.quantiles, LEVELS) @ SHARES)


def by_block(case: Case, losses: Array, mask: str) -> Array:
    """(blocks,) sum over the rows of a mask in each block that has any."""
    chosen = case.masks[mask]
    return np.asarray(pd.Series(losses[chosen]).groupby(case.block[chosen]).sum(), dtype=float)


def score(case: Case, method: str, measure: str, mask: str) -> float:
    """RMSE, MAE or CRPS over the rows of a mask, in % of capacity."""
    mean = float(row_losses(case, method, measure)[case.masks[mask]].mean())
    return 100 * (mean**0.5 if measure == "RMSE" else mean)


@dataclass(frozen=True)
class Skill:
    """1 - score / score of the reference, 1 is perfect, below 0 is worse than it; with its interval."""

    value: float
    interval: Interval

    def text(self, digits: int = 1) -> str:
        """In %, with the interval."""
        low, high = 100 * self.interval.low, 100 * self.interval.high
        return f"{100 * self.value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def skill(case: Case, method: str, reference: str, measure: str, mask: str, unit: str) -> Skill:
    """Skill of a method over a reference on the same rows; blocks are drawn in pairs. unit: plural of the block."""
    ours, peer = (by_block(case, row_losses(case, name, measure), mask) for name in (method, reference))
    ratio = paired_ratio(ours, peer, unit=unit, resamples=RESAMPLES)
    power = 0.5 if measure == "RMSE" else 1.0
    interval = Interval(low=1 - ratio.high**power, high=1 - ratio.low**power, level=ratio.level, unit=ratio.unit)
    return Skill(1 - (float(ours.sum()) / float(peer.sum())) ** power, interval)


def held(case: Case, method: str, mask: str, unit: str) -> tuple[float, Interval] | None:
    """Share of rows inside P10 to P90, with its interval; None for a method without quantiles."""
    quantiles = case.predictions[method].quantiles
    if quantiles is None:
        return None
    inside = ((quantiles[:, P10] <= case.y) & (case.y <= quantiles[:, P90])).astype(float)
    counts = by_block(case, inside, mask), by_block(case, np.ones(len(inside)), mask)
    return float(counts[0].sum() / counts[1].sum()), paired_ratio(*counts, unit=unit, resamples=RESAMPLES)


@dataclass(frozen=True)
class Scheme:
    """How one part is told: which score leads, over which reference, on which rows, and what was asked of it.

    part: "intraday PV"; measure: "RMSE" or "MAE"; reference, stricter: methods; mask: the rows that lead; unit: plural
    of a block; asked: horizon [min] -> least skill.
    """

    part: str
    measure: str
    reference: str
    stricter: str
    mask: str
    unit: str
    asked: dict[int, float]
    not_forecasts: tuple[str, ...] = ()


def ours(case: Case) -> str:
    """The method that is judged: network and trees averaged, or the one of them that was run. Never chosen by the
    test."""
    return next(name for name in OURS if name in case.predictions)


def skill_table(cases: list[Case], scheme: Scheme) -> Table:
    """Every method's skill at every horizon, with intervals."""
    rows: list[list[str | float | None]] = []
    for method in cases[0].predictions:
        cells: list[str | float | None] = [method]
        for case in cases:
            alone = method == scheme.reference
            found = skill(case, method, scheme.reference, scheme.measure, scheme.mask, scheme.unit)
            cells.append("0" if alone else found.text())
        rows.append(cells)
    return Table(
        title=f"{scheme.part}: {scheme.measure} skill over {scheme.reference} [%], {scheme.mask}",
        columns=[Column(name="method"), *(Column(name=f"{case.horizon} ahead") for case in cases)],
        rows=rows,
        caption="1 - score / score of the reference, on the same rows; above 0 is better than it, 100 is perfect. In"
        f" brackets: 95 %, paired bootstrap over {scheme.unit}. Test: issued {_dates(cases)}.",
    )


def error_table(cases: list[Case], scheme: Scheme, measures: tuple[str, ...] = ("RMSE", "MAE", "CRPS")) -> Table:
    """Errors of every method at every horizon, in % of capacity; all masks side by side for the leading measure."""
    masks = list(cases[0].masks)
    kinds = [(measure, mask) for measure in measures for mask in masks if mask == scheme.mask or measure != "CRPS"]
    rows: list[list[str | float | None]] = []
    for case in cases:
        for method in case.predictions:
            scores = [score(case, method, measure, mask) for measure, mask in kinds]
            inside = held(case, method, scheme.mask, scheme.unit)
            rows.append([f"{case.horizon}: {method}", *scores, None if inside is None else 100 * inside[0]])
    return Table(
        title=f"{scheme.part}: errors and calibration",
        columns=[
            Column(name="horizon: method"),
            *(Column(name=f"{measure}, {mask}", unit="% of capacity", digits=2) for measure, mask in kinds),
            Column(name=f"P10 to P90 holds, {scheme.mask}", unit="%", digits=1),
        ],
        rows=rows,
        caption="; ".join(
            f"{case.horizon}: " + ", ".join(f"{int(mask.sum()):,} rows ({name})" for name, mask in case.masks.items())
            for case in cases
        )
        + ". RMSE of the mean, MAE of the median; the CRPS of a method that gives one number is its MAE. P10 to P90"
        " should hold 80 %.",
    )


def headlines(cases: list[Case], scheme: Scheme) -> list[Headline]:
    """Our error beside the reference's at the horizons that were asked for."""
    found = []
    for case in _asked(cases, scheme):
        method = ours(case)
        gain = skill(case, method, scheme.reference, scheme.measure, scheme.mask, scheme.unit)
        harder = skill(case, method, scheme.stricter, scheme.measure, scheme.mask, scheme.unit)
        peer = score(case, scheme.reference, scheme.measure, scheme.mask)
        interval = Interval(
            low=peer * (1 - gain.interval.high),
            high=peer * (1 - gain.interval.low),
            level=gain.interval.level,
            unit=f"{gain.interval.unit} of the ratio, times the peer's value",
        )
        found.append(
            Headline(
                name=f"{scheme.part} {case.horizon} ahead, {scheme.measure}, {scheme.mask}",
                value=score(case, method, scheme.measure, scheme.mask),
                unit="% of capacity",
                direction="lower",
                peer=scheme.reference,
                peer_value=peer,
                interval=interval,
                note=f"{method}; skill {gain.text()} %; over {scheme.stricter}: {harder.text()} %",
            )
        )
    return found


def metrics(cases: list[Case], scheme: Scheme) -> list[Metric]:
    """Skill, CRPS and coverage of ours at every horizon, for `trendlab compare`."""
    found = []
    for case in cases:
        method, name = ours(case), f"{scheme.part} {case.horizon}"
        gain = skill(case, method, scheme.reference, scheme.measure, scheme.mask, scheme.unit)
        found.append(
            Metric(
                name=f"{name}: {scheme.measure} skill over {scheme.reference}",
                value=100 * gain.value,
                unit="%",
                direction="higher",
                interval=_percent(gain.interval),
            )
        )
        crps = score(case, method, "CRPS", scheme.mask)
        found.append(Metric(name=f"{name}: CRPS", value=crps, unit="% of capacity", direction="lower"))
        inside = held(case, method, scheme.mask, scheme.unit)
        if inside is not None:
            share, interval = 100 * inside[0], _percent(inside[1])
            kept = Metric(
                name=f"{name}: P10 to P90 holds", value=share, unit="%", interval=interval, note="nominal 80 %"
            )
            found.append(kept)
    return found


def targets(cases: list[Case], scheme: Scheme) -> list[Target]:
    """What was asked, met when the measured skill reaches it; the note says whether its interval does too."""
    found = []
    for case in _asked(cases, scheme):
        least = scheme.asked[case.minutes]
        gain = skill(case, ours(case), scheme.reference, scheme.measure, scheme.mask, scheme.unit)
        certain = "the whole interval is above" if gain.interval.low >= least else "the interval reaches below"
        found.append(
            Target(
                asked=f"{scheme.part} {case.horizon} ahead: {scheme.measure} skill at least {100 * least:.0f} %",
                reached=f"{gain.text()} %",
                met=gain.value >= least,
                note=f"{certain}; over {scheme.reference}, {scheme.mask}",
            )
        )
    return found


def _asked(cases: list[Case], scheme: Scheme) -> list[Case]:
    return [case for case in cases if case.minutes in scheme.asked]


def _percent(interval: Interval) -> Interval:
    return Interval(low=100 * interval.low, high=100 * interval.high, level=interval.level, unit=interval.unit)


def _dates(cases: list[Case]) -> str:
    first = min(case.issue_time.min() for case in cases)
    last = max(case.issue_time.max() for case in cases)
    return f"{first:%Y-%m-%d} to {last:%Y-%m-%d} UTC"


def own_file(path: Path) -> DataUse:
    """Provenance of a user's file."""
    file = path.expanduser()
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return DataUse(name=file.name, version="user's file", sha256=digest, licence="user's own")

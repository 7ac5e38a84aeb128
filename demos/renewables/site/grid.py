"""Rows to a regular grid: order, duplicates, frequency, gaps."""

from __future__ import annotations

import numpy as np
import pandas as pd

from demos.renewables.site.finding import Finding, refuse, when

RUN = 12  # equal steps in a row make a frequency; fewer are gaps
USUAL = 60.0 * np.array([1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60])  # s: whole parts of an hour
JITTER = 0.1  # of the step: stamps that are off by less are rounded
SAME = 0.01  # of the column's scale: doubled rows that differ by less are the same reading


def regular(
    rows: pd.DataFrame, interval_label: str, source: str, scale: float | None = None, most_apart: float = 0.0
) -> tuple[pd.DataFrame, list[Finding]]:
    """The rows on one regular UTC grid, NaN where there is none, and what was mended.

    rows: UTC index in any order; interval_label: left, right or center, needed to average a finer stretch;
    scale: what SAME refers to [unit of the columns], by default each column's own greatest magnitude; most_apart: share
    of stamps whose rows may contradict each other and are then left empty.
    Raises Refusal for contradicting duplicates and for frequencies that do not divide one another.
    """
    table, findings = _sorted_once(rows, source, scale, most_apart)
    if len(table) < RUN + 1:
        refuse(source, "too short", f"{len(table)} different stamps are too few; give at least a day", len(table))
    seconds = np.asarray((table.index - table.index[0].floor("D")) / pd.Timedelta(seconds=1))
    steps = np.diff(seconds)
    kinds = _frequencies(steps)
    if not len(kinds):
        # Jitter: no two steps are alike. The usual step that is nearest to the middle one.
        kinds = USUAL[[np.abs(np.log(USUAL / np.median(steps))).argmin()]]
    step = float(kinds.max())
    if len(kinds) > 1:
        table, more = _averaged(table, seconds, kinds, interval_label, source)
    else:
        table, more = _on_grid(table, seconds, step, source)
    if step < 60 or 3600 % step:
        refuse(
            source,
            "unusable frequency",
            f"one row every {_minutes(step)}; needed: a step from 1 to 60 min that divides an hour",
        )
    grid = pd.date_range(table.index[0], table.index[-1], freq=pd.Timedelta(seconds=step), name="time")
    return table.reindex(grid), findings + more


def _sorted_once(
    rows: pd.DataFrame, source: str, scale: float | None, most_apart: float
) -> tuple[pd.DataFrame, list[Finding]]:
    findings = []
    if not rows.index.is_monotonic_increasing:
        back = np.asarray(rows.index[1:] < rows.index[:-1])
        at = int(back.argmax()) + 1
        text = f"stamps out of order {int(back.sum())} times, first at {when(rows.index[at])}; sorted"
        findings.append(Finding("unsorted", text, "mended", int(back.sum()), when(rows.index[at])))
        rows = rows.sort_index(kind="stable")
    doubled = rows.index.duplicated()
    if not doubled.any():
        return rows, findings
    groups = rows.groupby(level=0)
    spread = (groups.max() - groups.min()).fillna(0.0)
    limit = SAME * (scale if scale is not None else rows.abs().max())
    apart = (spread > limit).any(axis=1)
    if apart.any():
        findings.append(_contradicting(rows, spread, apart, source, most_apart))
        wrong = rows.index.isin(apart.index[apart])
        rows, spread, doubled = rows.copy(), spread[~apart], doubled & ~wrong
        rows.loc[wrong] = np.nan
        groups = rows.groupby(level=0)
    if not doubled.any():
        return groups.mean(), findings
    first = when(rows.index[doubled][0])
    same = bool((spread == 0).all(axis=None))
    how = "dropped" if same else f"replaced by their mean (they differ by at most {float(spread.max(axis=None)):g})"
    text = f"{int(doubled.sum())} repeated rows {how}, first {first}"
    return groups.mean(), [*findings, Finding("duplicates", text, "mended", int(doubled.sum()), first)]


def _contradicting(
    rows: pd.DataFrame, spread: pd.DataFrame, apart: pd.Series, source: str, most_apart: float
) -> Finding:
    at = spread.index[apart.to_numpy().argmax()]
    column, count = str(spread.loc[at].idxmax()), int(apart.sum())
    values = ", ".join(f"{value:g}" for value in rows.loc[[at], column].dropna())
    text = f"{count} stamps have rows that contradict each other, first {when(at)}: {column} {values}"
    if count > most_apart * len(spread):
        refuse(source, "contradicting duplicates", f"{text}; remove the wrong rows", count, when(at))
    return Finding("contradicting duplicates", f"{text}; left empty", "mended", count, when(at))


def _frequencies(steps: np.ndarray) -> np.ndarray:
    """Steps [s] that occur RUN times in a row, each in at least a hundredth of the rows that are in such runs."""
    ends = np.flatnonzero(np.append(np.diff(steps) != 0, True))
    lengths = np.diff(np.append(-1, ends))
    runs = pd.Series(lengths[lengths >= RUN], index=steps[ends][lengths >= RUN]).groupby(level=0).sum()
    # The share of time, not of rows: an hourly month among 5-minute ones is as long as each of them.
    time = runs * runs.index.to_numpy()
    return np.asarray(time.index[time >= 0.01 * time.sum()], dtype=float)


def _on_grid(table: pd.DataFrame, seconds: np.ndarray, step: float, source: str) -> tuple[pd.DataFrame, list[Finding]]:
    off = (seconds + step / 2) % step - step / 2
    if np.abs(off).max() > JITTER * step:
        # A grid that begins a minute past the hour, say, is regular as well.
        off = (seconds - pd.Series(seconds % step).mode().iloc[0] + step / 2) % step - step / 2
    if not off.any():
        return table, []
    at = int((off != 0).argmax())
    count, first = int((off != 0).sum()), when(table.index[at])
    if np.abs(off).max() > JITTER * step:
        wild = np.abs(off) > JITTER * step
        worst = int(np.abs(off).argmax())
        text = (
            f"stamps keep no regular step: the nearest is {_minutes(step)}, but {int(wild.sum())} stamps are more than"
            f" {JITTER:.0%} of it off that grid, most {when(table.index[worst])} by {abs(off[worst]):.0f} s"
        )
        refuse(source, "irregular", f"{text}; resample the table to a regular step", count, first)
    rounded = table.set_axis(table.index - pd.to_timedelta(off, unit="s"))
    most = f"at most {np.abs(off).max():.0f} s"
    text = f"{count} stamps off the {_minutes(step)} grid by {most} rounded to it, first {first}"
    return rounded, [Finding("jitter", text, "mended", count, first)]


def _averaged(
    table: pd.DataFrame, seconds: np.ndarray, kinds: np.ndarray, interval_label: str, source: str
) -> tuple[pd.DataFrame, list[Finding]]:
    """Finer stretches averaged to the coarsest step."""
    coarse, fine = pd.Timedelta(seconds=kinds.max()), float(kinds.min())
    names = " and ".join(_minutes(kind) for kind in np.sort(kinds))
    steps = np.diff(seconds)
    change = when(table.index[int((steps != steps[0]).argmax())])
    on_fine = seconds % fine == 0
    if (kinds.max() % kinds).any() or not on_fine.all() or interval_label == "center" or 3600 % kinds.max():
        text = f"rows come every {names}, first change near {change}"
        refuse(source, "mixed frequency", f"{text}; resample the table to one step", len(kinds), change)
    side = "right" if interval_label == "right" else "left"
    bins = table.resample(coarse, label=side, closed=side)
    rows = bins.size()
    edge = rows.index
    inside = pd.Series(~table.index.isin(edge), index=table.index).resample(coarse, label=side, closed=side).sum() > 0
    # One row alone is a coarse interval in a coarse stretch, and a remainder of one in a fine stretch.
    stretch = inside.rolling(3, center=True, min_periods=1).max() > 0
    most = rows.where(inside).rolling(25, center=True, min_periods=1).max()
    whole = (~stretch & (rows == 1)) | (inside & (rows >= most))
    text = f"rows come every {names} (first change near {change}); finer ones averaged to {_minutes(kinds.max())}"
    mended = bins.mean().where(whole)
    return mended, [Finding("mixed frequency", text, "mended", int(inside.sum()), change)]


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:g} min"

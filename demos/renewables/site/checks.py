"""All checks of a power series, in the order in which each may rely on those before it.

Mended, with a message: order, repeats, jitter, a finer stretch, power in W or MW, small negative power, a clock that
follows daylight saving under stamps that do not. Refused, with one line that says what, where and what to do: whatever
has more than one reading. Noted: gaps, empty values, power above capacity.
"""

from __future__ import annotations

import pandas as pd

from demos.renewables.site.against_sun import Clock, Declared, find_clock
from demos.renewables.site.finding import Finding, refuse, when
from demos.renewables.site.grid import regular
from demos.renewables.site.stamps import to_utc
from demos.renewables.site.sun import elevation

LEAST_PEAK, MOST_PEAK = 0.05, 1.5  # share of capacity that the peak of a plant may reach
LIKELY_PEAK = 0.3  # a power off by 1000 is recognised when it then peaks here or higher
STANDBY = 0.05  # share of capacity: an inverter draws less than this at night
ABOVE = 1.05  # share of capacity from which power is noted as above it
MOST_MISSING = 0.5  # share of daylight rows


def check_power(
    power: pd.Series,
    latitude: float,
    longitude: float,
    capacity_kw: float,
    *,
    interval_label: str = "left",
    timezone: str | None = None,
    mend_offset: bool = False,
    source: str = "power",
) -> tuple[pd.Series, list[Finding]]:
    """Power [kW] on a regular UTC grid whose clock agrees with the sun, and what was found on the way.

    power: stamps with or without a zone, in any order, labelled as `interval_label` says, and the result as well;
    latitude, longitude: [deg]; capacity_kw: AC capacity [kW]; timezone: for stamps without a zone; mend_offset: shift a
    clock that is wrong by a constant instead of refusing it; source: what errors call the series.
    Raises Refusal, a UserError, when something cannot be mended.
    """
    frame = pd.DataFrame({"power_kw": power.to_numpy(dtype=float)})
    utc, findings = to_utc(pd.DatetimeIndex(power.index), frame, timezone, source)
    frame.index = utc
    declared = Declared(latitude, longitude, interval_label, timezone, mend_offset, source)
    series, more, _ = check_rows(frame.loc[utc.notna(), "power_kw"], capacity_kw, declared)
    return series, findings + more


def check_rows(power: pd.Series, capacity_kw: float, declared: Declared) -> tuple[pd.Series, list[Finding], Clock]:
    """`check_power` for stamps that are in UTC already; and what put their clock right."""
    source = declared.source
    power, findings = _scaled(power, capacity_kw, source)
    empty = int(power.isna().sum())
    if empty:
        first = when(power.index[power.isna().to_numpy().argmax()])
        text = f"{empty} empty values kept as unknown, first {first}"
        findings.append(Finding("empty values", text, "noted", empty, first))
    table, more = regular(power.to_frame("power_kw"), declared.interval_label, source, scale=capacity_kw)
    findings += more
    series, more = _not_negative(table["power_kw"], capacity_kw, source)
    findings += more
    clock, more = find_clock(series, declared)
    series = clock.mended(series)
    findings += more + _gaps(series, declared, empty)
    return series, findings + _above(series, capacity_kw), clock


def _scaled(power: pd.Series, capacity_kw: float, source: str) -> tuple[pd.Series, list[Finding]]:
    """Power in kW, from W or MW where that is the only reading that fits the capacity."""
    if power.notna().sum() == 0:
        refuse(source, "no values", "every value is empty", len(power))
    peak = float(power.quantile(0.999)) / capacity_kw
    reach = f"power peaks at {peak * capacity_kw:g} with a capacity of {capacity_kw:g} kW"
    if -float(power.quantile(0.001)) / capacity_kw > max(peak, STANDBY):
        refuse(source, "wrong sign", "power is negative by day; write what the plant delivers as positive", len(power))
    if peak <= 0:
        refuse(source, "no production", "power never exceeds 0; check the column", len(power))
    for factor, unit in ((1e-3, "W"), (1e3, "MW")):
        if LIKELY_PEAK <= peak * factor <= MOST_PEAK:
            return power * factor, [Finding("unit", f"{reach}: taken as {unit}, × {factor:g}", "mended", len(power))]
    if not LEAST_PEAK <= peak <= MOST_PEAK:
        refuse(source, "unit", f"{reach}, which is neither kW nor W nor MW; check unit and capacity", len(power))
    return power, []


def _not_negative(power: pd.Series, capacity_kw: float, source: str) -> tuple[pd.Series, list[Finding]]:
    below = power < 0
    if not below.any():
        return power, []
    count, first = int(below.sum()), when(power.index[below.to_numpy().argmax()])
    lowest = float(power.min())
    if lowest < -STANDBY * capacity_kw:
        at = when(power.idxmin())
        text = (
            f"power falls to {lowest:g} kW at {at}, more than an inverter draws ({count} negative values); correct them"
        )
        refuse(source, "negative power", text, count, at)
    text = f"{count} negative values, {lowest:g} kW at the lowest, set to 0 (standby draw), first {first}"
    return power.clip(lower=0.0), [Finding("negative power", text, "mended", count, first)]


def _gaps(series: pd.Series, declared: Declared, empty: int) -> list[Finding]:
    """Stretches without a value, whether the row is missing or empty; noted when there is more than the empty ones."""
    missing = series.isna()
    if not missing.any():
        return []
    step = series.index[1] - series.index[0]
    up = elevation(series.index + declared.to_middle(step), declared.latitude, declared.longitude) > 0
    share = float(missing[up].mean()) if up.any() else 0.0
    run = (missing != missing.shift()).cumsum()[missing]
    sizes = run.value_counts()
    longest = run[run == sizes.idxmax()].index
    hours = len(longest) * (step / pd.Timedelta(hours=1))
    text = f"gaps: {len(sizes)}, {share:.1%} of daylight; the longest, {hours:g} h, from {when(longest[0])}"
    if share > MOST_MISSING:
        refuse(
            declared.source,
            "gaps",
            f"{text}; more than {MOST_MISSING:.0%} of daylight is missing",
            len(sizes),
            when(longest[0]),
        )
    if int(missing.sum()) <= empty:
        return []
    return [Finding("gaps", f"{text}; kept as unknown", "noted", len(sizes), when(longest[0]))]


def _above(series: pd.Series, capacity_kw: float) -> list[Finding]:
    above = series > ABOVE * capacity_kw
    if not above.any():
        return []
    first = when(series.index[above.to_numpy().argmax()])
    text = f"{int(above.sum())} values above capacity ({capacity_kw:g} kW), up to {series.max():g} kW, first {first}"
    return [Finding("above capacity", text, "noted", int(above.sum()), first)]

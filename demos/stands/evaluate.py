"""What is measured: methods side by side over days, the front, the other on-block rules, and the forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.airport import Airport
from demos.stands.learning.forecast import Forecasts
from demos.stands.plan import (
    CLIMATOLOGY,
    CLIMATOLOGY_GREEDY,
    CLIMATOLOGY_MENDED,
    DAY_AHEAD,
    DAY_AHEAD_GREEDY,
    HINDSIGHT,
    SOFT_BUFFER,
    DayPlans,
    buffer_name,
)
from demos.stands.report.peers import (
    OURS,
    Peer,
    best_buffer,
    contact_share,
    equal_contact_buffer,
    equal_contact_climatology,
    method_contact,
    minutes,
    peer_of,
)
from shared.evaluation.intervals import bootstrap, paired_ratio
from shared.evaluation.metrics import coverage, pinball_loss, reliability
from shared.result import Column, Headline, Interval, Metric, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.config import StandsConfig


ABLATION = {
    "learning and search": DAY_AHEAD,
    "no learning": CLIMATOLOGY,
    "no search": DAY_AHEAD_GREEDY,
    "neither": CLIMATOLOGY_GREEDY,
}


def headlines(days: Sequence[DayPlans], config: StandsConfig) -> list[Headline]:
    """Conflict minutes against the best peers, and what the plan costs the passengers."""
    best, equal = peer_of(days, best_buffer(days, config)), equal_contact_buffer(days, config)
    share = f"{100 * method_contact(days, OURS):.1f} % of passengers at a contact stand"
    return [
        _minutes_headline(
            "Conflict minutes a day, plan mended to T-2 h",
            minutes(days, OURS),
            best,
            f"the best of all buffers; ours with {share}, the peer with {100 * best.contact:.1f} %",
        ),
        _minutes_headline(
            "Conflict minutes a day, mended, equal contact share",
            minutes(days, OURS),
            equal,
            f"ours with {share}, the peer with {100 * equal.contact:.1f} %",
        ),
        _minutes_headline(
            "Conflict minutes a day, plan of the day before",
            minutes(days, DAY_AHEAD),
            peer_of(days, CLIMATOLOGY),
            "the peer searches too, on climatology instead of learning",
        ),
        Headline(
            name="Passengers on remote stands a day",
            value=float(np.mean([day.replays[OURS].remote_passengers for day in days])),
            unit="seats",
            direction="lower",
            peer=best.name,
            peer_value=float(np.mean([day.replays[best.name].remote_passengers for day in days])),
            note="the plans of the first line",
        ),
    ]


def _minutes_headline(name: str, values: NDArray[np.float64], peer: Peer, note: str) -> Headline:
    bounds = ratio_bounds(values, peer.minutes)
    return Headline(
        name=name,
        value=float(values.mean()),
        unit="min",
        direction="lower",
        peer=peer.name,
        peer_value=float(peer.minutes.mean()),
        interval=bootstrap(values, unit="days") if len(values) > 1 else None,
        note=f"{note}; ratio by day {bounds} (95 %)" if bounds else note,
    )


def methods_table(days: Sequence[DayPlans], config: StandsConfig) -> Table:
    """Every method on the same days."""
    columns = [
        Column(name="method"),
        Column(name="conflict minutes a day", unit="min", direction="lower", digits=0),
        Column(name="95 % interval"),
        Column(name="conflicts a day", direction="lower", digits=1),
        Column(name="passengers at contact stands", unit="%", direction="higher", digits=1),
        Column(name="remote passengers a day", unit="seats", direction="lower", digits=0),
        Column(name="in best terminal", unit="% of turns", direction="higher", digits=1),
        Column(name="without a stand a day", unit="turns", direction="lower", digits=2),
    ]
    rows: list[list[str | float | None]] = []
    for method in days[0].replays:
        replays = [day.replays[method] for day in days]
        values = minutes(days, method)
        turns = sum(replay.turns for replay in replays)
        rows.append(
            [
                method,
                float(values.mean()),
                _bounds(bootstrap(values, unit="days"), 0) if len(days) > 1 else None,
                float(np.mean([replay.conflicts for replay in replays])),
                100 * contact_share(replays),
                float(np.mean([replay.remote_passengers for replay in replays])),
                100 * sum(replay.best_terminal for replay in replays) / turns,
                float(np.mean([replay.unassigned for replay in replays])),
            ]
        )
    span = f"{len(days)} test day{'s' if len(days) > 1 else ''}"
    return Table(
        title="Plans replayed on the real day",
        columns=columns,
        rows=rows,
        caption=f"{span}, {_dates(days)}; passengers are seats of the type; intervals: percentile bootstrap over days."
        " On-block times are reconstructed, off-block times are real.",
    )


def ratios_table(days: Sequence[DayPlans], config: StandsConfig) -> Table:
    """Our plans against each peer, day by day."""
    pairs = [
        (OURS, peer_of(days, best_buffer(days, config)), "against the best of all buffers"),
        (OURS, equal_contact_buffer(days, config), "against buffers at equal contact"),
        (OURS, peer_of(days, SOFT_BUFFER), "against a search with a fixed buffer"),
        (OURS, peer_of(days, CLIMATOLOGY_MENDED), "learning at T-2 h, both mended"),
        (OURS, equal_contact_climatology(days), "learning at T-2 h, at equal contact"),
        (DAY_AHEAD, peer_of(days, CLIMATOLOGY), "learning at T-24 h, both searched"),
        (OURS, peer_of(days, DAY_AHEAD), "mending, both learned"),
        (CLIMATOLOGY_MENDED, peer_of(days, CLIMATOLOGY), "mending, neither learned"),
        (DAY_AHEAD, peer_of(days, DAY_AHEAD_GREEDY), "search, both learned"),
        (CLIMATOLOGY, peer_of(days, CLIMATOLOGY_GREEDY), "search, neither learned"),
    ]
    rows: list[list[str | float | None]] = []
    for ours, peer, what in pairs:
        values = minutes(days, ours)
        rows.append(
            [
                what,
                ours,
                peer.name,
                float(values.sum() / peer.minutes.sum()) if peer.minutes.sum() else None,
                ratio_bounds(values, peer.minutes),
                100 * (method_contact(days, ours) - peer.contact),
            ]
        )
    columns = [
        Column(name="what is tested"),
        Column(name="ours"),
        Column(name="peer"),
        Column(name="ratio of conflict minutes", digits=2),
        Column(name="95 % interval"),
        Column(name="contact share, ours minus peer", unit="points", digits=1),
    ]
    return Table(
        title="What each part is worth, ratios by day",
        columns=columns,
        rows=rows,
        caption=f"Ratio of summed conflict minutes over {len(days)} day(s); below 1 ours is better, and an"
        " interval that holds 1 shows no difference. Paired percentile bootstrap over days. Mixed buffers: one on some"
        " days, the other on the rest (over a single day: interpolated), so that both sides bring the same share of"
        " passengers to a contact stand.",
    )


def ablation_table(days: Sequence[DayPlans]) -> Table:
    """What each engine brings: the plan of the day before, with learning and search, with one of them, with neither."""
    both = minutes(days, DAY_AHEAD)
    rows: list[list[str | float | None]] = []
    for name, method in ABLATION.items():
        values = minutes(days, method)
        rows.append(
            [
                name,
                method,
                float(values.mean()),
                float(values.mean() / both.mean()) if both.any() else None,
                ratio_bounds(values, both) if method != DAY_AHEAD else None,
                100 * method_contact(days, method),
            ]
        )
    return Table(
        title="Without one engine, or both",
        columns=[
            Column(name="engines"),
            Column(name="plan"),
            Column(name="conflict minutes a day", unit="min", direction="lower", digits=0),
            Column(name="times both", direction="lower", digits=2),
            Column(name="95 % interval"),
            Column(name="passengers at contact stands", unit="%", direction="higher", digits=1),
        ],
        rows=rows,
        caption="Plans of the day before, none of them mended. Without learning: climatology. Without search: first"
        " come, each at least expected cost. Ratios are paired by day.",
    )


def rules_table(days: Sequence[DayPlans], config: StandsConfig) -> Table:
    """The same plans replayed under other on-block rules."""
    shares = (config.turn.inbound_share, *config.evaluation.other_inbound_shares)
    narrow, best = buffer_name(min(config.evaluation.buffers)), best_buffer(days, config)
    plans = (CLIMATOLOGY_GREEDY, CLIMATOLOGY, CLIMATOLOGY_MENDED, DAY_AHEAD, OURS, HINDSIGHT)
    methods = list(dict.fromkeys([narrow, best, *plans]))
    columns = [Column(name="method")] + [
        Column(name=f"inbound share {share:g}", unit="min a day", direction="lower", digits=0) for share in shares
    ]
    rows: list[list[str | float | None]] = [
        [method, *(float(minutes(days, method, rule).mean()) for rule in range(len(shares)))] for method in methods
    ]
    return Table(
        title="The same plans under other on-block rules",
        columns=columns,
        rows=rows,
        caption="Arrivals are not in the data. The inbound share says how much of a departure's delay was there"
        " at on-block: 0, every aircraft came on time; 1, all delay is late arrival. Plans were made for the first"
        " column.",
    )


def forecast_tables(forecasts: Forecasts, config: StandsConfig, origin: str) -> list[Table]:
    """The forecasts on the test months, at this airport; none if nothing has left there yet."""
    levels = config.delay.levels
    here = forecasts.judged(origin)
    if not here.any():
        return []
    delay = forecasts.delay[here]
    low, middle, high = (_nearest(levels, level) for level in (0.1, 0.5, 0.9))
    variants = {
        "climatology (airport, airline, hour)": forecasts.climatology,
        "climatology, recalibrated daily": forecasts.climatology_recalibrated,
    }
    for lead, forecast in forecasts.leads.items():
        variants[f"LightGBM {lead}, not calibrated"] = forecast.bare
        variants[f"LightGBM {lead}, calibrated once"] = forecast.one_month
        variants[f"LightGBM {lead}, recalibrated daily"] = forecast.recalibrated
    rows: list[list[str | float | None]] = []
    for name, all_quantiles in variants.items():
        quantiles = all_quantiles[here]
        rows.append(
            [
                name,
                pinball_loss(delay, quantiles, levels),
                100 * coverage(delay, quantiles[:, low], quantiles[:, high]),
                *(100 * reliability(delay, quantiles, levels)[[low, middle, high]]),
            ]
        )
    found = Table(
        title="Forecasts of departure delay on unseen months",
        columns=[
            Column(name="forecast"),
            Column(name="mean pinball loss", unit="min", direction="lower", digits=2),
            Column(name=f"P{100 * levels[low]:g}-P{100 * levels[high]:g} holds", unit="%", digits=1),
            Column(name=f"at or below P{100 * levels[low]:g}", unit="%", digits=1),
            Column(name=f"at or below P{100 * levels[middle]:g}", unit="%", digits=1),
            Column(name=f"at or below P{100 * levels[high]:g}", unit="%", digits=1),
        ],
        rows=rows,
        caption=f"{here.sum():,} departures of {origin} from {config.days.test_from} to {config.days.last}, levels"
        f" {', '.join(f'{level:g}' for level in levels)}. Trained before {config.days.calibrate_from}; calibrated once:"
        f" on the time from then to {config.days.test_from}; daily: on the last {config.delay.recalibrate_days} days.",
    )
    return [found]


def metrics(days: Sequence[DayPlans], forecasts: Forecasts, config: StandsConfig, origin: str) -> list[Metric]:
    """The numbers that other runs are compared by."""
    here = forecasts.judged(origin)
    found = []
    for method in days[0].replays:
        values = minutes(days, method)
        several = bootstrap(values, unit="days") if len(days) > 1 else None
        found.append(
            Metric(name=f"conflict minutes a day: {method}", value=float(values.mean()), unit="min", direction="lower",
                   interval=several)
        )  # fmt: skip
        found.append(
            Metric(name=f"contact share: {method}", value=100 * method_contact(days, method), unit="%",
                   direction="higher")
        )  # fmt: skip
    for lead, forecast in forecasts.leads.items() if here.any() else ():
        loss = pinball_loss(forecasts.delay[here], forecast.recalibrated[here], config.delay.levels)
        found.append(Metric(name=f"pinball loss {lead}", value=loss, unit="min", direction="lower"))
    for method in days[0].logs:
        curves = [day.logs[method].curve for day in days]
        before = sum(curve[0][1] for curve in curves)
        saved = 100 * (1 - sum(curve[-1][1] for curve in curves) / before) if before else 0.0
        found.append(Metric(name=f"cost saved: {method}", value=saved, unit="%", direction="higher",
                            note="of the objective, against the greedy plan it starts from"))  # fmt: skip
        seconds = float(np.median([curve[-1][0] for curve in curves]))
        found.append(Metric(name=f"search time a day: {method}", value=seconds, unit="s", direction="lower"))
    return found


def notes(days: Sequence[DayPlans], config: StandsConfig, airport: Airport) -> list[str]:
    """What a reader must know to judge the numbers."""
    night = int(sum(day.turns.night_stop.sum() for day in days))
    made_up = int(sum(day.turns.reconstructed.sum() for day in days))
    cancelled = int(sum(day.turns.table["atd"].isna().sum() for day in days))
    total = sum(len(day.turns) for day in days)
    found = [
        f"{airport.name}: {len(airport.stands)} stands. Source: {airport.source}.",
        f"{cancelled} of {total} turns were cancelled: the planner did not know, in the replay they hold no stand."
        if cancelled < total
        else "Nothing has left on these days, as if all were cancelled: plans are made, nothing can be judged by them.",
        "Every plan was checked by an independent verifier: fit, one aircraft a stand, shadows, MARS, closures.",
        "Hindsight searches on what really happened, under the same soft costs: about what"
        " perfect forecasts would give.",
    ]
    if best_buffer(days, config) == buffer_name(max(config.evaluation.buffers)):
        found.append("The best buffer is the widest one tried: evaluation.buffers should reach further.")
    if any(log.stopped_by_clock for day in days for log in day.logs.values()):
        found.append(
            "A search was stopped by the clock (`seconds` of search, kicks or prices): a repeated run may differ."
        )
    if len(days) == 1:
        found.insert(0, "One day is an anecdote: a single long delay moves it. The table over many days decides.")
    if made_up:
        found.insert(
            1,
            f"On-block is reconstructed for {made_up} of {total} turns (the data hold departures alone):"
            f" scheduled off-block minus a stay by ICAO code; {config.turn.inbound_share:.0%} of a delay came with the"
            f" aircraft. {night} departures before {config.turn.night_stop_before} are night stops,"
            f" {config.turn.night_stop}.",
        )
    return found


def _nearest(levels: tuple[float, ...], wanted: float) -> int:
    return int(np.argmin(np.abs(np.array(levels) - wanted)))


def ratio_bounds(ours: NDArray[np.float64], peer: NDArray[np.float64]) -> str | None:
    """The interval of the ratio; None for a single day, or where days without a conflict could fill a resample."""
    days, calm = len(peer), int((peer == 0).sum())
    if days < 2 or (calm / days) ** days > 1e-8:
        return None
    return _bounds(paired_ratio(ours, peer, unit="days"), 2)


def _bounds(interval: Interval, digits: int) -> str:
    return f"{interval.low:,.{digits}f} to {interval.high:,.{digits}f}"


def _dates(days: Sequence[DayPlans]) -> str:
    first, last = days[0].turns.day, days[-1].turns.day
    return f"{first}" if first == last else f"{first} to {last}"

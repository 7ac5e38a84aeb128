"""What the chapter reports: policies side by side, value of the stochastic solution, of information and of recourse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demos.renewables.chapter import Target
from demos.renewables.dispatch.config import DispatchConfig
from demos.renewables.dispatch.measures import (
    costs,
    energies,
    forecast_errors,
    mean_with_interval,
    ratio_with_interval,
    scenario_coverage,
)
from demos.renewables.dispatch.policies import (
    BATTERY_CERTAIN,
    BATTERY_HINDSIGHT,
    BATTERY_IDLE,
    BATTERY_MPC,
    BATTERY_RULE,
    BATTERY_RUNNING,
    DETERMINISTIC,
    FOLLOWED,
    HEDGED,
    HINDSIGHT,
    PERFECT,
    PERSISTENCE,
    RULES,
    SCENARIO_MPC,
    STOCHASTIC,
    DayResult,
)
from shared.result import Column, Headline, Interval, Metric, Table

Array = NDArray[np.float64]
POLICIES = (SCENARIO_MPC, STOCHASTIC, HEDGED, DETERMINISTIC, PERSISTENCE, RULES, PERFECT)
SAVING_ASKED, CAPTURE_ASKED, AGREEMENT_ASKED, SECONDS_ASKED = 0.04, 0.70, 1e-6, 0.2
FEASIBLE = 1e-4  # [MW or MWh] CBC hands its solution over as text with about 1e-5 of rounding


@dataclass(frozen=True)
class Study:
    """Everything measured: test days, the tuned level of the hedged plan, and by (short premium, long discount) the
    days' (stochastic, deterministic, perfect) costs (days, 3) [EUR]."""

    results: list[DayResult]
    level: float
    spreads: dict[tuple[float, float], Array]
    config: DispatchConfig
    seed: int

    def ratio(self, above: Array, below: Array) -> tuple[float, Interval | None]:
        """sum / sum with its block-bootstrap interval."""
        return ratio_with_interval(above, below, self.config.evaluation.block, self.seed)

    def mean(self, values: Array) -> tuple[float, Interval | None]:
        """Mean a day with its block-bootstrap interval."""
        return mean_with_interval(values, self.config.evaluation.block, self.seed)

    def cost(self, policy: str) -> Array:
        """(days,) [EUR]."""
        return costs(self.results, policy)

    def saving(self) -> tuple[float, Interval | None]:
        """What the stochastic plan saves, as a share of the deterministic policy's total operating cost."""
        return self.ratio(self.cost(DETERMINISTIC) - self.cost(STOCHASTIC), self.cost(DETERMINISTIC))

    def capture(self, policy: str, best: str, base: str = FOLLOWED) -> tuple[float, Interval | None]:
        """Share of what hindsight recourse saves over a base that a causal controller saves."""
        return self.ratio(self.cost(base) - self.cost(policy), self.cost(base) - self.cost(best))


def percent(found: tuple[float, Interval | None], digits: int = 1) -> str:
    """ "6.1 % (4.0 to 8.2)" of a share and its interval."""
    share, interval = found
    if np.isnan(share):
        return "undefined (a share of nothing, or of earnings)"
    bounds = f" ({100 * interval.low:.{digits}f} to {100 * interval.high:.{digits}f})" if interval else ""
    return f"{100 * share:.{digits}f} %{bounds}"


def _euros(interval: Interval | None) -> str | None:
    return f"{interval.low:,.0f} to {interval.high:,.0f}" if interval else None


def fleet_name(config: DispatchConfig) -> str:
    """What is dispatched: the embedded fleet is a composite and is called so wherever it shows."""
    return "a composite fleet" if config.data.profiles is None else "your fleet"


def headlines(study: Study) -> list[Headline]:
    """Cost beside the deterministic plan, and recourse beside hindsight."""
    mean, interval = study.mean(study.cost(STOCHASTIC))
    gap = study.ratio(
        study.cost(DETERMINISTIC) - study.cost(STOCHASTIC), study.cost(DETERMINISTIC) - study.cost(PERFECT)
    )
    share, bounds = study.capture(SCENARIO_MPC, HINDSIGHT)
    found = [
        Headline(
            name=f"Dispatch of {fleet_name(study.config)}: cost a day, stochastic plan",
            value=mean,
            unit="EUR",
            direction="lower",
            peer=DETERMINISTIC,
            peer_value=float(study.cost(DETERMINISTIC).mean()),
            interval=interval,
            note=f"saves {percent(study.saving())} of the total operating cost, {percent(gap)} of the gap to perfect"
            " foresight; prices are assumed",
        ),
        Headline(
            name="Dispatch: causal MPC, share of what hindsight recourse would save",
            value=100 * share,
            unit="%",
            direction="higher",
            peer="hindsight recourse",
            peer_value=100.0,
            interval=_scaled(bounds, 100),
            note="battery and turbine, MPC on three scenarios, over following the plan of the day before, which is 0 %",
        ),
    ]
    # A fleet without battery and turbine has no recourse to share.
    return found if np.isfinite(share) else found[:1]


def _scaled(interval: Interval | None, factor: float) -> Interval | None:
    if interval is None:
        return None
    return interval.model_copy(update={"low": factor * interval.low, "high": factor * interval.high})


def metrics(study: Study) -> list[Metric]:
    """VSS and EVPI, the checks of the solver, and its time."""
    found = []
    for name, values in _values(study).items():
        mean, interval = study.mean(values)
        found.append(Metric(name=f"dispatch: {name}", value=mean, unit="EUR/day", interval=interval))
    seconds = np.array([result.seconds for result in study.results])
    return [
        *found,
        Metric(
            name="dispatch: PuLP against OR-Tools, relative difference of objectives, greatest",
            value=max(result.gap for result in study.results),
            unit="1",
            direction="lower",
        ),
        Metric(
            name="dispatch: greatest violation found by the verifier",
            value=max(result.worst for result in study.results),
            unit="MW or MWh",
            direction="lower",
        ),
        Metric(
            name="dispatch: stochastic plan of one day, built and solved, median",
            value=float(np.median(seconds)),
            unit="s",
            direction="lower",
        ),
    ]


def _values(study: Study) -> dict[str, Array]:
    """(days,) each [EUR]: what is gained by scenarios, and what perfect information would still gain."""
    stochastic, best = study.cost(STOCHASTIC), study.cost(PERFECT)
    hindsight = study.cost(HINDSIGHT)
    return {
        "VSS: deterministic less stochastic": study.cost(DETERMINISTIC) - stochastic,
        "stochastic against the tuned margin": study.cost(HEDGED) - stochastic,
        "EVPI: stochastic less perfect foresight": stochastic - best,
        "EVPI, part of real time (MPC less hindsight recourse)": stochastic - hindsight,
        "EVPI, part of the day before (hindsight recourse less perfect foresight)": hindsight - best,
    }


def tables(study: Study) -> list[Table]:
    """All tables of the chapter."""
    found = [policies_table(study), values_table(study), recourse_table(study)]
    if study.spreads:
        found.append(spreads_table(study))
    return [*found, forecast_table(study)]


def policies_table(study: Study) -> Table:
    """Cost of each policy, and what it did."""
    base = study.cost(DETERMINISTIC)
    rows: list[list[str | float | None]] = []
    for policy in POLICIES:
        mean, interval = study.mean(study.cost(policy))
        above = float((study.cost(policy) - study.cost(PERFECT)).mean())
        saved = None if policy == DETERMINISTIC else percent(study.ratio(base - study.cost(policy), base))
        amounts = [energies(study.results, policy, name) for name in ("short", "long", "curtailed", "cycled")]
        rows.append([policy, mean, _euros(interval), above, saved, *amounts])
    names = ("short", "long", "curtailed", "battery throughput")
    return Table(
        title=f"Policies on the same days, {fleet_name(study.config)}",
        columns=[
            Column(name="policy"),
            Column(name="cost", unit="EUR/day", direction="none", digits=0),
            Column(name="95 % interval"),
            Column(name="above perfect foresight", unit="EUR/day", direction="none", digits=0),
            Column(name="saved, of the cost of deterministic"),
            *(Column(name=name, unit="MWh/day") for name in names),
        ],
        rows=rows,
        caption=f"{len(study.results)} test days, {study.results[0].day} to {study.results[-1].day}, each alone, from"
        " the same start. Cost: energy bought less sold the day before, imbalance, battery wear, lost load, less energy"
        " left in battery and reservoir. All plans but rules and perfect foresight are followed by the same"
        " causal MPC on the forecast, but for the first line, where it plans for three scenarios."
        f" The tuned margin plans for quantile {study.level:g} of net generation, the best on validation days."
        f" Intervals: bootstrap of blocks of {study.config.evaluation.block} days.",
    )


def values_table(study: Study) -> Table:
    """VSS and EVPI."""
    base = study.cost(DETERMINISTIC)
    rows: list[list[str | float | None]] = []
    for name, values in _values(study).items():
        mean, interval = study.mean(values)
        rows.append([name, mean, _euros(interval), percent(study.ratio(values, base))])
    return Table(
        title="Value of the stochastic solution and of perfect information",
        columns=[
            Column(name="value"),
            Column(name="mean", unit="EUR/day", digits=0),
            Column(name="95 % interval"),
            Column(name="share of the cost of deterministic"),
        ],
        rows=rows,
        caption="Realised out of sample on the test days, not the model's own expectation.",
    )


def recourse_table(study: Study) -> Table:
    """What moving battery and turbine in real time is worth, over following the plan."""
    rows: list[list[str | float | None]] = []
    for name, policy, best in RECOURSES:
        value = float((study.cost(FOLLOWED) - study.cost(policy)).mean())
        most = float((study.cost(FOLLOWED) - study.cost(best)).mean())
        alone = best == BATTERY_HINDSIGHT
        from_idle = percent(study.capture(policy, best, BATTERY_IDLE)) if alone else None
        rows.append([name, value, most, percent(study.capture(policy, best)), from_idle])
    return Table(
        title="Value of recourse after the stochastic plan",
        columns=[
            Column(name="what moves, and what it knows"),
            Column(name="saves", unit="EUR/day", digits=0),
            Column(name="hindsight would save", unit="EUR/day", digits=0),
            Column(name="share reached", direction="none"),
            Column(name="share, counted from an idle battery", direction="none"),
        ],
        rows=rows,
        caption="Against following the battery and turbine schedule made the day before for the same position; the last"
        " column against a battery that does nothing, which may well be cheaper than following a schedule."
        " Setpoints are fixed before each quarter hour from what had ended by then. Tracking: the mean of the running"
        " quarter hour counts as seen, as for a controller that follows its meter; perfect tracking is assumed.",
    )


RECOURSES = (
    ("battery and turbine, MPC on three scenarios", SCENARIO_MPC, HINDSIGHT),
    ("battery alone, MPC on three scenarios", BATTERY_MPC, BATTERY_HINDSIGHT),
    ("battery and turbine, MPC on the forecast", STOCHASTIC, HINDSIGHT),
    ("battery alone, MPC on the forecast", BATTERY_CERTAIN, BATTERY_HINDSIGHT),
    ("battery alone, MPC on the forecast, tracking the running quarter hour", BATTERY_RUNNING, BATTERY_HINDSIGHT),
    ("battery alone, rule without a model: against the last deviation", BATTERY_RULE, BATTERY_HINDSIGHT),
)


def spreads_table(study: Study) -> Table:
    """VSS under other imbalance prices."""
    rows: list[list[str | float | None]] = []
    days = 0
    for (short, long), found in study.spreads.items():
        ours, peer, best = found.T
        days = len(found)
        mean, interval = study.mean(peer - ours)
        rows.append(
            [
                f"short +{short:g}, long -{long:g}",
                float(peer.mean()),
                mean,
                _euros(interval),
                percent(study.ratio(peer - ours, peer)),
                percent(study.ratio(peer - ours, peer - best)),
            ]
        )
    return Table(
        title="What the stochastic plan saves under other imbalance prices",
        columns=[
            Column(name="imbalance prices around day-ahead", unit="EUR/MWh"),
            Column(name="deterministic", unit="EUR/day", digits=0),
            Column(name="saved (VSS)", unit="EUR/day", digits=0),
            Column(name="95 % interval"),
            Column(name="share of the cost"),
            Column(name="share of the gap"),
        ],
        rows=rows,
        caption=f"{days} of the test days. Equal premiums make the mean forecast nearly the right plan; the more being"
        " short costs against being long, the more scenarios are worth.",
    )


def forecast_table(study: Study) -> Table:
    """How good the statistical forecasts are, and whether scenarios cover whole days."""
    inputs = [result.inputs for result in study.results]
    rows: list[list[str | float | None]] = [
        [name, *map(float, errors), None, None] for name, errors in forecast_errors(inputs).items()
    ]
    for name, (hours, days) in scenario_coverage(inputs, study.seed).items():
        rows.append([f"scenarios: {name}", None, None, None, None, 100 * hours, 100 * days])
    return Table(
        title="Forecasts and scenarios",
        columns=[
            Column(name="forecast"),
            *(Column(name=f"RMSE {name}", unit="MW", digits=2) for name in ("PV", "wind", "load", "net generation")),
            Column(name="hours in P10-P90", unit="%"),
            Column(name="days in P10-P90", unit="%"),
        ],
        rows=rows,
        caption="No weather forecast of 2016 is at hand: day-ahead errors of wind are larger than those of a desk that"
        " has one, and so is what scenarios save. Right coverage is 80 % of hours and of daily sums.",
    )


def _recourse_targets(study: Study) -> list[Target]:
    """MPC beside hindsight: counted from following the plan, and for the battery from doing nothing as well."""
    found = []
    for (name, policy, best), base in zip(
        (*RECOURSES[:2], RECOURSES[1]), (FOLLOWED, FOLLOWED, BATTERY_IDLE), strict=True
    ):
        share = study.capture(policy, best, base)
        start = "an idle battery" if base == BATTERY_IDLE else "following the plan"
        rule = percent(study.capture(BATTERY_RULE, best, base))
        found.append(
            Target(
                asked=f"causal MPC at least 70 % of hindsight recourse: {name}, counted from {start}",
                reached=percent(share),
                met=share[0] >= CAPTURE_ASKED,
                note=f"a rule without a model: {rule}" if policy == BATTERY_MPC else "",
            )
        )
    return found


def targets(study: Study) -> list[Target]:
    """What was asked, and what these days gave."""
    saving, gap = study.saving(), max(result.gap for result in study.results)
    of_gap = study.ratio(
        study.cost(DETERMINISTIC) - study.cost(STOCHASTIC), study.cost(DETERMINISTIC) - study.cost(PERFECT)
    )
    worst = max(result.worst for result in study.results)
    seconds = np.array([result.seconds for result in study.results])
    found = [
        Target(
            asked="stochastic saves at least 4 % over deterministic (of total operating cost)",
            reached=percent(saving),
            met=saving[0] >= SAVING_ASKED,
            note=f"{percent(of_gap)} of the gap to perfect foresight; with statistical forecasts and assumed prices",
        )
    ]
    return [
        *found,
        *_recourse_targets(study),
        Target(asked="PuLP and OR-Tools agree to 1e-6", reached=f"{gap:.1e}", met=gap <= AGREEMENT_ASKED),
        Target(
            asked="every schedule passes the independent verifier",
            reached=f"{worst:.1e} MW or MWh",
            met=worst <= FEASIBLE,
            note=f"tolerance {FEASIBLE:g}",
        ),
        Target(
            asked="one day (stochastic) solves in under 0.2 s",
            reached=f"{np.median(seconds):.3f} s (median; 95th percentile {np.quantile(seconds, 0.95):.3f} s)",
            met=bool(np.median(seconds) < SECONDS_ASKED),
            note="built, written, solved by the configured solver and read back",
        ),
    ]

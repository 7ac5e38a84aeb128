"""What the large model and the small one gained from what was sent up, by who chose it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from demos.coevolution.data import HOME, SCENES, used
from demos.coevolution.up.compare import Found, compare
from demos.coevolution.up.grown import flips, flips_tables, grown, versions_table
from demos.coevolution.up.stream import NEW
from shared.chapter import Chapter
from shared.result import Column, Headline, Metric, Table

if TYPE_CHECKING:
    from demos.coevolution.config import Policy, UpSection
    from demos.coevolution.training.trained import Trained
    from shared.demo import Run
    from shared.result import Figure

MODELS = {"cloud": "large model", "small": "device"}
SPAN = 6.0  # points that an axis shows at least: narrower, what is chance would look like a movement


def up(trained: Trained) -> Chapter:
    """Let them evolve, test, tell."""
    section = trained.config.up
    found = compare(trained, section)
    first = section.policies[0]
    store = grown(trained, found.streams[first][0])
    return Chapter(
        headlines=[gain_of(found, first, model) for model in MODELS],
        metrics=metrics_of(found),
        tables=[
            policies_table(found, section),
            scenes_table(found, first),
            _rounds(found, section),
            *flips_tables(flips(trained)),
            versions_table(store),
        ],
        figures=[_figure(found, trained.run)] if section.whole else [],
        data=used(),
        notes=[
            f"A round: {section.stream:,} texts of new scenes come, of all kinds, also such that people disagree on. "
            f"The device answers; what it is as little sure of as of the least sure {100 * section.asked:g} % of the "
            "texts that calibrate goes up as a question; "
            f"{section.uploads} are picked by the policy, and of each one of its raters says what he thinks.",
            "The large model's last layers learn on which side that person is, right or wrong, and to say of texts at "
            "home what they said before; the device then learns what the large model now says of all that came up, and "
            "of texts at home. Nothing else leaves the device.",
            f"A new version goes out if on the texts that calibrate no new scene loses more than {section.tolerated:g} "
            f"and home not more than {section.tolerated_at_home:g} points of the mean probability of the right answer; "
            "if not, one half-way to it, if that does not; otherwise the old one stays.",
            "States: by lot, but instead of its text goes up what the device's last layer is given of it. The large "
            "model cannot read that and learns nothing; in the cloud that last layer learns, and goes out by the same "
            "gate. It is no secret: words can be guessed from it.",
            "Pseudo-labels: by lot, but nobody is asked; the large model learns what it says itself. Shuffled: by lot, "
            "but what people say comes back for another text of the round: a gain from that is not from their words, "
            "if perhaps from how many are positive. Coin: from neither.",
        ],
    )


def gain_of(found: Found, policy: Policy, model: str) -> Headline:
    """Of a model, "cloud" or "small", beside that of shuffled feedback."""
    gains, home = found.gains(policy, model), found.at_home(policy, model)
    return Headline(
        name=f"What the {MODELS[model]} gains in the new scenes",
        value=gains.mean,
        unit="points",
        direction="higher",
        peer="shuffled feedback" if "shuffled" in found.streams else "no feedback",
        peer_value=found.gains("shuffled", model).mean if "shuffled" in found.streams else 0.0,
        interval=gains.interval,
        note=f"policy {policy}, mean over scenes; at home {home.told}",
    )


def metrics_of(found: Found) -> list[Metric]:
    """Gains of both models under each policy."""
    metrics = []
    for policy in found.streams:
        for model, name in MODELS.items():
            gains = {"new scenes": found.gains(policy, model), "home": found.at_home(policy, model)}
            for what, values in gains.items():
                metrics.append(
                    Metric(
                        name=f"{name}, {policy}, {what}",
                        value=values.mean,
                        unit="points",
                        direction="higher",
                        interval=values.interval,
                    )
                )
    return metrics


def policies_table(found: Found, section: UpSection) -> Table:
    """What each policy gains, and over the first."""
    first = section.policies[0]
    rows: list[list[str | float | None]] = [["none", 0.0, None, 0.0, 0.0, None, 0.0, None]]
    for policy in found.streams:
        row: list[str | float | None] = [policy]
        for model in MODELS:
            gains = found.gains(policy, model)
            over = None if policy == first else (gains - found.gains(first, model)).told
            row += [gains.mean, over, found.at_home(policy, model).mean]
        sizes = [sum(each.bytes for each in rounds) / 1000 for rounds in found.streams[policy]]
        rows.append([*row, float(np.mean(sizes))])
    return Table(
        title="Who is sent up",
        columns=[
            Column(name="policy"),
            Column(name="large model, new scenes", unit="points", direction="higher"),
            Column(name=f"over {first}"),
            Column(name="home", unit="points"),
            Column(name="device, new scenes", unit="points", direction="higher"),
            Column(name=f"over {first} "),
            Column(name="home ", unit="points"),
            Column(name="sent up", unit="kB", direction="lower", digits=0),
        ],
        rows=rows,
        caption=f"After {section.rounds} rounds, mean of {section.seeds} streams and of the new scenes; differences "
        "with 95 %, paired, streams and test texts drawn again. Without any feedback nothing changes.",
    )


def scenes_table(found: Found, policy: Policy) -> Table:
    """Before and after, by model and scene."""
    rows: list[list[str | float | None]] = []
    for model, name in MODELS.items():
        for scene in found.scenes:
            before, after = found.ends(policy, model, scene)
            rows.append([f"{name}, {scene}", before, after, found.in_scene(policy, model, scene).told])
    return Table(
        title="Scene by scene",
        columns=[
            Column(name="model, scene"),
            Column(name="before", unit="%"),
            Column(name="after", unit="%"),
            Column(name="change"),
        ],
        rows=rows,
        caption=f"Policy {policy}; on the test; 95 %, streams and test texts drawn again.",
    )


def _rounds(found: Found, section: UpSection) -> Table:
    rows: list[list[str | float | None]] = []
    for policy, streams in found.streams.items():
        every = [each for rounds in streams for each in rounds[1:]]
        tried = [each for each in every if each.learned or policy == "states"]
        asked = float(np.mean([each.asked + len(each.sent) for each in every]))
        rows.append(
            [
                policy,
                100 * float(np.mean([each.learned for each in every])),
                100 * float(np.mean([each.taught for each in tried])) if tried else None,
                asked,
            ]
        )
    return Table(
        title="What went out",
        columns=[
            Column(name="policy"),
            Column(name="the large model's versions", unit="%", digits=0),
            Column(name="the device's, of those tried", unit="%", digits=0),
            Column(name="texts sent up in a round", digits=0),
        ],
        rows=rows,
        caption=f"Share of {section.rounds * section.seeds} rounds whose new version passed; others changed nothing. A "
        "device's is tried when the large model's went out, or, of states, in each round.",
    )


def _figure(found: Found, run: Run) -> Figure:
    from matplotlib import pyplot

    drawing, grid = pyplot.subplots(
        len(MODELS), len(SCENES), figsize=(11, 5.4), layout="constrained", sharex=True, squeeze=False
    )
    for row, (model, name) in zip(grid, MODELS.items(), strict=True):
        for axes, scene in zip(row, SCENES, strict=True):
            for policy, streams in found.streams.items():
                tested = [rounds for rounds in streams if all(getattr(each, model) for each in rounds)]
                lines = 100 * np.array([[getattr(each, model)[scene].mean() for each in rounds] for rounds in tested])
                axes.plot(range(lines.shape[1]), lines.mean(0), label=policy, marker=".")
            axes.set_title(f"{name}, {scene}" + (" (home)" if scene == HOME else ""), fontsize=10)
            low, high = axes.get_ylim()
            wider = max(0.0, SPAN - (high - low)) / 2
            axes.set_ylim(low - wider, high + wider)
    for axes in grid[-1]:
        axes.set_xlabel("round")
    for row in grid:
        row[0].set_ylabel("accuracy [%]")
    drawing.legend(*grid[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=len(found.streams))
    ends = {policy: found.gains(policy, "cloud").mean for policy in found.streams}
    return run.figure(
        drawing,
        "up",
        title="Accuracy round by round",
        caption=f"Test texts, mean of the streams that are tested after each round; {', '.join(NEW)} are new. "
        f"Each its own scale, of at least {SPAN:g} points.",
        alt="Gain of the large model in the new scenes: "
        + ", ".join(f"{policy} {gain:+.1f} points" for policy, gain in ends.items()),
    )

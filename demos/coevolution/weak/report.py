"""How much of what labels would bring the devices' answers bring."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from demos.coevolution.data import HOME, used
from demos.coevolution.up.compare import evolution
from demos.coevolution.up.stream import NEW
from demos.coevolution.weak.measure import Strengthened, Strengthening, strengthen
from shared.chapter import Chapter
from shared.evaluation.intervals import bootstrap, paired_difference
from shared.result import Column, Headline, Metric, Table

if TYPE_CHECKING:
    from demos.coevolution.training.trained import Trained

ROWS = {
    "device": "device, as it came",
    "weak": "devices adapted, together",
    "start": "large model, as it was",
    "taught": "large model, taught by the devices",
    "held": "large model, taught by the devices, holding to itself",
    "ceiling": "large model, taught the labels",
}


def weak(trained: Trained) -> Chapter:
    """Adapt, teach, test, tell."""
    section = trained.config.weak
    one_round = {"rounds": 1, "stream": section.texts, "shares": {scene: 1 / len(NEW) for scene in NEW}}
    jobs = []
    for number in range(section.seeds):
        loop = evolution(trained, number, trained.config.up.model_copy(update=one_round))
        jobs.append(Strengthening(loop, section))
    found = trained.run.map("weak to strong", strengthen, jobs)
    return Chapter(
        headlines=[_headline(found)],
        metrics=[
            Metric(name=f"{row}, new scenes", value=float(np.mean(_new(found, name))), unit="%", direction="higher")
            for name, row in ROWS.items()
        ],
        tables=[_table(found)],
        data=used(),
        notes=[
            f"Each of {len(NEW)} devices adapts to its scene with {section.words} words of people, which do not leave "
            f"it. Of up to {section.texts:,} texts they then say together how likely each is to be positive, each as "
            "sure as its temperature, fitted at home, makes it; that is all the large model hears. Texts that people "
            "disagree on are left out for all.",
            "Recovered: what the large model has over the devices, of what it would have from labels. As it was, it is "
            "better in these scenes than they are, so that they may also hold it back.",
            f"Holding to itself: {100 * section.own_share:g} % of each target is its own answer at that moment, made "
            "certain.",
        ],
    )


def _new(found: list[Strengthened], name: str) -> list[float]:
    return [100 * float(np.mean([getattr(each, name)[scene] for scene in NEW])) for each in found]


def recovered(found: list[Strengthened], name: str) -> float | None:
    """Of the gap between the devices and the large model that learned labels, in the mean of all streams, the part that
    is closed [%]; None when the gap may be one of these streams only."""
    if paired_difference(_new(found, "ceiling"), _new(found, "weak")).low <= 0:
        return None
    ours, weak, ceiling = (float(np.mean(_new(found, key))) for key in (name, "weak", "ceiling"))
    return 100 * (ours - weak) / (ceiling - weak)


def _share(found: list[Strengthened], name: str) -> str:
    share = recovered(found, name)
    return "no gap" if share is None else f"{share:.0f} %"


def _headline(found: list[Strengthened]) -> Headline:
    ours = _new(found, "held")
    return Headline(
        name="Large model in the new scenes, taught by devices that are weaker",
        value=float(np.mean(ours)),
        unit="%",
        direction="higher",
        peer="as it was",
        peer_value=float(np.mean(_new(found, "start"))),
        interval=bootstrap(ours, unit="streams"),
        note=f"performance gap recovered: {_share(found, 'held')}, without holding to itself {_share(found, 'taught')}",
    )


def _table(found: list[Strengthened]) -> Table:
    rows: list[list[str | float | None]] = []
    for name, row in ROWS.items():
        scenes = [100 * float(np.mean([getattr(each, name)[scene] for each in found])) for scene in (*NEW, HOME)]
        share = None if name in ("device", "weak", "ceiling") else recovered(found, name)
        rows.append([row, *scenes, float(np.mean(_new(found, name))), share])
    return Table(
        title="From weak to strong",
        columns=[
            Column(name="model"),
            *[Column(name=scene, unit="%", direction="higher") for scene in (*NEW, HOME)],
            Column(name="new scenes", unit="%", direction="higher"),
            Column(name="gap recovered", unit="%", digits=0),
        ],
        rows=rows,
        caption=f"Test texts, mean of {len(found)} streams.",
    )

"""The compositional part: words for combinations that were never seen together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from demos.clip_retrieval.judging.compositional import PARTS, Composition, compose, gallery_of
from demos.clip_retrieval.judging.peers import LABELS, compositional_peer
from shared.evaluation.intervals import bootstrap
from shared.openmoji.families import identities
from shared.openmoji.records import records
from shared.openmoji.render import pictures
from shared.openmoji.splits import GENDERS, compositional_split
from shared.pretrained.minilm import MiniLM
from shared.result import Column, Table

if TYPE_CHECKING:
    from demos.clip_retrieval.config import ClipConfig
    from shared.demo import Run

Where = Literal["all", "held"]
GALLERIES: tuple[Where, Where] = ("all", "held")


def composition_table(config: ClipConfig, run: Run) -> Table:
    """Train on all but 237 combinations and their twins, ask for those, and compare with a peer that did the same."""
    ours, peer = _ours(config, run), _peers(config)
    columns = [Column(name="method"), Column(name="pictures searched", digits=0)]
    for part in PARTS:
        columns += [Column(name=part, unit="%", direction="higher", digits=1), Column(name=f"{part}, 95 %")]
    rows: list[list[str | float | None]] = []
    split = compositional_split()
    roles = split.role[split.held]
    for where in GALLERIES:
        found = {"our CLIP": ours[where], **{name: each[where] for name, each in peer.items()}}
        first = next(iter(found.values()))
        chance: list[str | float | None] = ["chance", first.gallery]
        for part in PARTS:
            chance += [100 * first.chance[part], None]
        rows.append(chance)
        for name, result in found.items():
            row: list[str | float | None] = [name, result.gallery]
            for part in PARTS:
                # Three combinations share a role, and a model that knows the role is right in all of them.
                each = result.right[part][np.argsort(roles, kind="stable")].reshape(-1, len(GENDERS)).mean(1)
                interval = bootstrap(each, resamples=config.evaluation.bootstrap, unit="roles")
                row += [
                    float(100 * each.mean()),
                    f"{100 * interval.low:.0f} to {100 * interval.high:.0f}",
                ]
            rows.append(row)
    return Table(
        title="Combinations never seen together",
        columns=columns,
        rows=rows,
        caption="First answer to the names of 237 held-out pictures such as “woman firefighter: dark skin tone”, when "
        "every pair of the three parts was in training. All: among 1,422 pictures, most of them trained on; held: "
        "among the 237. Intervals over the 79 roles. No claim on people: three words of a caption.",
    )


def _ours(config: ClipConfig, run: Run) -> dict[Where, Composition]:
    from demos.clip_retrieval.training.train_model import train_model

    split = compositional_split()
    run.say(f"compositional split: training on {len(split.train):,} pictures")
    trained = train_model(
        config,
        split.train,
        run.folder / "weights" / "compositional.safetensors",
        part="compositional",
        facts={"split": "compositional", "seed": str(config.seed), "data": "openmoji 17.0.0"},
        track=run.track,
        spread=run.map,
    )
    encoder = trained.spec(config.device).load()
    images = encoder.images(np.asarray(pictures(encoder.size)[split.cells]))
    words = encoder.texts(_names(split.held))
    return _composed(words @ images.T)


def _peers(config: ClipConfig) -> dict[str, dict[Where, Composition]]:
    split, words, found = compositional_split(), MiniLM(), {}
    for name in config.evaluation.peers:
        if name in ("hog", "both"):
            peer = compositional_peer(name, words)
            found[LABELS[name]] = _composed(peer.texts(_names(split.held)) @ peer.images(split.cells).T)
    return found


def _composed(scores: np.ndarray) -> dict[Where, Composition]:
    """scores: (237, 1422) over all cells."""
    split, same = compositional_split(), identities()[:, 1]
    found: dict[Where, Composition] = {}
    for where in GALLERIES:
        gallery = gallery_of(split, where)
        found[where] = compose(scores[:, np.isin(split.cells, gallery)], split, gallery, same)
    return found


def _names(rows: np.ndarray) -> list[str]:
    return [records()[row].name for row in rows]

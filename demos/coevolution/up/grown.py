"""The versions of one stream as files beside those of home, each with its parent; and what it made the large model
change its mind on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from demos.coevolution.data import HOME, texts
from demos.coevolution.deploy.gate import home_temperature, judging, send
from demos.coevolution.models.top import Top
from demos.coevolution.models.words import pieces
from demos.coevolution.splits import frozen
from demos.coevolution.training.fit import judged
from demos.coevolution.training.jobs import Answers, accuracy, at_home, opened_cloud, opened_student, teachers_answers
from demos.coevolution.up.compare import AT_HOME
from demos.coevolution.up.evolve import Round, flips_file, version_file
from demos.coevolution.versions.store import STUDENTS, Store, hashed
from shared.result import Column, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from demos.coevolution.training.trained import Trained

GATED = 100  # texts of a scene on which a file is compared with its model
SHOWN = 6
LONGEST = 90  # letters of a text that are shown


@dataclass(frozen=True)
class Flip:
    """place: of a text of the test; right: whether the answer is right now; nearest: place of the text sent up that is
    nearest; cosine: of both, as the large model sees them."""

    place: int
    right: bool
    nearest: int
    cosine: float


def grown(trained: Trained, rounds: list[Round]) -> Store:
    """Add what went out in each round of the kept stream to the versions of the run, with parents and teachers."""
    trained.run.say("versions: export what went out in each round")
    seed, folder = trained.seeds[0], trained.folder
    store, up = Store(trained.run.folder / STUDENTS), trained.config.up
    places = np.concatenate([part[:GATED][: trained.config.models.test] for part in frozen().calibration.values()])
    cloud, device = opened_cloud(folder, seed), opened_student(trained.lying("device", AT_HOME)[0], "device")
    top = Top(cloud, trained.config.models.upper_layers)
    cloud_name, device_name = trained.files().out["cloud"].name, None
    home = np.concatenate(at_home(trained.config.models, seed))
    data = hashed([texts()[place].text for place in home], teachers_answers(folder, seed)[0].of(home).numpy())
    for number, each in enumerate(rounds):
        note = f"round {number}, {up.policies[0]}" if number else "from home, before the first round"
        if each.learned or each.taught:
            left = torch.load(version_file(folder, number), weights_only=True)
            top.load_state_dict(left["top"])
            if left["small"] is not None:
                device.load_state_dict(left["small"])
            data = _heard(left["sent"], left["targets"])
        if each.learned:
            cloud_name = _sent(store, "cloud", cloud, places, data, cloud_name, None, note)
            data = _heard(left["sent"] + left["asked"], [None] * len(left["sent"] + left["asked"]))
        if each.taught or number == 0:
            teacher = cloud_name if each.learned or number == 0 else None
            device_name = _sent(store, "device", device, places, data, device_name, teacher, note)
    return store


def _heard(places: list[int], targets: list[int | None]) -> str:
    """Hash of what came up so far with what was said of it; None of what the large model, which is named, answers."""
    said = np.array([np.nan if target is None else target for target in targets], dtype=np.float32)
    return hashed([texts()[place].text for place in places], said)


def _sent(
    store: Store,
    kind: str,
    model: nn.Module,
    places: NDArray[np.int64],
    data: str,
    parent: str | None,
    teacher: str | None,
    note: str,
) -> str:
    answers = Answers(
        torch.as_tensor(places), judged(model, pieces([texts()[place].text for place in places]), exact=True)
    )
    scenes = sorted({texts()[place].scene for place in places}, key=lambda scene: scene != HOME)
    scores = {
        str(scene): accuracy(answers, np.array([place for place in places if texts()[place].scene == scene]))
        for scene in scenes
    }
    sent = send(
        store,
        kind,
        model,
        judging(answers, places),
        heat=home_temperature(answers),
        data=data,
        scores=scores,
        parent=parent,
        teacher=teacher,
        note=note,
    )
    return sent.version.name


def flips(trained: Trained) -> list[Flip]:
    """What the kept stream made the large model change its mind on, nearest to what was sent up first."""
    left: dict[str, Any] = torch.load(flips_file(trained.folder), weights_only=True)
    columns = (left[name] for name in ("places", "right", "nearest", "cosines"))
    found = [Flip(*each) for each in zip(*columns, strict=True)]
    return sorted(found, key=lambda flip: -flip.cosine)


def flips_tables(found: list[Flip]) -> list[Table]:
    """Some of them, if there are any."""
    if not found:
        return []
    rows: list[list[str | float | None]] = []
    for right_now in (True, False):
        for flip in [each for each in found if each.right == right_now][: SHOWN if right_now else SHOWN // 2]:
            text, near = texts()[flip.place], texts()[flip.nearest]
            label = "positive" if text.label else "negative"
            rows.append([_short(text.text), f"{text.scene}, {label}", _now(flip.right), _short(near.text), flip.cosine])
    gained = sum(flip.right for flip in found)
    table = Table(
        title="What the large model changed its mind on",
        columns=[
            Column(name="text of the test"),
            Column(name="scene, label"),
            Column(name="its answer now"),
            Column(name="nearest of what was sent up"),
            Column(name="cosine", digits=2),
        ],
        rows=rows,
        caption=f"First stream, after its last round: {gained} answers became right, {len(found) - gained} wrong. "
        "Shown are those nearest to a text that was sent up.",
    )
    return [table]


def versions_table(store: Store) -> Table:
    """The tree, line by line."""
    current = set(store.current().values())
    return Table(
        title="Versions",
        columns=[
            Column(name="version"),
            Column(name="made from"),
            Column(name="taught by"),
            Column(name="why"),
            Column(name="home", unit="%"),
            Column(name="new scenes", unit="%"),
            Column(name="answers"),
        ],
        rows=[
            [
                version.name,
                version.parent,
                version.teacher,
                version.note,
                100 * version.scores[HOME],
                100 * float(np.mean([score for scene, score in version.scores.items() if scene != HOME])),
                "yes" if version.name in current else None,
            ]
            for version in store.versions()
        ],
        caption="In the folder students of this run; `trendlab students history` draws the tree. Accuracy on texts "
        f"that calibrate, from the rounds on {GATED} of a scene.",
    )


def _now(right_now: bool) -> str:
    return "right" if right_now else "wrong"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"

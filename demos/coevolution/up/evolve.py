"""One stream under one policy, round after round: the device answers and picks, people rate what it sends up, the large
model learns, and teaches the device anew. Whatever is worse than before in a scene does not go out."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from demos.coevolution.cascade.choose import threshold
from demos.coevolution.cascade.confidence import confidence
from demos.coevolution.config import ModelsSection, Policy, UpSection
from demos.coevolution.data import HOME, SLUG, Scene, texts
from demos.coevolution.deploy.gate import home_temperature
from demos.coevolution.models.device import Device
from demos.coevolution.models.top import Top
from demos.coevolution.models.words import pieces
from demos.coevolution.splits import frozen
from demos.coevolution.training.fit import Lesson, fit, judged, soft, states_of
from demos.coevolution.training.jobs import (
    Answers,
    Scores,
    at_home,
    course,
    opened_cloud,
    opened_student,
    right,
    scored,
    students_answers,
    teachers_answers,
    unlabelled,
)
from demos.coevolution.up.policies import chosen
from demos.coevolution.up.stream import one_rating, rounds
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray


M = TypeVar("M", Top, Device)
SHARES = (1.0, 0.5)  # of the way from the old weights to the new ones, at which a version is tried


@dataclass(frozen=True)
class Evolution:
    """seed: of the stream, of the raters and of all that is by lot; home: of the models it begins with, which lie in
    `folder`; whole: test after each round, not after the last one alone; kept: leave each version and what was seen of
    the first stream in `folder`."""

    policy: Policy
    seed: int
    home: int
    device_file: Path
    models: ModelsSection
    up: UpSection
    folder: Path
    device: str
    whole: bool = False
    kept: bool = False


@dataclass(frozen=True)
class Round:
    """What is known after a round. cloud, small: accuracy on the test, where it was measured; sent: places of the texts
    that went up with a rating, asked: number of those that went up as questions; bytes: of both; learned, taught:
    whether the large model's new version went out, and the small one's; lost: what they lost at most in a scene."""

    cloud: Scores | None
    small: Scores | None
    sent: list[int] = field(default_factory=list)
    asked: int = 0
    bytes: int = 0
    learned: bool = False
    taught: bool = False
    lost: tuple[float, float] = (0.0, 0.0)


class Loop:
    """The state between rounds."""

    def __init__(self, job: Evolution) -> None:
        self.job = job
        self.answers, _, self.below = teachers_answers(job.folder, job.home)
        self.top = Top(opened_cloud(job.folder, job.home), job.models.upper_layers)
        small = opened_student(job.device_file, "device")
        assert isinstance(small, Device)
        self.small = small
        self.small_answers = students_answers(job.device_file)
        first = {"cloud": self.answers, "device": self.small_answers}
        self.heat = {kind: home_temperature(each, job.models.test) for kind, each in first.items()}
        self.gate = {kind: self.expected(each, kind) for kind, each in first.items()}
        self.start = dict(self.gate)
        self.known, self.others = at_home(job.models, job.home)
        self.random = generator(job.seed, SLUG, "loop", job.policy)
        self.sent: list[int] = []
        self.targets: list[float | None] = []
        self.asked: list[int] = []

    def run(self) -> list[Round]:
        """All rounds, from the one before the first."""
        found = [Round(scored(self.answers, self.job.models), scored(self.small_answers, self.job.models))]
        for number, arrived in enumerate(self.arriving(), start=1):
            found.append(self._round(number, arrived))
        if self.job.kept:
            torch.save(self.flips(), flips_file(self.job.folder))
        return found

    def arriving(self) -> list[NDArray[np.int64]]:
        """What comes to the device in each round."""
        up = self.job.up
        return rounds(self.job.seed, up.rounds, up.stream, up.shares, unlabelled(self.job.models, self.job.home))

    def _round(self, number: int, arrived: NDArray[np.int64]) -> Round:
        up = self.job.up
        logits, states = self.small_on(arrived)
        picked = arrived[chosen(self.job.policy, confidence(logits), states, up.uploads, self.random)].tolist()
        unsure = arrived[confidence(logits) < self.border()].tolist()
        asked = [place for place in unsure if place not in set(picked)]
        self.sent += picked
        self.targets += self.feedback(picked)
        self.asked += asked
        learned, lost = self.learn(number)
        taught, less = self.teach(number) if learned else (False, 0.0)
        size = sum(len(texts()[place].text.encode()) for place in picked + asked)
        if self.job.kept and learned:
            small = self.small.state_dict() if taught else None
            torch.save({"top": self.top.state_dict(), "small": small}, version_file(self.job.folder, number))
        told = self._told(number)
        return Round(told.cloud, told.small, picked, len(asked), size, learned, taught, (lost, less))

    def _told(self, number: int) -> Round:
        if not self.job.whole and number < self.job.up.rounds:
            return Round(None, None)
        return Round(self.scores(self.top, frozen().test), self.scores(self.small, frozen().test))

    def small_on(self, places: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(n, 2) the device's logits, and (n, w) what its last layer is given."""
        rows = pieces([texts()[place].text for place in places])
        states = states_of(self.small, rows)
        with torch.inference_mode():
            return self.small.head(states).numpy(), states.numpy()

    def border(self) -> float:
        """Confidence below which a text goes up as a question, chosen anew on what calibrates."""
        places = np.concatenate([part[: self.job.models.test] for part in frozen().calibration.values()])
        return threshold(confidence(self.small_on(places)[0]), self.job.up.asked)

    def feedback(self, picked: list[int]) -> list[float | None]:
        """Of each text 1, positive, or 0, by what comes back for it; None for a person who says neither."""
        if self.job.policy == "pseudo-labels":
            said = self.cloud_on(np.array(picked)).argmax(1)
            return [float(label) for label in said]
        ratings = [one_rating(place, self.job.seed) for place in picked]
        if self.job.policy == "shuffled":
            ratings = [ratings[place] for place in self.random.permutation(len(ratings))]
        return [float(rating > 0) if rating else None for rating in ratings]

    def cloud_on(self, places: NDArray[np.int64]) -> Tensor:
        """(n, 2) the large model's logits."""
        return self.on(self.top, places)

    def learn(self, number: int) -> tuple[bool, float]:
        """The large model learns from all that was sent and, so that it does not forget home, from what it said of
        texts there before the first round (Li and Hoiem 2016)."""
        home = self.random.permutation(np.concatenate([self.known, self.others]))[: self.job.up.replay]
        said = [place for place, target in zip(self.sent, self.targets, strict=True) if target is not None]
        positive = torch.tensor([target for target in self.targets if target is not None])
        heard = torch.stack([1 - positive, positive], dim=1)
        targets = torch.cat([soft(self.answers.of(home), 1.0), heard])
        places = np.concatenate([home, np.array(said, dtype=np.int64)])
        lesson = Lesson(self.below.of(self.answers.rows(places).tolist()), targets)
        candidate = fit(
            copy.deepcopy(self.top),
            lesson,
            course(self.job.up.cloud, head_factor=1.0),
            self.seed_of(number),
            self.job.device,
        )
        self.top, learned, lost = self.goes_out("cloud", self.top, candidate)
        return learned, lost

    def teach(self, number: int) -> tuple[bool, float]:
        """The device's model learns what the large one now says of texts at home and of those that came up."""
        home = self.random.permutation(np.concatenate([self.known, self.others]))[: self.job.up.rehearsed]
        asked = self.random.permutation(np.array(self.asked, dtype=np.int64))[: self.job.up.rehearsed]
        places = np.concatenate([home, np.array(self.sent), asked])
        how = course(self.job.up.device)
        lesson = Lesson(pieces([texts()[place].text for place in places]), soft(self.cloud_on(places), how.temperature))
        candidate = fit(copy.deepcopy(self.small), lesson, how, self.seed_of(number), self.job.device)
        self.small, taught, lost = self.goes_out("device", self.small, candidate)
        return taught, lost

    def flips(self) -> dict[str, list[Any]]:
        """Texts of the test whose answer the large model changed since the first round, whether it is right now, and
        for each the text sent up that is nearest to it, as the large model sees them now, with the cosine."""
        places = np.concatenate([part[: self.job.models.test] for part in frozen().test.values()])
        now = self.on(self.top, places).argmax(1).numpy()
        turned = now != self.answers.of(places).argmax(1).numpy()
        labels = np.array([texts()[place].label for place in places])
        if not turned.any():
            return {"places": [], "right": [], "nearest": [], "cosines": []}
        seen = [
            functional.normalize(states_of(self.top, self.below.of(self.answers.rows(np.array(each)).tolist())), dim=1)
            for each in (places[turned], self.sent)
        ]
        cosines = seen[0] @ seen[1].T
        return {
            "places": places[turned].tolist(),
            "right": (now == labels)[turned].tolist(),
            "nearest": [self.sent[place] for place in cosines.argmax(1).tolist()],
            "cosines": cosines.amax(1).tolist(),
        }

    def seed_of(self, number: int) -> int:
        """Of a training in a round."""
        return 1000 * self.job.seed + number

    def goes_out(self, kind: str, old: M, new: M) -> tuple[M, bool, float]:
        """What takes the place of `old`: `new`, or if that loses too much in a scene, what lies half-way between their
        weights, or `old` itself; whether it is another; and what it, or `new`, loses in the scene that loses most, on
        what calibrates: 0 to 1, negative when all gain. A loss is against `old`, and against what was there before the
        first round, so that small losses do not add up."""
        first_lost: float | None = None
        for share in SHARES:
            candidate = new if share == 1 else between(old, new, share)
            scores = self.expected(candidate, kind)
            before = {scene: max(self.start[kind][scene], score) for scene, score in self.gate[kind].items()}
            losses = {scene: before[scene] - scores[scene] for scene in scores}
            lost = max(losses.values())
            first_lost = lost if first_lost is None else first_lost
            if all(loss <= self.tolerated(scene) for scene, loss in losses.items()):
                self.gate[kind] = scores
                return candidate, True, lost
        return old, False, first_lost or 0.0

    def tolerated(self, scene: str) -> float:
        """What a scene may lose, 0 to 1; of home more is known, and less may be lost."""
        up = self.job.up
        return (up.tolerated_at_home if scene == HOME else up.tolerated) / 100

    def expected(self, model: Top | Device | Answers, kind: str) -> Scores:
        """In each scene, of what calibrates, the mean probability of the right answer: the accuracy that is expected of
        who answers by lot as he is sure. Of 300 texts its difference between two versions is known to half a point,
        where that of the accuracy is to two: by that, most of what is rejected would be rejected for nothing."""
        found: Scores = {}
        for scene, part in frozen().calibration.items():
            places = part[: self.job.models.test]
            logits = model.of(places) if isinstance(model, Answers) else self.on(model, places)
            labels = torch.tensor([texts()[place].label for place in places])
            found[str(scene)] = float(soft(logits, self.heat[kind])[torch.arange(len(labels)), labels].mean())
        return found

    def scores(self, model: Top | Device, part: dict[Scene, NDArray[np.int64]]) -> Scores:
        """Accuracy in each scene."""
        found: Scores = {}
        for scene, places in part.items():
            asked = places[: self.job.models.test]
            found[str(scene)] = right(Answers(torch.as_tensor(asked), self.on(model, asked)), asked)
        return found

    def on(self, model: Top | Device, places: NDArray[np.int64]) -> Tensor:
        """(n, 2) logits."""
        if isinstance(model, Device):
            return judged(model, pieces([texts()[place].text for place in places]))
        return judged(model, self.below.of(self.answers.rows(places).tolist()))


def version_file(folder: Path, number: int) -> Path:
    """What a round of the kept stream left, when something went out."""
    return folder / f"round-{number}.pt"


def flips_file(folder: Path) -> Path:
    """What the kept stream changed."""
    return folder / "flips.pt"


def between(old: M, new: M, share: float) -> M:
    """A model whose weights are `share` of the way from one to the other: more is kept of what was new than of what was
    lost (Wortsman et al. 2022)."""
    found = copy.deepcopy(old)
    weights = new.state_dict()
    middle = {name: torch.lerp(weight, weights[name], share) for name, weight in old.state_dict().items()}
    found.load_state_dict(middle)
    return found


def evolve(job: Evolution) -> list[Round]:
    """All rounds of one stream."""
    return Loop(job).run()

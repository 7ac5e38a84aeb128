"""One stream under one policy, round after round: the device answers and picks, people rate what it sends up, the large
model learns, and teaches the device anew. Whatever is worse than before in a scene does not go out."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from demos.coevolution.cascade.choose import threshold
from demos.coevolution.cascade.confidence import confidence, temperature
from demos.coevolution.config import Policy, UpSection
from demos.coevolution.data import SLUG
from demos.coevolution.models.device import LastLayer
from demos.coevolution.training.fit import Lesson, fit, judged, soft, states_of
from demos.coevolution.training.jobs import Scores, course
from demos.coevolution.up.ground import Ground, right, scores_of
from demos.coevolution.up.policies import chosen
from shared.seed import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.coevolution.training.fit import Rows
    from demos.coevolution.up.ground import Right

STATE_BYTES = 2  # of each number of a state that goes up
SHARES = (1.0, 0.5)  # of the way from the old weights to the new ones, at which a version is tried


@dataclass(frozen=True)
class Evolution:
    """seed: of the stream, of the raters and of all that is by lot; ground: what comes, who judges, and the models it
    begins with; whole: test after each round, not after the last one alone; kept: leave each version and what was seen
    of the first stream in `folder`."""

    policy: Policy
    seed: int
    ground: Ground
    up: UpSection
    folder: Path
    device: str
    whole: bool = False
    kept: bool = False


@dataclass(frozen=True)
class Round:
    """What is known after a round. cloud, small: what is right on the test, where it was measured; sent: places of what
    went up with a person's word, asked: number of those that went up as questions; bytes: of both; learned, taught:
    whether the large model's new version went out, and the small one's."""

    cloud: Right | None
    small: Right | None
    sent: list[int] = field(default_factory=list)
    asked: int = 0
    bytes: int = 0
    learned: bool = False
    taught: bool = False


class Loop:
    """The state between rounds."""

    def __init__(self, job: Evolution) -> None:
        self.job, self.ground = job, job.ground
        self.top: Any = self.ground.large()
        self.untaught = self.top
        self.small: Any = self.ground.small()
        self.first: Any = self.small
        self.gate = {"cloud": self.expected(None), "device": self.expected(self.small)}
        self.start = dict(self.gate)
        # Who picks by lot picks the same under all policies, whatever else is by lot there.
        self.picks = generator(job.seed, SLUG, "loop", "picks")
        self.random = generator(job.seed, SLUG, "loop", job.policy)
        self.sent: list[int] = []
        self.targets: list[int | None] = []
        self.asked: list[int] = []

    def run(self) -> list[Round]:
        """All rounds, from the one before the first."""
        found = [Round(self.right(None), self.right(self.small))]
        for number, arrived in enumerate(self.arriving(), start=1):
            found.append(self._round(number, arrived))
        if self.job.kept:
            torch.save(self.flips(), flips_file(self.job.folder))
        return found

    def arriving(self) -> list[NDArray[np.int64]]:
        """What comes to the device in each round."""
        return self.ground.arriving(self.job.seed, self.job.up)

    def _round(self, number: int, arrived: NDArray[np.int64]) -> Round:
        up = self.job.up
        logits, states = self.small_on(arrived)
        picked = arrived[chosen(self.job.policy, confidence(logits), states, up.uploads, self.picks)].tolist()
        as_states = self.job.policy == "states"
        unsure = [] if as_states else arrived[confidence(logits) < self.border()].tolist()
        asked = [place for place in unsure if place not in set(picked)]
        self.sent += picked
        self.targets += self.feedback(picked)
        self.asked += asked
        learned = not as_states and self.learn(number)
        taught = self.learn_from_states(number) if as_states else learned and self.teach(number)
        state = STATE_BYTES * states.shape[1]
        size = sum(state if as_states else self.ground.size(place) for place in picked + asked)
        if self.job.kept and (learned or taught):
            small = self.small.state_dict() if taught else None
            heard = {"sent": list(self.sent), "targets": list(self.targets), "asked": list(self.asked)}
            left = {"top": self.top.state_dict(), "small": small, **heard}
            torch.save(left, version_file(self.job.folder, number))
        told = self._told(number)
        return Round(told.cloud, told.small, picked, len(asked), size, learned, taught)

    def _told(self, number: int) -> Round:
        if not self.job.whole and number < self.job.up.rounds:
            return Round(None, None)
        # As long as nothing went out, what it said before the first round: not the same again, but for rounding.
        return Round(self.right(None if self.top is self.untaught else self.top), self.right(self.small))

    def small_on(self, places: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(n, classes) the device's logits, and (n, w) what its last layer is given."""
        states = states_of(self.small, self.ground.for_the_small(places))
        with torch.inference_mode():
            return self.small.head(states).numpy(), states.numpy()

    def border(self) -> float:
        """Confidence below which something goes up as a question, chosen anew on what calibrates."""
        places = np.concatenate(list(self.ground.calibration.values()))
        return threshold(confidence(self.small_on(places)[0]), self.job.up.asked)

    def feedback(self, picked: list[int]) -> list[int | None]:
        """Of each the class that comes back for it; None for a person who names none. shuffled: words of people, for
        other texts, by which a class is still as frequent as it is; coin: not even that."""
        if self.job.policy == "pseudo-labels":
            return [int(label) for label in self.cloud_on(np.array(picked)).argmax(1)]
        words = [self.ground.word(place, self.job.seed) for place in picked]
        if self.job.policy == "shuffled":
            words = [words[place] for place in self.random.permutation(len(words))]
        if self.job.policy == "coin":
            tossed = self.random.integers(self.ground.classes, size=len(words)).tolist()
            words = [None if word is None else toss for word, toss in zip(words, tossed, strict=True)]
        return words

    def cloud_on(self, places: NDArray[np.int64]) -> Tensor:
        """(n, classes) the large model's logits."""
        return self.on(self.top, places)

    def learn(self, number: int) -> bool:
        """The large model learns from all that was sent and, so that it does not forget home, from what it said of
        what lies there before the first round (Li and Hoiem 2016). Whether the new version goes out."""
        lesson = self.with_home(number, *self.heard())
        if not len(lesson.rows):
            return False
        how = course(self.job.up.cloud, head_factor=1.0)
        candidate = fit(copy.deepcopy(self.top), lesson, how, self.seed_of(number), self.job.device)
        self.top, learned = self.goes_out("cloud", self.top, candidate)
        return learned

    def heard(self) -> tuple[NDArray[np.int64], Tensor]:
        """(n,) places of all that a person said something of so far, and (n, classes) what."""
        said = [(place, target) for place, target in zip(self.sent, self.targets, strict=True) if target is not None]
        places = np.array([place for place, _ in said], dtype=np.int64)
        classes = torch.tensor([target for _, target in said], dtype=torch.long)
        return places, functional.one_hot(classes, self.ground.classes).float()

    def learn_from_states(self, number: int) -> bool:
        """The cloud has of each text what the device's last layer was given of it, which the large model cannot read.
        That layer alone learns, and from what it said of home before the first round. Whether the version goes out."""
        home, (places, targets) = self.rehearsed(number, self.job.up.rehearsed), self.heard()
        everything = np.concatenate([home, places])
        if not len(everything):
            return False
        # What is below that layer is the same in all versions, and so are the states.
        states = states_of(self.small, self.ground.for_the_small(everything)).clone()
        with torch.no_grad():
            before = soft(self.first.head(states[: len(home)]), 1.0)
        candidate = copy.deepcopy(self.small)
        lesson = Lesson(list(states[:, None]), torch.cat([before, targets]))
        how = course(self.job.up.device, head_factor=1.0)
        fit(LastLayer(candidate), lesson, how, self.seed_of(number), self.job.device)
        self.small, taught = self.goes_out("device", self.small, candidate)
        return taught

    def with_home(self, number: int, places: NDArray[np.int64], targets: Tensor) -> Lesson:
        """(n, classes) targets of what is learned, and beside them what was said of home."""
        home = self.rehearsed(number, self.job.up.replay)
        rows = self.ground.for_the_large(np.concatenate([home, places]))
        return Lesson(rows, torch.cat([soft(self.ground.said(home), 1.0), targets]))

    def teach(self, number: int) -> bool:
        """The device's model learns what the large one now says of home and of what came up."""
        home = self.rehearsed(number, self.job.up.rehearsed)
        places = np.concatenate([home, np.array(self.sent + self.asked, dtype=np.int64)])
        how, heat = course(self.job.up.device, head_factor=1.0), self.job.up.device.temperature
        lesson = Lesson(self.ground.for_the_small(places), soft(self.cloud_on(places), heat), temperature=heat)
        candidate = fit(copy.deepcopy(self.small), lesson, how, self.seed_of(number), self.job.device)
        self.small, taught = self.goes_out("device", self.small, candidate)
        return taught

    def rehearsed(self, number: int, count: int) -> NDArray[np.int64]:
        """Places at home, by a lot of the stream and the round: the same under all policies."""
        return generator(self.job.seed, SLUG, "rehearsed", str(number)).permutation(self.ground.at_home)[:count]

    def flips(self) -> dict[str, list[Any]]:
        """Places of the test whose answer the large model changed since the first round, whether it is right now, and
        for each what was sent up that is nearest to it, as the large model sees them now, with the cosine."""
        places = np.concatenate(list(self.ground.test.values()))
        now = self.on(self.top, places).argmax(1).numpy()
        turned = now != self.ground.said(places).argmax(1).numpy()
        if not turned.any():
            return {"places": [], "right": [], "nearest": [], "cosines": []}
        seen = [
            functional.normalize(states_of(self.top, self.ground.for_the_large(np.array(each))), dim=1)
            for each in (places[turned], self.sent)
        ]
        cosines = seen[0] @ seen[1].T
        return {
            "places": places[turned].tolist(),
            "right": (now == self.ground.labels(places))[turned].tolist(),
            "nearest": [self.sent[place] for place in cosines.argmax(1).tolist()],
            "cosines": cosines.amax(1).tolist(),
        }

    def seed_of(self, number: int) -> int:
        """Of a training in a round."""
        return 1000 * self.job.seed + number

    def goes_out(self, kind: str, old: Any, new: Any) -> tuple[Any, bool]:
        """What takes the place of `old`: `new`, or if that loses too much in a scene, what lies half-way between their
        weights, or `old` itself; and whether it is another. A loss is against `old`, and against what was there before
        the first round, so that small losses do not add up."""
        for share in SHARES:
            candidate = new if share == 1 else between(old, new, share)
            scores = self.expected(candidate)
            before = {scene: max(self.start[kind][scene], score) for scene, score in self.gate[kind].items()}
            if all(before[scene] - score <= self.tolerated(scene) for scene, score in scores.items()):
                self.gate[kind] = scores
                return candidate, True
        return old, False

    def tolerated(self, scene: str) -> float:
        """What a scene may lose, 0 to 1; of home more is known, and less may be lost."""
        up = self.job.up
        return (up.tolerated_at_home if scene == self.ground.home else up.tolerated) / 100

    def expected(self, model: nn.Module | None) -> Scores:
        """In each scene, of what calibrates, the mean probability of the right answer: the accuracy that is expected of
        who answers by lot as he is sure. Of 300 texts its difference between two versions is known to half a point,
        where that of the accuracy is to two: by that, most of what is rejected would be rejected for nothing. The
        temperature is each model's own, from home: nobody is better for being surer.

        model: None for the large one as it was before the first round."""
        labels = {scene: self.ground.labels(places) for scene, places in self.ground.calibration.items()}
        logits = {scene: self.on(model, places) for scene, places in self.ground.calibration.items()}
        heat = temperature(logits[self.ground.home].numpy(), labels[self.ground.home])
        return {
            scene: float(soft(logits[scene], heat)[torch.arange(len(each)), torch.as_tensor(each)].mean())
            for scene, each in labels.items()
        }

    def right(self, model: nn.Module | None) -> Right:
        """What is right on the test of each scene."""
        return {
            scene: right(self.on(model, places), self.ground.labels(places))
            for scene, places in self.ground.test.items()
        }

    def scores(self, model: nn.Module | None) -> Scores:
        """Accuracy in each scene."""
        return scores_of(self.right(model))

    def on(self, model: nn.Module | None, places: NDArray[np.int64]) -> Tensor:
        """(n, classes) logits; model: None for the large one as it was before the first round."""
        if model is None:
            return self.ground.said(places)
        small = type(model) is type(self.small)
        rows: Rows = (self.ground.for_the_small if small else self.ground.for_the_large)(places)
        return judged(model, rows, device=self.job.device)


def version_file(folder: Path, number: int) -> Path:
    """What a round of the kept stream left, when something went out."""
    return folder / f"round-{number}.pt"


def flips_file(folder: Path) -> Path:
    """What the kept stream changed."""
    return folder / "flips.pt"


def between(old: Any, new: Any, share: float) -> Any:
    """A model whose weights are `share` of the way from one to the other: more is kept of what was new than of what was
    lost (Wortsman et al. 2022)."""
    found = copy.deepcopy(old)
    weights = new.state_dict()
    middle = {
        name: torch.lerp(weight, weights[name], share) if weight.is_floating_point() else weights[name]
        for name, weight in old.state_dict().items()
    }
    found.load_state_dict(middle)
    return found


def evolve(job: Evolution) -> list[Round]:
    """All rounds of one stream."""
    return Loop(job).run()

"""All policies on the same streams."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from demos.coevolution.config import Policy, UpSection
from demos.coevolution.data import HOME
from demos.coevolution.training.jobs import MATERIALS
from demos.coevolution.up.evolve import Evolution, Round, evolve
from demos.coevolution.up.ground import Sentences
from shared import device as devices
from shared.evaluation.intervals import crossed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.coevolution.training.trained import Trained
    from shared.result import Interval

AT_HOME = MATERIALS[2]  # what the device has learned from before a new scene comes


@dataclass(frozen=True)
class Changes:
    """What streams brought, or brought more than others. parts: of each scene (streams, texts) points: 100 for a text
    that is right and was not, -100 for one that was and is not."""

    parts: list[NDArray[np.float64]]

    def __sub__(self, others: Changes) -> Changes:
        """What these brought more than others did on the same streams."""
        return Changes([mine - theirs for mine, theirs in zip(self.parts, others.parts, strict=True)])

    @property
    def mean(self) -> float:
        """Over streams and texts, and then over scenes [points]."""
        return float(np.mean([part.mean() for part in self.parts]))

    @property
    def interval(self) -> Interval:
        """Of the mean: other streams, and other texts that test."""
        return crossed(self.parts, units="streams", items="texts")

    @property
    def told(self) -> str:
        """The mean with its interval."""
        interval = self.interval
        return f"{self.mean:+.1f} ({interval.low:+.1f} to {interval.high:+.1f})"


@dataclass(frozen=True)
class Found:
    """Of each policy the rounds of each stream, from before the first; home: the scene that is not new."""

    streams: dict[Policy, list[list[Round]]]
    home: str = HOME

    def gains(self, policy: Policy, model: str) -> Changes:
        """What came in the new scenes from before the first round to after the last. model: "cloud" or "small"."""
        return Changes([self._change(policy, model, scene) for scene in self.scenes[1:]])

    def in_scene(self, policy: Policy, model: str, scene: str) -> Changes:
        """In one of the scenes."""
        return Changes([self._change(policy, model, scene)])

    def at_home(self, policy: Policy, model: str) -> Changes:
        """In the scene that is not new."""
        return self.in_scene(policy, model, self.home)

    def ends(self, policy: Policy, model: str, scene: str) -> tuple[float, float]:
        """Accuracy in a scene before the first round and after the last, mean of all streams [%]."""
        before, after = (100 * float(part.mean()) for part in self._ends(policy, model, scene))
        return before, after

    @property
    def scenes(self) -> list[str]:
        """All, home first."""
        (rounds, *_), *_ = self.streams.values()
        tested = rounds[0].cloud
        assert tested is not None
        return sorted(tested, key=lambda scene: scene != self.home)

    def _change(self, policy: Policy, model: str, scene: str) -> NDArray[np.float64]:
        before, after = self._ends(policy, model, scene)
        return 100 * (after - before)

    def _ends(self, policy: Policy, model: str, scene: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(streams, texts) what is right, before and after."""
        before, after = (
            np.array([getattr(rounds[place], model)[scene] for rounds in self.streams[policy]], dtype=float)
            for place in (0, -1)
        )
        return before, after


def evolution(trained: Trained, number: int, up: UpSection, policy: Policy = "random") -> Evolution:
    """Stream number i begins with the models of home number i, over and over."""
    files = trained.lying("device", AT_HOME)
    home = number % len(trained.seeds)
    return Evolution(
        policy,
        trained.config.seed + number,
        Sentences(trained.config.models, trained.seeds[home], trained.folder, files[home]),
        up,
        trained.folder,
        devices.resolve(trained.config.device),
        whole=number < up.whole,
    )


def compare(trained: Trained, up: UpSection) -> Found:
    """Each policy on each stream."""
    jobs = [evolution(trained, number, up, policy) for policy in up.policies for number in range(up.seeds)]
    jobs[0] = replace(jobs[0], kept=True)
    streams: dict[Policy, list[list[Round]]] = {}
    for job, rounds in zip(jobs, trained.run.map("streams", evolve, jobs), strict=True):
        streams.setdefault(job.policy, []).append(rounds)
    return Found(streams)

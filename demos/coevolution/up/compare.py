"""All policies on the same streams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from demos.coevolution.config import Policy, UpSection
from demos.coevolution.data import HOME
from demos.coevolution.training.jobs import MATERIALS
from demos.coevolution.up.evolve import Evolution, Round, evolve
from demos.coevolution.up.stream import NEW
from shared import device as devices

if TYPE_CHECKING:
    from demos.coevolution.training.jobs import Scores
    from demos.coevolution.training.trained import Trained

AT_HOME = MATERIALS[2]  # what the device has learned from before a new scene comes


@dataclass(frozen=True)
class Found:
    """Of each policy the rounds of each stream, from before the first."""

    streams: dict[Policy, list[list[Round]]]

    def gains(self, policy: Policy, model: str) -> list[float]:
        """What each stream brought in the new scenes, their mean [points]. model: "cloud" or "small"."""
        return [_new(last) - _new(first) for first, last in self._ends(policy, model)]

    def at_home(self, policy: Policy, model: str) -> list[float]:
        """What each stream brought at home [points]."""
        return [100 * (last[HOME] - first[HOME]) for first, last in self._ends(policy, model)]

    def ends(self, policy: Policy, model: str, scene: str) -> tuple[list[float], list[float]]:
        """Accuracy in a scene before the first round of each stream and after the last [%]."""
        pairs = self._ends(policy, model)
        return [100 * first[scene] for first, _ in pairs], [100 * last[scene] for _, last in pairs]

    def _ends(self, policy: Policy, model: str) -> list[tuple[Scores, Scores]]:
        found = []
        for rounds in self.streams[policy]:
            first, last = (getattr(rounds[place], model) for place in (0, -1))
            found.append((first, last))
        return found


def _new(scores: Scores) -> float:
    return 100 * float(np.mean([scores[scene] for scene in NEW]))


def compare(trained: Trained, up: UpSection) -> Found:
    """Each policy on each stream; stream number i begins with the models of home number i, over and over."""
    trained.clouds()
    device = devices.resolve(trained.config.device)
    files = trained.lying("device", AT_HOME)
    jobs = []
    for policy in up.policies:
        for number in range(up.seeds):
            home = number % len(trained.seeds)
            jobs.append(
                Evolution(
                    policy,
                    trained.config.seed + number,
                    trained.seeds[home],
                    files[home],
                    trained.config.models,
                    up,
                    trained.folder,
                    device,
                    whole=number < up.whole,
                    kept=policy == up.policies[0] and number == 0,
                )
            )
    streams: dict[Policy, list[list[Round]]] = {}
    for job, rounds in zip(jobs, trained.run.map("streams", evolve, jobs), strict=True):
        streams.setdefault(job.policy, []).append(rounds)
    return Found(streams)

"""All injected faults through the detector and its peers, fanned out by kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from demos.renewables.faults.config import FaultsConfig
from demos.renewables.faults.inject import PV_KINDS, WIND_KINDS, Injection, draw_pv, draw_wind
from demos.renewables.faults.peers import Peer, peer_outcome, system
from demos.renewables.faults.peers_pv import pv_forest, pvanalytics_filters
from demos.renewables.faults.peers_wind import openoa_filters, wind_forest
from demos.renewables.faults.prepare import Prepared
from demos.renewables.faults.replay import Outcome, Replay

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from shared.demo import Run

OURS = "streaming detector"
PARTS = 4


@dataclass(frozen=True)
class Task:
    """A share of the injections of one kind, with all that judges them."""

    plant: str
    kind: str
    injections: list[Injection]
    replays: Mapping[str, Replay]
    peers: list[Peer]
    untouched: Mapping[tuple[str, str], NDArray[np.bool_]]
    seed: int


Outcomes = dict[tuple[str, str, str], list[Outcome]]  # (plant, kind, method) -> one of each injection, in order


def train_peers(prepared: Prepared, config: FaultsConfig, seed: int) -> dict[str, list[Peer]]:
    """Peers by plant, each set on the training part with the same budget of false alarms."""
    found: dict[str, list[Peer]] = {}
    events, budget, trees = prepared.events, config.budget, config.trees
    if prepared.pv is not None:
        record = prepared.pv.training
        found["PV"] = [
            pvanalytics_filters(record, events, budget),
            pv_forest(record, events, budget, trees, seed),
        ]
    if prepared.farm is not None:
        records = list(prepared.farm.training.values())
        found["wind"] = [openoa_filters(records, events, budget), wind_forest(records, events, budget, trees, seed)]
    return found


def judge_all(
    prepared: Prepared, peers: Mapping[str, list[Peer]], config: FaultsConfig, seed: int, run: Run
) -> Outcomes:
    """Draw the injections on the held-out days and replay each once with every method."""
    tasks = []
    drawn = _drawn(prepared, config, seed)
    plants = {plant: replays for plant, _, _, replays in drawn}
    flags = {
        plant: {(peer.name, name): peer.flags(one.record) for peer in peers[plant] for name, one in replays.items()}
        for plant, replays in plants.items()
    }
    for plant, kind, injections, replays in drawn:
        for part in range(PARTS):
            share = injections[part::PARTS]
            if share:
                own = {name: replays[name] for name in {one.system for one in share}}
                untouched = {key: value for key, value in flags[plant].items() if key[1] in own}
                tasks.append(Task(plant, kind, share, own, peers[plant], untouched, seed))
    found: Outcomes = {}
    for task, results in zip(tasks, run.map("injected faults", judge, tasks), strict=True):
        for method, outcomes in results.items():
            found.setdefault((task.plant, task.kind, method), []).extend(outcomes)
    return {key: sorted(outcomes, key=lambda one: one.injection.number) for key, outcomes in found.items()}


def _drawn(
    prepared: Prepared, config: FaultsConfig, seed: int
) -> list[tuple[str, str, list[Injection], Mapping[str, Replay]]]:
    found: list[tuple[str, str, list[Injection], Mapping[str, Replay]]] = []
    if prepared.pv is not None:
        record = prepared.pv.held_out
        for kind in PV_KINDS:
            drawn = draw_pv(record, prepared.events, kind, config.injections, seed)
            found.append(("PV", kind, drawn, {record.system: prepared.pv.replay}))
    if prepared.farm is not None:
        for kind in WIND_KINDS:
            drawn = draw_wind(prepared.farm.held_out, prepared.events, kind, config.injections, seed)
            found.append(("wind", kind, drawn, prepared.farm.replay))
    return found


def judge(task: Task) -> dict[str, list[Outcome]]:
    """Outcomes of one task by method."""
    found = {OURS: [task.replays[one.system].outcome(one, task.seed) for one in task.injections]}
    for peer in task.peers:
        outcomes = []
        for one in task.injections:
            record = task.replays[one.system].record
            flags = task.untouched[(peer.name, system(record))]
            outcomes.append(peer_outcome(peer, record, flags, one, task.seed))
        found[peer.name] = outcomes
    return found

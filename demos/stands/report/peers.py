"""Whom ours is compared with: the best buffer, and peers brought to the same share of passengers at contact stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from demos.stands.plan import CLIMATOLOGY_MENDED, ON_THE_DAY, DayPlans, buffer_name
from demos.stands.replay import Replay

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.stands.config import StandsConfig

OURS = ON_THE_DAY


@dataclass(frozen=True)
class Peer:
    """A peer by name: its conflict minutes by day (days,) and its contact share over them."""

    name: str
    minutes: NDArray[np.float64]
    contact: float


def minutes(days: Sequence[DayPlans], method: str, rule: int = 0) -> NDArray[np.float64]:
    """(days,) conflict minutes of a method; rule 0 is the configured on-block rule, then the alternatives."""
    return np.array([day.replays[method].minutes[rule] for day in days])


def contact_share(replays: Sequence[Replay]) -> float:
    """Share of all passengers (seats) whose turn has a contact stand, 0 to 1."""
    total = sum(replay.passengers for replay in replays)
    return 1 - sum(replay.remote_passengers + replay.unassigned_passengers for replay in replays) / total


def method_contact(days: Sequence[DayPlans], method: str) -> float:
    """Contact share of a method over all days."""
    return contact_share([day.replays[method] for day in days])


def peer_of(days: Sequence[DayPlans], method: str) -> Peer:
    """A method as it is."""
    return Peer(method, minutes(days, method), method_contact(days, method))


def best_buffer(days: Sequence[DayPlans], config: StandsConfig) -> str:
    """The first-come peer at its best: the buffer with the fewest conflict minutes on these very days."""
    names = [buffer_name(buffer) for buffer in config.evaluation.buffers]
    return min(names, key=lambda name: minutes(days, name).sum())


def equal_contact_buffer(days: Sequence[DayPlans], config: StandsConfig) -> Peer:
    """First come with the same contact share as ours."""
    peers = [
        Peer(f"{buffer} min", minutes(days, buffer_name(buffer)), method_contact(days, buffer_name(buffer)))
        for buffer in config.evaluation.buffers
    ]
    found = at_equal_contact(peers, method_contact(days, OURS))
    return Peer(f"first come, {found.name} buffer{'s mixed' if ' and ' in found.name else ''}", found.minutes,
                found.contact)  # fmt: skip


def equal_contact_climatology(days: Sequence[DayPlans]) -> Peer:
    """Search and mending without learning, at our contact share: a mix of plans over the price of a remote stand."""
    peers = [Peer("price x1", minutes(days, CLIMATOLOGY_MENDED), method_contact(days, CLIMATOLOGY_MENDED))]
    for weight in sorted(weight for method, weight in days[0].front if method == CLIMATOLOGY_MENDED):
        replays = [day.front[CLIMATOLOGY_MENDED, weight] for day in days]
        values = np.array([replay.minutes[0] for replay in replays])
        peers.append(Peer(f"price x{weight:g}", values, contact_share(replays)))
    found = at_equal_contact(peers, method_contact(days, OURS))
    return Peer(f"{CLIMATOLOGY_MENDED}, {found.name}", found.minutes, found.contact)


def at_equal_contact(peers: Sequence[Peer], ours: float) -> Peer:
    """A mix of two peers, one on some days, the other on the rest, with the contact share `ours`.

    Of all such pairs, and of all peers with at least that share as they are, the one with the fewest conflict minutes.
    Where no peer reaches the share, the one with the highest.
    """
    found = [peer for peer in peers if peer.contact >= ours]
    for high in peers:
        for low in peers:
            if high.contact >= ours > low.contact:
                share = (ours - low.contact) / (high.contact - low.contact)
                mixed = share * high.minutes + (1 - share) * low.minutes
                found.append(Peer(f"{high.name} and {low.name}", mixed, ours))
    if not found:
        return max(peers, key=lambda peer: peer.contact)
    return min(found, key=lambda peer: peer.minutes.sum())

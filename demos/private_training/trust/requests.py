"""What owners are asked for in the chapter, and what their ledger answers: questions, trainings, and one too many."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from demos.private_training.learn.networks import linear
from demos.private_training.step.bits import SeededBits
from demos.private_training.trust.airports import WIDTH, at_most, units
from demos.private_training.trust.compare import recipe, rows_of
from demos.private_training.trust.federate import federate, private_share
from demos.private_training.trust.ledger import EPSILON_PARTS, Ledger
from demos.private_training.trust.owner import Owner
from shared.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from demos.private_training.config import PrivateTrainingConfig
    from shared.demo import Run

GRANTED, ANSWERED, TRAINED, REFUSED = "granted", "answered", "trained", "refused"


@dataclass(frozen=True)
class Request:
    """what: in words; owners: who were asked; epsilon: of each; outcome: one of the four; told: more of it. spent,
    granted: of each owner of the ledger, after it."""

    what: str
    owners: list[str]
    epsilon: float
    outcome: str
    told: str
    spent: dict[str, float]
    granted: dict[str, float]


def asked(config: PrivateTrainingConfig, run: Run) -> tuple[list[Request], Ledger]:
    """All requests in order, on a ledger in the run's folder."""
    trust = config.trust
    rows = at_most(rows_of(config), trust.rows, config.seed)
    owners = [Owner(name, units(rows.of(name))) for name in trust.owners]
    ledger, epsilon = Ledger(run.folder / "ledger.sqlite"), max(trust.epsilons)
    for name in trust.owners:
        ledger.grant(name, trust.grant, 10 * trust.delta)

    def ask(owner: Owner) -> str:
        bits = SeededBits(config.seed, "trust", "question", owner.name)
        cost = {"epsilon": trust.query, "delta": trust.delta / 10}
        share = private_share(owner, **cost, ledger=ledger, purpose="share of late arrivals", bits=bits)
        return f"{100 * share:.1f} % late"

    def train(cost: float, rounds: int) -> str:
        federate(
            linear(WIDTH, 2),
            owners,
            recipe(rounds, len(owners)),
            epsilon=cost,
            delta=trust.delta,
            ledger=ledger,
            purpose="delays, together",
            seed=config.seed,
            backend=trust.backend,
        )
        return f"{rounds} rounds"

    steps: list[tuple[str, list[str], float, str, Callable[[], str]]] = [
        *[("question", [owner.name], trust.query, ANSWERED, partial(ask, owner)) for owner in owners[:2]],
        ("trial", trust.owners, trust.trial, TRAINED, partial(train, trust.trial, max(1, trust.steps // 4))),
        ("training", trust.owners, epsilon, TRAINED, partial(train, epsilon, trust.steps)),
        ("one more", trust.owners, epsilon, TRAINED, partial(train, epsilon, trust.steps)),
    ]
    found = [Request("grant", trust.owners, trust.grant, GRANTED, "", *_balances(ledger))]
    for what, names, cost, outcome, action in run.track("requests to the ledger", steps):
        found.append(_request(ledger, what, names, cost, outcome, action))
    return found, ledger


def _request(
    ledger: Ledger, what: str, owners: list[str], epsilon: float, outcome: str, action: Callable[[], str]
) -> Request:
    try:
        told = action()
    except UserError as error:
        # Others are for the user to see.
        if "refused" not in str(error):
            raise
        outcome, told = REFUSED, str(error).removeprefix("ledger: refused: ")
    return Request(what, owners, epsilon, outcome, told, *_balances(ledger))


def _balances(ledger: Ledger) -> tuple[dict[str, float], dict[str, float]]:
    balances = ledger.balances()
    return tuple(  # type: ignore[return-value]
        {name: getattr(balance, which)[0] / EPSILON_PARTS for name, balance in balances.items()}
        for which in ("spent", "granted")
    )

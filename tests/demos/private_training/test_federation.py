"""Owners who train one model: what the sum promises, who sees what, and what the ledger refuses."""

import contextlib
import copy
import dataclasses
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from demos.private_training.budget.accountant import Mechanism, epsilon_of, multiplier_for
from demos.private_training.learn.fit import Recipe, Units, fit
from demos.private_training.learn.networks import linear
from demos.private_training.step.bits import SeededBits
from demos.private_training.step.noise import SLACK
from demos.private_training.trust import federate as module
from demos.private_training.trust.federate import federate, private_share, trained_together
from demos.private_training.trust.ledger import Ledger
from demos.private_training.trust.owner import Owner, code_hash, numbers
from demos.private_training.trust.plan import Sight, epsilon_against, multiplier_against, planned
from shared.errors import UserError
from tests.conftest import ROOT
from tests.demos.private_training.three_owners import NAMES, RECIPE, one_more, plan, table, three, weights


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    for name in NAMES:
        ledger.grant(name, 2.0, 1e-4)
    return ledger


@pytest.mark.parametrize("parallel", [True, False])
def test_a_unit_at_all_owners_moves_the_total_by_the_bound_at_most(parallel: bool) -> None:
    owners, agreed, start = three(), plan(three()), linear(5, 2)
    moved = torch.zeros(12, dtype=torch.float64)
    for place, owner in enumerate(owners):
        # Rows that pull all the same way are the worst that can happen.
        row = torch.full((5,), 100.0) if parallel else 100 * torch.eye(5)[place]
        more = Owner(owner.name, one_more(owner.units, row, 0))
        before, after = (numbers(one, start, agreed, 0) for one in (owner, more))
        moved += torch.from_numpy(after - before)
    length = float(moved.norm()) * agreed.step(12) / RECIPE.bound
    assert length <= 1 + SLACK
    # At right angles less than the sum of the three shares: only that sum holds for every case.
    assert length > 0.999 if parallel else length < 0.9


@pytest.mark.parametrize(("noise", "share"), [("shared", 1.0), ("alone", math.sqrt(3))])
def test_the_total_has_the_noise_that_was_promised(noise: Any, share: float) -> None:
    owners = [Owner(name, table(place, 4, 400)) for place, name in enumerate(NAMES)]
    plain, noisy = plan(owners), plan(owners, 2.0, noise=noise)
    start, size = linear(400, 2), 802
    total = np.zeros(0)
    for step in range(5):
        parts = [numbers(owner, start, noisy, step) - numbers(owner, start, plain, step) for owner in owners]
        assert len({part.tobytes() for part in parts}) == 3
        total = np.concatenate([total, sum(parts) * noisy.step(size)])
    wanted = share * 2.0 * RECIPE.bound * (1 + SLACK)
    assert abs(total.std() / wanted - 1) < 5 / math.sqrt(2 * len(total))
    assert abs(total.mean()) < 5 * wanted / math.sqrt(len(total))


def test_without_noise_it_is_training_on_all_parts_in_one_place() -> None:
    owners = three()
    together = trained_together(linear(5, 2), owners, plan(owners))
    pool = Units(*(torch.cat([getattr(owner.units, part) for owner in owners]) for part in ("inputs", "labels")))
    central = fit(linear(5, 2), pool, dataclasses.replace(RECIPE, bound=RECIPE.bound / 3), 0.0, SeededBits(0))
    assert float(weights(central).norm()) > 0.05
    # The lattice of three owners is all that is between them.
    torch.testing.assert_close(weights(together), weights(central), rtol=1e-3, atol=1e-5)


def test_noise_alone_moves_the_model_by_what_central_noise_would() -> None:
    owners = three()
    plain = weights(trained_together(linear(5, 2), owners, plan(owners)))
    pool = Units(*(torch.cat([getattr(owner.units, part) for owner in owners]) for part in ("inputs", "labels")))
    third = dataclasses.replace(RECIPE, bound=RECIPE.bound / 3)
    ours, theirs = [], []
    for seed in range(40):
        ours.append(weights(trained_together(linear(5, 2), owners, plan(owners, 1.0, seed=seed))) - plain)
        # The same noise in units of a third of the bound.
        theirs.append(weights(fit(linear(5, 2), pool, third, 3.0, SeededBits(seed))) - plain)
    spreads = [float(torch.stack(part).std()) for part in (ours, theirs)]
    assert spreads[0] == pytest.approx(spreads[1], rel=0.2)


def test_the_model_is_the_same_with_the_same_seed_and_another_without() -> None:
    owners = three()
    first, again, other, system = (
        weights(trained_together(linear(5, 2), owners, plan(owners, 1.0, seed=seed))) for seed in (1, 1, 2, None)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, system)


def test_no_coalition_sees_more_than_was_promised() -> None:
    owners = three()
    for noise in ("shared", "alone"):
        agreed = dataclasses.replace(planned(RECIPE, 3, 120, 1.0, 1e-5), noise=noise)
        promised = multiplier_against(agreed, Sight("a reader"))
        assert promised == pytest.approx(agreed.multiplier * (1 if noise == "shared" else math.sqrt(3)))
        for own in (1, 2):
            assert multiplier_against(agreed, Sight("owners", own=own)) > promised
        assert multiplier_against(agreed, Sight("all", own=3)) == math.inf
        assert epsilon_against(agreed, Sight("all", own=3), 1e-5) == 0
    shared = planned(RECIPE, len(owners), 120, 1.0, 1e-5)
    assert epsilon_against(shared, Sight("a reader"), 1e-5) <= 1.001
    assert epsilon_against(shared, Sight("a reader", bare=1), 1e-5) > 1.1
    # Each all the noise: what one honest owner adds keeps the promise.
    alone = dataclasses.replace(shared, noise="alone")
    assert epsilon_against(alone, Sight("a reader", bare=2), 1e-5) <= 1.001


def test_the_ledger_pays_first_and_an_overdrawn_one_trains_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners, start = three(), linear(5, 2)
    common: dict[str, Any] = {"delta": 1e-5, "ledger": ledger, "purpose": "delays"}
    federate(start, owners, RECIPE, epsilon=1.5, **common)
    assert [balance.left[0] for balance in ledger.balances().values()] == [0.5] * 3
    reserved = [line for line in ledger.lines() if line.kind == "commit"]
    assert len(reserved) == 3
    assert reserved[0].purpose == f"delays; code {code_hash()[:12]}, attestation simulated"

    def never(*arguments: Any) -> nn.Module:
        raise AssertionError("rows were looked at")

    monkeypatch.setattr(module, "trained_together", never)
    with pytest.raises(UserError, match=r"^ledger: refused: epsilon 1.5 of 'north', who has 0.5 left of 2$"):
        federate(start, owners, RECIPE, epsilon=1.5, **common)
    # Of tensors that have shapes and no numbers none can be looked at.
    for owner in owners:
        object.__setattr__(owner, "units", owner.units.to("meta"))
    with pytest.raises(UserError, match="'east' has granted nothing"):
        federate(start, [*owners, Owner("east", table(9))], RECIPE, epsilon=0.1, **common)


@pytest.mark.parametrize(
    ("owners", "recipe", "words"),
    [
        ([Owner("north", table(0))], RECIPE, "at least 2 owners, got 1"),
        ([Owner("north", table(0))] * 2, RECIPE, "different names"),
        (three(), dataclasses.replace(RECIPE, rate=0.5), "the rate must be 1, not 0.5"),
        ([*three(), Owner("east", table(0, width=6))], RECIPE, "same shape at all owners"),
        ([Owner(name, table(0, width=6)) for name in NAMES], RECIPE, r"does not take rows of the shape \(6,\)"),
        ([*three(), Owner("east", table(0), classes=3)], RECIPE, "'east' has labels of 3 classes, the model of 2"),
    ],
)
def test_what_is_wrong_is_one_line_and_costs_nothing(
    owners: list[Owner], recipe: Recipe, words: str, ledger: Ledger
) -> None:
    with pytest.raises(UserError, match=words) as raised:
        federate(linear(5, 2), owners, recipe, epsilon=1, delta=1e-5, ledger=ledger, purpose="x")
    assert "\n" not in str(raised.value)
    assert not [line for line in ledger.lines() if line.kind != "grant"]


def test_a_delta_that_would_allow_to_publish_a_unit_is_refused(ledger: Ledger) -> None:
    common: dict[str, Any] = {"epsilon": 1.0, "delta": 0.02, "ledger": ledger, "purpose": "x"}
    for ask in (
        lambda: federate(linear(5, 2), three(), RECIPE, **common),
        lambda: private_share(Owner("north", table(0, 60)), **common),
    ):
        with pytest.raises(UserError, match=r"delta = 0\.02 is not below 1/N"):
            ask()
    assert not [line for line in ledger.lines() if line.kind != "grant"]


def test_a_model_through_which_units_see_each_other_is_refused_by_name(ledger: Ledger) -> None:
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    with pytest.raises(UserError, match="1 is a BatchNorm1d"):
        federate(model, three(), RECIPE, epsilon=1, delta=1e-5, ledger=ledger, purpose="x")
    with pytest.raises(UserError, match="1 is a BatchNorm1d"):
        fit(model, table(0), RECIPE, 1.0, SeededBits(0))


def test_an_owner_without_rows_or_with_other_labels_is_refused() -> None:
    with pytest.raises(UserError, match="unit 1 has labels"):
        Owner("north", Units(torch.ones(2, 1, 5), torch.full((2, 1), 7)))
    with pytest.raises(UserError, match="'north' has no rows"):
        Owner("north", Units(torch.ones(0, 1, 5), torch.ones(0, 1, dtype=torch.int64)))


def test_too_little_noise_for_the_lattice_is_refused() -> None:
    with pytest.raises(UserError, match="too small for the lattice"):
        plan(three(), 1e-6).own_noise(12)


def test_a_question_is_answered_with_noise_and_paid_for(ledger: Ledger) -> None:
    owner = Owner("north", table(0, 4000))
    true = float(owner.units.labels.double().mean())
    answers = [
        private_share(owner, epsilon=0.1, delta=1e-6, ledger=ledger, purpose="late", bits=SeededBits(seed))
        for seed in range(15)
    ]
    spread = multiplier_for(0.1, 1e-6, 1.0, 1) / 4000
    assert epsilon_of(Mechanism(spread * 4000, 1.0, 1), 1e-6) <= 0.1
    assert 0.5 * spread < np.std(answers) < 2 * spread
    assert abs(np.mean(answers) - true) < 5 * spread / math.sqrt(15)
    assert ledger.balances()["north"].left[0] == pytest.approx(0.5)


def test_the_share_is_of_label_1_among_any() -> None:
    units = table(0, 3000)
    labels = torch.arange(3000)[:, None].expand(-1, 3) % 3
    owner = Owner("north", dataclasses.replace(units, labels=labels), classes=3)
    ledger = Granting()
    share = private_share(owner, epsilon=5, delta=1e-5, ledger=ledger, purpose="x", bits=SeededBits(0))  # type: ignore[arg-type]
    assert share == pytest.approx(1 / 3, abs=0.01)


class Granting:
    """A ledger of owners who grant all."""

    @contextlib.contextmanager
    def spending(self, *_: Any) -> Iterator[None]:
        yield


def test_the_card_shows_how_it_is_done_with_ones_own_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = (ROOT / "demos" / "private_training" / "README.md").read_text()
    (code,) = (block for block in re.findall(r"```python\n(.*?)```", card, re.S) if "federate(" in block)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code, names)
    before = copy.deepcopy(linear(8, 2))
    assert not torch.equal(weights(names["model"]), weights(before))
    assert (tmp_path / "ledger.sqlite").is_file()

"""The chapter of three airports."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from demos.private_training.budget.accountant import Mechanism, epsilon_of, epsilon_of_all
from demos.private_training.config import PrivateTrainingConfig
from demos.private_training.demo import DEMO
from demos.private_training.trust.airports import WIDTH, at_most, departures, split, units
from demos.private_training.trust.compare import rows_of
from demos.private_training.trust.ledger import Ledger
from shared.config import load
from shared.errors import UserError
from shared.execute import Options, execute

FEW = [
    "chapters=[trust]",
    "trust.epsilons=[3.0]",
    "trust.seeds=2",
    "trust.aircraft=200",
    "trust.rows=4",
    "trust.steps=4",
]


def test_departures_are_those_that_arrived_and_features_have_length_one() -> None:
    rows = departures()
    assert len(rows) == 327_346
    assert [len(rows.of(name)) for name in rows.names] == [117_127, 109_079, 101_140]
    # The first day of 2013 was a Tuesday, and there were 53 of them, of each other day 52.
    assert set(rows.classes[:, 1]) == set(range(7))
    assert np.bincount(rows.classes[:, 1]).argmin() == 5  # fewest on Saturdays
    few = rows.only(np.arange(1000)).features()
    assert few.shape == (1000, WIDTH)
    np.testing.assert_allclose(np.linalg.norm(few, axis=1), 1, rtol=1e-6)


def test_no_aircraft_is_trained_on_and_tested() -> None:
    rows = rows_of(PrivateTrainingConfig())
    test, train = split(rows, 0.2, 1, "test")
    assert not set(test.tails) & set(train.tails)
    assert len(test) + len(train) == len(rows)
    assert len(set(departures().tails) - set(rows.tails)) == 404


def test_a_unit_is_an_aircraft_with_some_of_its_rows_of_each_owner() -> None:
    rows = departures()
    kept = at_most(rows, 5, 0)
    _, counts = np.unique(kept.tails.astype(np.int64) * 3 + kept.owners, return_counts=True)
    before = np.unique(rows.tails.astype(np.int64) * 3 + rows.owners, return_counts=True)[1]
    np.testing.assert_array_equal(counts, np.minimum(before, 5))
    own = units(kept.of("JFK"))
    assert len(own) == len(set(rows.of("JFK").tails))
    assert own.weights is not None
    torch.testing.assert_close(own.weights.sum(1), torch.ones(len(own)))
    # Of each unit as much is late as of its rows.
    late = (own.labels * own.weights).sum(1).numpy()
    there = kept.of("JFK")
    first = there.tails == np.unique(there.tails)[0]
    assert late[0] == pytest.approx(there.late[first].mean())


def test_what_is_seen_of_an_aircraft_does_not_depend_on_another() -> None:
    rows = departures()
    kept = at_most(rows, 5, 0)
    without = rows.tails != rows.tails[0]
    again = at_most(rows.only(without), 5, 0)
    before = kept.only(kept.tails != rows.tails[0])
    for part in ("classes", "late", "tails", "owners"):
        np.testing.assert_array_equal(getattr(again, part), getattr(before, part))
    assert not np.array_equal(kept.classes, at_most(rows, 5, 1).classes)


def test_owners_alone_cost_a_unit_at_all_of_them_what_one_training_together_does() -> None:
    together = Mechanism(8.0, 1.0, 40)
    each = Mechanism(8.0 * math.sqrt(3), 1.0, 40)
    assert epsilon_of_all([each] * 3, 1e-5) == pytest.approx(epsilon_of(together, 1e-5), rel=0.01)


@pytest.mark.slow
def test_a_run_tells_what_owners_gain_and_what_the_ledger_refused(tmp_path: Path) -> None:
    config = load(DEMO.config, DEMO.slug, "smoke", overrides=FEW)
    folder, envelope = execute(DEMO, config, "smoke", Options(tmp_path, quiet=True))
    result = envelope.result
    tables = {table.title: table for table in result.tables}
    outcomes = [str(row[3]) for row in tables["The ledger"].rows]
    assert outcomes[0] == "granted"
    assert outcomes[-1].startswith("refused: epsilon 3 of 'EWR', who has 0.6 left of 4")
    assert all("trained" in outcome for outcome in outcomes[3:-1])
    ledger = Ledger(folder / "ledger.sqlite")
    assert ledger.verify()[:12] in result.parts[0].notes[0]
    assert "simulated" in result.parts[0].intro
    assert all("attestation simulated" in line.purpose for line in ledger.lines() if line.kind != "grant")
    assert {figure.title for figure in result.figures} == {
        "Alone and together",
        "What owners granted, and what was spent of it",
    }


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("trust.owners=[EWR]", "trust.owners"),
        ("trust.delta=0.001", "delta must be below 1/N"),
        ("trust.backend=cloud", "trust.backend"),
        ("trust.grant=0", "trust.grant"),
        ("trust.epsilons=[1e-10]", "trust.epsilons"),
    ],
)
def test_what_is_wrong_is_one_line(override: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        load(DEMO.config, DEMO.slug, "cpu", overrides=[override])

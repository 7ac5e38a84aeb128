"""The gate: attacks stay below what is claimed, and trainings that are broken on purpose do not."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm
from torch.nn import functional

from demos.private_training.audit.attacks import SHORT_STEPS, _variants, moves
from demos.private_training.audit.bounds import (
    Guesses,
    Trials,
    epsilon_of_guesses,
    epsilon_of_mu,
    epsilon_of_trials,
    guessed,
    mu_of_guesses,
    mu_of_trials,
    tried,
)
from demos.private_training.audit.canary import shown, with_canaries
from demos.private_training.audit.figures import bounds_figure
from demos.private_training.audit.jobs import Short, short_trainings
from demos.private_training.audit.lira import confidence, found_at, halves, likelihood_ratios
from demos.private_training.audit.report import refuted
from demos.private_training.budget.accountant import Mechanism, curve_of, epsilon_of, most_found, multiplier_for
from demos.private_training.config import BREAKS, Break
from demos.private_training.demo import DEMO
from demos.private_training.learn import fit as training
from demos.private_training.learn.fit import Recipe, Units, fit
from demos.private_training.step.bits import SeededBits
from shared.config import load
from shared.execute import Options, execute
from shared.progress import Progress
from shared.run import RunFolder

DELTA, CONFIDENCE, CLAIMED = 1e-5, 0.999, 8.0
GAUSSIAN = Mechanism(multiplier_for(CLAIMED, DELTA, 1.0, SHORT_STEPS), 1.0, SHORT_STEPS)
SAMPLED = Mechanism(multiplier=0.25, rate=0.1, steps=10)


def attacked(mechanism: Mechanism, broken: Break | None = None, runs: int = 400) -> Trials:
    scores, inside = short_trainings(Short(mechanism, 0, runs, seed=7, broken=broken))
    return tried(scores, inside, 0.0)


def above_ceiling(mechanism: Mechanism, trials: Trials) -> bool:
    return refuted(trials, most_found(mechanism, trials.most_alarms((1 + CONFIDENCE) / 2)), CONFIDENCE)


def test_attacks_on_a_sound_training_stay_below_its_claim_and_come_near() -> None:
    trials = attacked(GAUSSIAN, runs=600)
    assert not above_ceiling(GAUSSIAN, trials)
    assert epsilon_of_trials(trials, DELTA) <= CLAIMED
    # Had half of it been claimed, the same attack would have refuted that: the gate has teeth.
    assert 0.5 * CLAIMED < epsilon_of_mu(mu_of_trials(trials), DELTA) <= CLAIMED


def test_attacks_on_a_sound_training_on_samples_stay_below_its_claim() -> None:
    assert not above_ceiling(SAMPLED, attacked(SAMPLED))


@pytest.mark.parametrize("name", BREAKS)
def test_a_training_that_is_broken_is_found(name: Break) -> None:
    mechanism = SAMPLED if name == "shuffled batches" else GAUSSIAN
    lines = (training.noisy, training.clipped_sums, training.included)
    assert above_ceiling(mechanism, attacked(mechanism, name))
    # Nothing stays broken.
    assert (training.noisy, training.clipped_sums, training.included) == lines


@pytest.mark.parametrize("names", [["no clipping"], ["shuffled batches"]])
def test_some_may_be_broken_and_a_sound_one_stands_beside_those_on_samples(names: list[Break], tmp_path: Path) -> None:
    config = load(DEMO.config, DEMO.slug, "smoke", overrides=[f"audit.broken={json.dumps(names)}"])
    variants = _variants(config)
    assert list(variants) == ([None] if "shuffled batches" in names else []) + names
    # Those on samples claim another epsilon than the figure's line, and have no bar in it.
    bars = {name: 9.0 for name in names if variants[name].rate == 1}
    run = RunFolder(tmp_path, Progress(quiet=True))
    bounds = {"many trainings": {8.0: 4.0}}
    assert (tmp_path / bounds_figure(bounds, bars, config, run).file).is_file()


def test_one_unit_moves_a_sum_by_the_bound_at_most_unless_the_training_is_broken() -> None:
    found = moves(seed=0)
    sound = {"small CNN", "small CNN, 5 views"}
    assert all(found[name] <= 1.001 for name in sound)
    assert all(move > 1.5 for name, move in found.items() if name not in sound)
    assert len(found) == 5


def test_without_noise_a_canary_shows_as_one_and_its_absence_as_zero() -> None:
    others = Units(torch.ones(4, 1, 3) / 2, torch.tensor([[0], [1], [2], [1]]))
    inside = np.array([True, False, True])
    steps = shown(fit, others, inside, Recipe(3, 1.0, 1.0, 0.1), 0.0, SeededBits(0), classes=3)
    np.testing.assert_allclose(steps, np.broadcast_to(inside.astype(float), (3, 3)), atol=1e-4)


def test_no_unit_has_the_feature_of_another_units_canary() -> None:
    units = with_canaries(
        Units(torch.ones(2, 1, 3), torch.zeros(2, 1, dtype=torch.long)), np.array([True, False, True])
    )
    assert len(units) == 4
    own = units.inputs[:, 0, 3:]
    assert (own != 0).sum(1).tolist() == [0, 0, 1, 1]
    assert (own != 0).sum(0).tolist() == [1, 0, 1]


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 300), share=st.floats(0.01, 0.99), confidence=st.sampled_from([0.9, 0.99, 0.999]))
def test_bounds_of_a_share_are_wrong_as_seldom_as_they_say(count: int, share: float, confidence: float) -> None:
    numbers = np.arange(count + 1)
    chance = binom.pmf(numbers, count, share)
    least = np.array([Trials(count, number, 1, 0).least_found(confidence) for number in numbers])
    most = np.array([Trials(1, 0, count, number).most_alarms(confidence) for number in numbers])
    assert chance[least > share].sum() <= 1 - confidence + 1e-9
    assert chance[most < share].sum() <= 1 - confidence + 1e-9


@pytest.mark.parametrize(("epsilon", "canaries"), [(0.5, 400), (1.0, 400), (3.0, 200)])
def test_guesses_on_randomised_response_refute_its_epsilon_once_in_a_thousand(epsilon: float, canaries: int) -> None:
    """Each canary's answer is true with the largest chance that epsilon allows: no mechanism is nearer to its claim."""
    right = np.arange(canaries + 1)
    chance = binom.pmf(right, canaries, 1 / (1 + np.exp(-epsilon)))
    bounds = np.array([epsilon_of_guesses(Guesses(canaries, canaries, int(number)), 0.0) for number in right])
    wrong = chance[bounds > epsilon + 1e-6].sum()
    assert wrong <= 1e-3
    # Nor is the bound a lazy one: a slightly lower claim is refuted far more often.
    assert chance[bounds > epsilon / 2].sum() > 0.03


def test_guesses_on_gaussians_do_not_refute_their_distance() -> None:
    random = np.random.default_rng(0)
    found = []
    for _ in range(8):
        inside = random.random(400) < 0.5
        found.append(mu_of_guesses(guessed(random.standard_normal(400) + inside, inside, 60)))
    assert max(found) <= 1.0
    assert max(found) > 0.3


def test_two_gaussians_have_the_epsilon_of_the_accountant() -> None:
    for multiplier in (0.7, 2.0):
        assert epsilon_of_mu(1 / multiplier, DELTA) == pytest.approx(
            epsilon_of(Mechanism(multiplier, 1.0, 1), DELTA), rel=2e-3
        )
    assert epsilon_of_mu(0.0, DELTA) == 0


def test_the_ceiling_of_steps_on_all_units_is_that_of_two_gaussians() -> None:
    mechanism = Mechanism(2.0, 1.0, 4)
    for alarms in (1e-4, 0.01, 0.3, 0.9):
        exact = float(norm.cdf(norm.ppf(alarms) + 1.0))
        assert exact <= most_found(mechanism, alarms) <= exact * 1.02
    epsilons, deltas = curve_of(SAMPLED)
    at = int(np.argmin(np.abs(epsilons - 5)))
    # The same promise as the accountant's, read the other way round.
    assert epsilon_of(SAMPLED, float(deltas[at]), grid=1e-3) == pytest.approx(float(epsilons[at]), rel=1e-3)
    assert most_found(SAMPLED, 0.1) < most_found(Mechanism(SAMPLED.multiplier, 1.0, SAMPLED.steps), 0.1)


@pytest.mark.parametrize(
    "wrong",
    [lambda: Guesses(10, 11, 5), lambda: Guesses(10, 5, 6), lambda: Trials(0, 0, 1, 0), lambda: Trials(3, 4, 1, 0)],
)
def test_counts_that_cannot_be_are_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        wrong()


def simulated(moved: float) -> tuple[np.ndarray, np.ndarray]:
    """Confidences of 32 models on 500 pictures of very different hardness, `moved` where the picture was in."""
    random = np.random.default_rng(0)
    masks = halves(32, 500, random)
    hardness = 5 * random.standard_normal(500)
    return hardness + moved * masks + random.standard_normal(masks.shape), masks


def test_each_picture_is_in_half_of_the_models() -> None:
    _, masks = simulated(0.0)
    assert (masks.sum(0) == 16).all()


def test_ratios_find_members_that_a_threshold_on_the_loss_misses() -> None:
    confidences, masks = simulated(3.0)
    by_ratio, by_loss = (
        found_at(scores, masks, 0.01).mean() for scores in (likelihood_ratios(confidences, masks), confidences)
    )
    assert by_ratio > 0.6
    assert by_loss < 0.1


def test_ratios_find_no_one_where_models_do_not_tell() -> None:
    confidences, masks = simulated(0.0)
    assert found_at(likelihood_ratios(confidences, masks), masks, 0.01).mean() == pytest.approx(0.01, abs=0.005)


def test_the_model_that_is_attacked_has_no_part_in_what_it_is_held_against() -> None:
    confidences, masks = simulated(1.0)
    before = likelihood_ratios(confidences, masks)
    # Far out: it would drag the means along, were it among them.
    confidences[3] += 1000.0
    after = likelihood_ratios(confidences, masks)
    assert (np.abs(after[3]) > 10 * np.abs(before[3]).max()).all()


def test_confidence_is_the_log_odds_of_the_right_class() -> None:
    logits, labels = torch.tensor([[2.0, 0.0, -1.0], [40.0, 0.0, 0.0]]), torch.tensor([0, 0])
    chance = functional.softmax(logits.double(), 1)[:, 0].numpy()
    np.testing.assert_allclose(confidence(logits, labels)[0], np.log(chance[0] / (1 - chance[0])), rtol=1e-5)
    assert np.isfinite(confidence(logits, labels)).all()


@pytest.mark.slow
def test_a_whole_audit_has_no_claim_refuted_but_the_broken_ones(tmp_path: Path) -> None:
    few = [
        "chapters=[audit]",
        "learn.epsilons=[3.0]",
        "audit.runs=1000",
        "audit.broken_runs=400",
        "audit.shadows=8",
        "audit.pictures=600",
    ]
    config = load(DEMO.config, DEMO.slug, "smoke", overrides=[*few, "audit.canaries=500", "audit.sampled_noise=0.25"])
    folder, envelope = execute(DEMO, config, "smoke", Options(tmp_path, quiet=True))
    tables = {table.title: table for table in envelope.result.tables}
    for title in ("Broken on purpose", "How far one unit moves a sum"):
        for row in tables[title].rows:
            assert (row[-1] == "stands") == (row[0] in ("nothing", "small CNN", "small CNN, 5 views")), row
    assert all(0 < headline.value <= 3 for headline in envelope.result.headlines)
    assert (folder / "report.html").is_file()

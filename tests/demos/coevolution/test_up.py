"""Streams of feedback: what comes, what is sent up, who learns from it, and what goes out."""

import copy
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from demos.coevolution.config import CoevolutionConfig, ModelsSection, Policy, TaughtSection, UpSection
from demos.coevolution.data import HOME, SCENES, texts
from demos.coevolution.models.device import by_chance
from demos.coevolution.models.encoder import fresh
from demos.coevolution.models.words import pieces
from demos.coevolution.splits import frozen
from demos.coevolution.training.jobs import MATERIALS, Learning, answer, at_home, judges, learn, unlabelled
from demos.coevolution.up import evolve as loop
from demos.coevolution.up.compare import Found
from demos.coevolution.up.evolve import Evolution, Loop, Round, between, flips_file, version_file
from demos.coevolution.up.ground import Sentences
from demos.coevolution.up.policies import chosen
from demos.coevolution.up.report import _rounds, gain_of, policies_table, scenes_table
from demos.coevolution.up.stream import NEW, one_rating, rounds
from shared.errors import UserError
from shared.seed import generator

MODELS = ModelsSection(labelled=60, unlabelled=60, test=50, device=TaughtSection(steps=2, rate=1e-3, batch=8))
UP = UpSection(
    rounds=2,
    stream=30,
    uploads=6,
    asked=0.2,
    replay=10,
    rehearsed=8,
    tolerated=100,
    tolerated_at_home=100,
    cloud=TaughtSection(steps=1, batch=8, rate=1e-4),
    device=TaughtSection(steps=1, batch=8, rate=1e-3),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("home")
    answer(fresh(None, 0), MODELS, 0, folder)
    job = Learning("device", MATERIALS[2], MODELS, 0, folder, "cpu", blank=True)
    learn(job)
    return folder, job.file


def evolution(home: tuple[Path, Path], policy: Policy = "random", **others: Any) -> Evolution:
    return Evolution(policy, 3, Sentences(MODELS, 0, *home), UP.model_copy(update=others), home[0], "cpu")


def test_no_text_comes_twice_and_none_that_judges() -> None:
    shares = {"product": 0.3, "editorial": 0.3, "tweet": 0.4}
    found = rounds(5, 6, 1000, shares, frozen().rest)
    places = np.concatenate(found)
    assert [len(part) for part in found] == [1000] * 6
    assert len(set(places.tolist())) == 6000
    assert Counter(texts()[place].scene for place in found[2]) == {"product": 300, "editorial": 300, "tweet": 400}
    judges = {
        place for part in (frozen().test, frozen().calibration) for each in part.values() for place in each.tolist()
    }
    assert not judges & set(places.tolist())
    # People disagree on some of what comes, as they would.
    assert any(texts()[place].label is None for place in places)
    again, other = (np.concatenate(rounds(seed, 6, 1000, shares, frozen().rest)) for seed in (5, 6))
    assert again.tolist() == places.tolist()
    assert other.tolist() != places.tolist()


def test_more_than_there_are_cannot_come() -> None:
    with pytest.raises(UserError, match="are to come of the scene product, which has"):
        rounds(0, 6, 1000, {"product": 1.0}, frozen().rest)


def test_a_person_says_the_same_of_a_text_whoever_sends_it() -> None:
    places = frozen().rest["tweet"][:200].tolist()
    said = [one_rating(place, 1) for place in places]
    assert said == [one_rating(place, 1) for place in places]
    assert said != [one_rating(place, 2) for place in places]
    assert all(rating in texts()[place].ratings for rating, place in zip(said, places, strict=True))


def test_hard_is_what_the_device_is_least_sure_of() -> None:
    sure = np.array([0.9, 0.6, 0.7, 0.51, 0.99])
    assert chosen("hard", sure, np.zeros((5, 2)), 2, generator(0)).tolist() == [3, 1]


def test_diverse_takes_one_of_each_cluster() -> None:
    random = generator(0)
    middles = np.array([[0, 0], [10, 0], [0, 10], [10, 10]])
    states = np.repeat(middles, 25, axis=0) + random.normal(0, 0.1, (100, 2))
    found = chosen("diverse", np.ones(100), states, 4, random)
    assert sorted(found // 25) == [0, 1, 2, 3]


def test_where_texts_are_alike_as_many_are_sent_all_the_same() -> None:
    states = np.zeros((20, 3))
    with pytest.warns(match="distinct clusters"):
        found = chosen("diverse", np.ones(20), states, 5, generator(0))
    assert len(set(found.tolist())) == 5


def test_a_round_sends_what_it_may_and_nobody_learns_from_anything_else(
    home: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    taught: list[list[list[int]]] = []
    fit = loop.fit

    def watched(model: Any, lesson: Any, *rest: Any) -> Any:
        if not isinstance(lesson.rows[0], torch.Tensor):
            taught.append(list(lesson.rows))
        return fit(model, lesson, *rest)

    monkeypatch.setattr(loop, "fit", watched)
    evolving = Loop(evolution(home))
    found = evolving.run()
    assert [len(each.sent) for each in found] == [0, 6, 6]
    assert [each.learned for each in found] == [False, True, True]
    assert found[0].cloud is not None
    assert found[1].cloud is None
    assert found[2].cloud is not None
    arrived = np.concatenate(evolving.arriving()).tolist()
    up = set(evolving.sent) | set(evolving.asked)
    assert up < set(arrived)
    known, others = at_home(MODELS, 0)
    may = {tuple(row) for row in pieces([texts()[place].text for place in (*known, *others, *up)])}
    assert len(taught) == 2
    assert all(tuple(row) in may for rows in taught for row in rows)
    sizes = sum(len(texts()[place].text.encode()) for place in up)
    assert sum(each.bytes for each in found) == sizes


def test_the_same_stream_evolves_the_same_way(home: tuple[Path, Path]) -> None:
    once, again = Loop(evolution(home)).run(), Loop(evolution(home)).run()
    assert [(each.sent, each.asked, each.learned) for each in again] == [
        (each.sent, each.asked, each.learned) for each in once
    ]
    for model in ("cloud", "small"):
        first, second = (getattr(rounds[-1], model) for rounds in (once, again))
        assert all(np.array_equal(first[scene], second[scene]) for scene in SCENES)


def test_what_goes_up_as_states_teaches_the_last_layer_alone(home: tuple[Path, Path]) -> None:
    evolving = Loop(evolution(home, "states"))
    before = copy.deepcopy(evolving.small.state_dict())
    (arrived, _) = evolving.arriving()
    told = evolving._round(1, arrived)
    assert (told.learned, told.taught, told.asked) == (False, True, 0)
    assert told.bytes == 2 * evolving.small.head.in_features * UP.uploads
    large = Loop(evolution(home)).top
    assert all(torch.equal(*pair) for pair in zip(evolving.top.parameters(), large.parameters(), strict=True))
    changed = {name for name, weight in evolving.small.state_dict().items() if not torch.equal(weight, before[name])}
    assert changed == {"head.weight", "head.bias"}
    before_and_after = Loop(evolution(home, "states")).run()
    assert before_and_after[0].cloud is not None
    for scene, each in before_and_after[0].cloud.items():
        assert np.array_equal(before_and_after[-1].cloud[scene], each)  # type: ignore[index]
    # What is picked is what it is under the first policy.
    assert told.sent == Loop(evolution(home))._round(1, arrived).sent


def test_what_comes_back_is_what_the_policy_says(home: tuple[Path, Path]) -> None:
    picked = frozen().rest["tweet"][:40].tolist()
    honest, mixed, alone = (Loop(evolution(home, each)) for each in ("random", "shuffled", "pseudo-labels"))
    told = honest.feedback(picked)
    ratings = [one_rating(place, 3) for place in picked]
    assert told == [None if rating == 0 else int(rating > 0) for rating in ratings]
    assert None in told
    shuffled = mixed.feedback(picked)
    assert Counter(shuffled) == Counter(told)
    assert shuffled != told
    tossed = Loop(evolution(home, "coin")).feedback(picked)
    assert [word is None for word in tossed] == [word is None for word in told]
    assert 8 < sum(word == 1 for word in tossed) < 32
    assert alone.feedback(picked) == [int(label) for label in alone.cloud_on(np.array(picked)).argmax(1)]


def test_what_loses_too_much_does_not_go_out(home: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    evolving = Loop(evolution(home, tolerated=1.0, tolerated_at_home=0.5))
    old, new = by_chance(30, 0), by_chance(30, 1)
    start = dict(evolving.gate["device"])
    losses: dict[str, float] = {}
    monkeypatch.setattr(evolving, "expected", lambda _model: {s: start[s] - losses.get(s, 0.0) for s in start})
    losses["tweet"] = 0.011
    assert evolving.goes_out("device", old, new) == (old, False)
    losses.update(tweet=0.009, film=0.006)
    assert not evolving.goes_out("device", old, new)[1]
    losses["film"] = 0.004
    # Small losses do not add up: what was there before the first round counts, too.
    assert evolving.goes_out("device", old, new) == (new, True)
    losses["tweet"] = 0.012
    assert not evolving.goes_out("device", old, new)[1]


def test_who_is_merely_surer_is_not_better(home: tuple[Path, Path]) -> None:
    evolving = Loop(evolution(home))
    surer = copy.deepcopy(evolving.small)
    with torch.no_grad():
        surer.head.weight.mul_(3)
        surer.head.bias.mul_(3)
    assert evolving.expected(surer) == pytest.approx(evolving.expected(evolving.small), abs=1e-3)


def test_half_way_lies_between() -> None:
    old, new = by_chance(30, 0), by_chance(30, 1)
    middle = between(old, new, 0.5)
    torch.testing.assert_close(middle.head.weight, (old.head.weight + new.head.weight) / 2)
    assert torch.equal(old.head.weight, by_chance(30, 0).head.weight)


def test_a_kept_stream_leaves_its_versions_and_what_it_turned(home: tuple[Path, Path]) -> None:
    job = replace(evolution(home), kept=True)
    found = Loop(job).run()
    assert version_file(home[0], 2).is_file()
    left = torch.load(flips_file(home[0]), weights_only=True)
    sent = {place for each in found for place in each.sent}
    tests = {place for part in frozen().test.values() for place in part[: MODELS.test].tolist()}
    assert set(left["places"]) <= tests
    assert set(left["nearest"]) <= sent
    assert all(-1.001 <= cosine <= 1.001 for cosine in left["cosines"])


def test_tables_follow_from_rounds() -> None:
    def right(count: int) -> dict[str, Any]:
        return {str(scene): np.arange(100) < (count if scene != HOME else 69) for scene in SCENES}

    def stream(gain: int) -> list[Round]:
        before = right(70) | {str(HOME): np.arange(100) < 70}
        return [Round(before, before), Round(right(70 + gain), right(70 + gain), [1, 2], 3, 400, True, False)]

    found = Found({"random": [stream(5), stream(7)], "hard": [stream(6), stream(8)]})
    assert found.gains("random", "cloud").mean == pytest.approx(6)
    assert found.at_home("hard", "small").mean == pytest.approx(-1)
    section = UpSection(seeds=2, rounds=1, policies=["random", "hard"])
    rows = {row[0]: row for row in policies_table(found, section).rows}
    assert rows["none"][1] == 0
    assert rows["random"][2] is None
    over = (found.gains("hard", "cloud") - found.gains("random", "cloud")).interval
    # Both streams bring one text of each scene more; which texts test is by chance, too.
    assert 0 <= over.low < 1 < over.high
    assert rows["hard"][1:4] == [pytest.approx(7), f"+1.0 ({over.low:+.1f} to {over.high:+.1f})", pytest.approx(-1)]
    assert rows["hard"][-1] == pytest.approx(0.4)
    assert [row[1:3] for row in scenes_table(found, "random").rows][1] == [pytest.approx(70), pytest.approx(76)]
    assert _rounds(found, section).rows[0] == ["random", 100.0, 0.0, 5.0]
    assert gain_of(found, "random", "cloud").peer_value == 0


def test_a_config_says_what_does_not_go_together() -> None:
    with pytest.raises(ValueError, match=r"goes with models.seeds=1"):
        CoevolutionConfig(models=ModelsSection(source="shipped"), chapters=["texts"])
    with pytest.raises(ValueError, match="has no chapter down"):
        CoevolutionConfig(models=ModelsSection(source="shipped", seeds=1), chapters=["down"])
    with pytest.raises(ValueError, match=r"needs models.seeds of 2 or more"):
        CoevolutionConfig(models=ModelsSection(seeds=1))


def test_all_that_is_judged_is_labelled() -> None:
    assert all(texts()[place].label is not None for part in judges(MODELS) for place in part)
    assert set(unlabelled(MODELS, 0)) == set(SCENES)
    assert set(NEW) == set(SCENES) - {HOME}

"""The tables say what the answers were: each number against a plain count, each verdict against its number."""

from __future__ import annotations

import functools
import re
import statistics
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demos.clip_retrieval.judging import tables
from demos.clip_retrieval.judging.judge import Judged
from demos.clip_retrieval.judging.neighbours import hubs, neighbours
from demos.clip_retrieval.judging.retrieval import Ranked
from demos.clip_retrieval.judging.scores import Estimate, FoldScores
from demos.clip_retrieval.judging.tables import TARGETS
from demos.clip_retrieval.judging.zeroshot import ZeroShot, prompts
from demos.clip_retrieval.training.fit import History
from shared.evaluation.intervals import bootstrap
from shared.result import Interval, Table
from shared.seed import generator

GALLERY, CLASSES = 36, tuple(prompts())
KNOWN = 20  # further pictures that are searched
RANGE = re.compile(r"([+-]?[\d.]+) to ([+-]?[\d.]+)")
HEADLINES = ("R@1", "R@10", "12 groups", "P@5")
Cell = str | float | None


def fold(name: str, skill: float, gallery: int = GALLERY) -> FoldScores:
    """A fold with three pictures of each of twelve groups. skill: how far right answers stand out, from 0."""
    random = generator(0, name, gallery)
    own, labels = np.eye(gallery, dtype=bool), np.arange(gallery) % 12
    kinds = np.arange(gallery) % 6
    scores = random.normal(size=(gallery, gallery)) + skill * own
    near = random.normal(size=(gallery, gallery)) + skill * (kinds[:, None] == kinds[None])
    groups = random.normal(size=(gallery, 12)) + skill * np.eye(12)[labels]
    back = random.normal(size=(gallery, gallery)) + skill * own
    beyond = np.concatenate([scores, random.normal(size=(gallery, KNOWN)) + 2], axis=1)
    return FoldScores(
        Ranked.of(scores, own),
        Ranked.of(back, own),
        neighbours(near, kinds),
        ZeroShot(CLASSES, groups.astype(np.float32), labels),
        hubs(scores, 5),
        Ranked.of(beyond, np.eye(gallery, gallery + KNOWN, dtype=bool)),
    )


def method(key: str, skill: float, folds: int = 2) -> Judged:
    return Judged(key, f"method {key}", [fold(f"{key} {number}", skill) for number in range(folds)])


@pytest.fixture(scope="module")
def judged() -> list[Judged]:
    return [method("ours", 2.0), method("hog", 1.0), method("pixels", 0.2), method("oracle", 4.0)]


@pytest.fixture(scope="module")
def numbers(judged: list[Judged]) -> tables.Found:
    return tables.all_estimates(judged, 300)


def cells(table: Table, row: str) -> dict[str, Cell]:
    """Column -> cell, of the one row with this first cell."""
    (found,) = [cells for cells in table.rows if cells[0] == row]
    assert len(found) == len(table.columns)
    return {column.name: cell for column, cell in zip(table.columns, found, strict=True)}


def counted(one: Judged) -> dict[str, float]:
    """The numbers of a method as a loop counts them, shares in percent."""
    names = [int(rank) for fold in one.folds for rank in fold.text_to_image.ranks]
    back = [int(rank) for fold in one.folds for rank in fold.image_to_text.ranks]
    found = {"median rank": float(statistics.median(names)), "MRR": 100 * sum(1 / rank for rank in names) / len(names)}
    for k in (1, 5, 10):
        found[f"R@{k}"] = 100 * sum(rank <= k for rank in names) / len(names)
        found[f"image to text R@{k}"] = 100 * sum(rank <= k for rank in back) / len(back)
    for title, field in (("P@5", "precision"), ("R-precision", "r_precision"), ("mAP@R", "map_at_r")):
        values = [value for fold in one.folds for value in getattr(fold.subgroups, field).tolist()]
        found[title] = 100 * sum(values) / len(values)
    crowded = [int(rank) for fold in one.folds if fold.larger for rank in fold.larger.ranks]
    found["among known pictures median rank"] = float(statistics.median(crowded))
    found["among known pictures MRR"] = 100 * sum(1 / rank for rank in crowded) / len(crowded)
    for k in (1, 10):
        found[f"among known pictures R@{k}"] = 100 * sum(rank <= k for rank in crowded) / len(crowded)
    return found | {"12 groups": recall(one, None), "11 groups": recall(one, "component")}


def recall(one: Judged, left_out: str | None) -> float:
    """Mean over the groups of the share of their pictures that got the highest score [%]."""
    shares = []
    for number, name in enumerate(CLASSES):
        rows = [(fold.groups.scores[row]) for fold in one.folds for row in np.flatnonzero(fold.groups.labels == number)]
        allowed = [other for other in range(12) if CLASSES[other] != left_out]
        if name != left_out:
            shares.append(sum(max(allowed, key=lambda at: row[at]) == number for row in rows) / len(rows))
    return 100 * sum(shares) / len(shares)


@pytest.mark.parametrize("names", [tables.RETRIEVAL, tables.KIND, tables.CROWDED])
def test_each_cell_is_a_count_and_lies_in_its_interval(
    names: tuple[str, ...], judged: list[Judged], numbers: tables.Found
) -> None:
    table = tables.methods_table(judged, numbers, names, "a title", "a caption")
    assert (table.title, table.caption) == ("a title", "a caption")
    assert [row[0] for row in table.rows] == ["chance", *(one.label for one in judged)]
    for one in judged:
        shown, expected = cells(table, one.label), counted(one)
        for name in names:
            value = shown[name]
            assert value == pytest.approx(expected[name]), (one.key, name)
            match = RANGE.fullmatch(str(shown[f"{name}, 95 %"]))
            assert match is not None
            low, high = float(match[1]), float(match[2])
            assert low - 0.051 <= expected[name] <= high + 0.051
            assert low < high or name not in ("MRR", "P@5", "mAP@R", "among known pictures MRR")
    by_name = {column.name: (column.unit, column.direction) for column in table.columns}
    assert all(by_name[name] == (("", "lower") if "median rank" in name else ("%", "higher")) for name in names)


def test_chance_is_that_of_the_gallery(judged: list[Judged], numbers: tables.Found) -> None:
    chance = cells(tables.methods_table(judged, numbers, tables.RETRIEVAL, "", ""), "chance")
    for k in (1, 5, 10):
        assert chance[f"R@{k}"] == pytest.approx(100 * k / GALLERY)
    assert chance["MRR"] == pytest.approx(100 * sum(1 / rank for rank in range(1, GALLERY + 1)) / GALLERY)
    assert chance["median rank"] == GALLERY // 2
    kind = cells(tables.methods_table(judged, numbers, tables.KIND, "", ""), "chance")
    assert kind["P@5"] == pytest.approx(100 * 5 / 35)  # five others of the kind among 35
    assert kind["12 groups"] == pytest.approx(100 / 12)
    assert kind["11 groups"] == pytest.approx(100 / 11)
    assert {value for name, value in chance.items() if "95 %" in name} == {None}
    fewer = [Judged("ours", "ours", [fold("few", 1.0, 24)])]
    other = cells(tables.methods_table(fewer, tables.all_estimates(fewer, 100), ("R@1",), "", ""), "chance")
    assert other["R@1"] == pytest.approx(100 / 24)


def test_another_answer_of_one_method_changes_its_row_alone(judged: list[Judged], numbers: tables.Found) -> None:
    worse = replace(judged[1], folds=[fold("worse", 0.0), *judged[1].folds[1:]])
    changed = [judged[0], worse, *judged[2:]]
    before = tables.methods_table(judged, numbers, tables.RETRIEVAL, "", "").rows
    after = tables.methods_table(changed, tables.all_estimates(changed, 300), tables.RETRIEVAL, "", "").rows
    assert [one == two for one, two in zip(before, after, strict=True)] == [True, True, False, True, True]


def test_a_paired_difference_has_the_sign_of_who_is_better(judged: list[Judged]) -> None:
    table = tables.paired_table(judged, 500)
    assert [row[0] for row in table.rows] == [one.label for one in judged[1:]]
    ours = counted(judged[0])
    for one in judged[1:]:
        shown, theirs = cells(table, one.label), counted(one)
        for name in ("R@1", "R@10", "MRR", "P@5"):
            assert shown[name] == pytest.approx(ours[name] - theirs[name])
            match = RANGE.fullmatch(str(shown[f"{name}, 95 %"]))
            assert match is not None
            assert float(match[1]) <= ours[name] - theirs[name] <= float(match[2])
    match = RANGE.fullmatch(str(cells(table, "method pixels")["MRR, 95 %"]))
    assert match is not None
    assert float(match[1]) > 0, "much better, beyond chance"
    assert str(2 * GALLERY) in table.caption


def test_the_paired_difference_turns_round_with_the_methods_and_is_nothing_to_oneself(judged: list[Judged]) -> None:
    there = tables.paired_table(judged[:2], 200).rows[0]
    back = tables.paired_table(judged[1::-1], 200).rows[0]
    for one, two in zip(there[1::2], back[1::2], strict=True):
        assert isinstance(one, float)
        assert isinstance(two, float)
        assert one == pytest.approx(-two)
    itself = tables.paired_table([judged[0], replace(judged[0], label="twin")], 200).rows[0]
    assert itself == ["twin", *[0.0, "+0.0 to +0.0"] * 4]


def test_folds_are_shown_one_by_one(judged: list[Judged]) -> None:
    table = tables.folds_table(judged, [2, 0])
    assert len(table.columns) == 1 + 2 * 2
    for one in judged:
        shown = cells(table, one.label)
        for number, part in zip([2, 0], one.folds, strict=True):
            alone = counted(replace(one, folds=[part]))
            for name in ("R@1", "R@10"):
                assert shown[f"fold {number}: {name}"] == pytest.approx(alone[name])


def test_groups_are_counted_by_the_group_of_the_query() -> None:
    one = method("ours", 1.5)
    rows = {str(row[0]): row[1:] for row in tables.groups_table(one).rows}
    assert list(rows) == list(CLASSES)
    every = [(part, row) for part in range(2) for row in range(GALLERY)]
    labels = {(part, row): int(one.folds[part].groups.labels[row]) for part, row in every}
    said = {(part, row): int(one.folds[part].groups.scores[row].argmax()) for part, row in every}
    for number, name in enumerate(CLASSES):
        own = [place for place in every if labels[place] == number]
        ranks = [int(one.folds[part].text_to_image.ranks[row]) for part, row in own]
        claimed = [place for place in every if said[place] == number]
        right = [place for place in own if place in claimed]
        assert rows[name][0] == len(own) == 6
        assert rows[name][1] == pytest.approx(100 * sum(rank <= 1 for rank in ranks) / 6)
        assert rows[name][2] == pytest.approx(100 * sum(rank <= 10 for rank in ranks) / 6)
        assert rows[name][3] == pytest.approx(100 * len(right) / 6)
        assert rows[name][4] == (pytest.approx(100 * len(right) / len(claimed)) if claimed else None)


def test_a_group_without_pictures_is_no_row_and_one_that_is_never_said_has_no_precision() -> None:
    part = fold("groups", 1.0)
    labels = np.where(part.groups.labels == 3, 4, part.groups.labels)
    scores = part.groups.scores.copy()
    scores[:, 5] = -100
    changed = replace(part, groups=ZeroShot(CLASSES, scores, labels))
    rows = {str(row[0]): row for row in tables.groups_table(Judged("ours", "ours", [changed])).rows}
    assert CLASSES[3] not in rows
    assert rows[CLASSES[5]][-1] is None
    assert rows[CLASSES[5]][-2] == 0


def estimate(value: float, width: float = 0.05, chance: float = 0.01) -> Estimate:
    return Estimate(value, Interval(low=value - width, high=value + width, unit="90 families"), chance)


def found_of(**values: float) -> tables.Found:
    """Numbers of methods at one height each."""
    return {key: {name: estimate(value) for name in (*tables.RETRIEVAL, *tables.KIND)} for key, value in values.items()}


def test_the_strongest_peer_is_chosen_number_by_number_and_is_never_the_reference(judged: list[Judged]) -> None:
    found = found_of(ours=0.1, hog=0.3, pixels=0.2, oracle=0.9)
    found["pixels"]["P@5"] = estimate(0.4)
    peers = {name: tables.best_peer(judged, found, name) for name in ("R@1", "P@5")}
    assert peers == {"R@1": judged[1], "P@5": judged[2]}
    assert tables.best_peer([judged[0], judged[3]], found, "R@1") is None
    assert tables.best_peer(judged[:1], found, "R@1") is None


def test_headlines_are_the_estimates_beside_their_strongest_peers(judged: list[Judged], numbers: tables.Found) -> None:
    shown = tables.headlines(judged, numbers)
    assert len(shown) == len(HEADLINES)
    for line, name in zip(shown, HEADLINES, strict=True):
        ours = counted(judged[0])[name]
        theirs = {one.label: counted(one)[name] for one in judged[1:3]}
        assert line.value == pytest.approx(ours)
        assert line.peer == max(theirs, key=lambda peer: theirs[peer])
        assert line.peer_value == pytest.approx(max(theirs.values()))
        assert line.interval is not None
        assert line.interval.low < ours < line.interval.high
        assert (line.unit, line.direction) == ("%", "higher")
        assert f"gallery of {GALLERY} pictures" in line.note
        assert f"chance {100 * numbers['ours'][name].chance:.2g} %" in line.note
    assert shown[0].interval is not None
    # The interval is that of a bootstrap over the families.
    hits = np.concatenate([part.text_to_image.hits(1) for part in judged[0].folds])
    plain = bootstrap(hits, resamples=300)
    assert (shown[0].interval.low, shown[0].interval.high) == pytest.approx((100 * plain.low, 100 * plain.high))


def test_without_peers_the_headlines_stand_beside_chance(judged: list[Judged], numbers: tables.Found) -> None:
    for alone in (judged[:1], [judged[0], judged[3]]):
        first = tables.headlines(alone, numbers)[0]
        assert first.peer == "chance"
        assert first.peer_value == pytest.approx(100 / GALLERY)


def test_every_number_is_a_headline_or_a_metric(judged: list[Judged], numbers: tables.Found) -> None:
    shown = {metric.name: metric for metric in tables.metrics(numbers)}
    assert set(shown) == set(numbers["ours"]) - set(HEADLINES)
    expected = counted(judged[0])
    for name in shown.keys() & expected.keys():
        assert shown[name].value == pytest.approx(expected[name])
    assert (shown["median rank"].unit, shown["median rank"].direction) == ("", "lower")
    assert all(0 <= metric.value <= 100 for metric in shown.values() if metric.unit == "%")


@settings(max_examples=60)
@given(st.floats(0, 1), st.floats(0, 1))
def test_a_target_is_met_when_its_number_is_no_smaller(ours: float, peer: float) -> None:
    table = tables.targets_table(found_of(ours=ours, hog=peer), [method_named("ours"), method_named("hog")])
    assert len(table.rows) == len(TARGETS)
    for row, (name, asked) in zip(table.rows, TARGETS, strict=True):
        assert row[0] == f"{name} at least {asked:g} %"
        assert row[1] == f"{100 * ours:.1f} % ({100 * (ours - 0.05):.1f} to {100 * (ours + 0.05):.1f})"
        assert row[2] == ("yes" if 100 * ours >= asked else "NO")
        assert row[3] == f"method hog: {100 * peer:.1f} %"


@functools.cache
def some_fold() -> FoldScores:
    return fold("some", 1.0)


def method_named(key: str) -> Judged:
    return Judged(key, f"method {key}", [some_fold()])


@pytest.mark.parametrize(("name", "asked"), TARGETS)
def test_a_verdict_turns_at_its_target_and_no_other_does(name: str, asked: float) -> None:
    def verdicts(value: float) -> dict[str, Cell]:
        found = found_of(ours=1.0)
        found["ours"][name] = estimate(value / 100)
        return {
            str(row[0]).split(" at ")[0]: row[2] for row in tables.targets_table(found, [method_named("ours")]).rows
        }

    others = {other: "yes" for other, _ in TARGETS if other != name}
    for value, verdict in ((asked - 0.01, "NO"), (asked, "yes"), (asked + 0.01, "yes")):
        assert verdicts(value) == {**others, name: verdict}


def test_a_share_that_is_the_target_exactly_is_met() -> None:
    """Of 400 or 1,200 names: the mean of hits must not miss the target by a rounding error."""
    for name, asked in TARGETS[:2]:
        for count in (400, 1200):
            hits = np.zeros(count)
            hits[:: int(100 / asked)] = 1
            found = found_of(ours=0.0)
            found["ours"][name] = estimate(float(hits.mean()))
            row = next(row for row in tables.targets_table(found, [method_named("ours")]).rows if name in str(row[0]))
            assert row[2] == "yes", (name, count, hits.mean())


def test_shares_are_percent_and_ranks_are_not() -> None:
    assert tables.percent("R@1", 0.25) == 25
    assert tables.percent("image to text median rank", 12.0) == 12
    grown = [tables.percent("MRR", value) for value in (0.0, 0.1, 0.5, 1.0)]
    assert all(one < two for one, two in pairwise(grown))


@pytest.mark.parametrize("table", ["folds_table", "groups_table", "targets_table"])
def test_captions_say_the_size_of_the_gallery(table: str) -> None:
    judged = [method("ours", 2.0)]
    made = {
        "folds_table": lambda: tables.folds_table(judged, [0, 1]),
        "groups_table": lambda: tables.groups_table(judged[0]),
        "targets_table": lambda: tables.targets_table(found_of(ours=0.5), judged),
    }[table]()
    assert "400" not in made.caption
    assert str(GALLERY) in made.caption


def test_what_was_followed_in_training_is_shown_by_epoch() -> None:
    first, second = History([3.0, 2.0], [(1, 0.25), (2, 0.375)]), History([3.0, 2.0], [(1, 0.5), (2, 0.125)])
    table = tables.training_table({0: first, 2: second})
    assert [column.name.split(":")[0] for column in table.columns] == ["epoch", "fold 0", "fold 2"]
    assert table.rows == [[1, 25.0, 50.0], [2, 37.5, 12.5]]

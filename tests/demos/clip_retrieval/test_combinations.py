"""Combinations never seen together: what is trained, what is asked, and every number of the table against a count."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from demos.clip_retrieval.config import ClipConfig, EvaluationSection, ModelSection
from demos.clip_retrieval.judging import combinations
from demos.clip_retrieval.judging.combinations import composition_table
from demos.clip_retrieval.judging.compositional import PARTS, validation_of
from demos.clip_retrieval.judging.peers import LABELS
from shared.openmoji.families import identities
from shared.openmoji.records import records
from shared.openmoji.render import pictures
from shared.openmoji.splits import compositional_split
from shared.progress import Progress
from shared.result import Table
from shared.run import RunFolder
from shared.seed import generator

SIZE, RESAMPLES = 64, 100
RANGE = re.compile(r"(-?\d+) to (-?\d+)")
Scores = np.ndarray


@pytest.fixture(scope="module")
def places() -> dict[bytes, list[int]]:
    """The cells whose pictures have these bytes."""
    found: dict[bytes, list[int]] = {}
    for row in compositional_split().cells.tolist():
        found.setdefault(pictures(SIZE)[row].tobytes(), []).append(row)
    return found


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path, Progress(quiet=True), workers=1)


class Told:
    """An encoder that knows the parts of each picture and name: one axis a value of each part, weighted."""

    size = SIZE

    def __init__(self, places: dict[bytes, list[int]], weights: tuple[float, float, float]) -> None:
        split = compositional_split()
        self.places, self.names = places, {emoji.name: row for row, emoji in enumerate(records())}
        blocks = []
        for column, weight in zip((split.role, split.gender, split.tone), weights, strict=True):
            _, numbers = np.unique(column, return_inverse=True)
            blocks.append(weight * np.eye(numbers.max() + 1)[numbers])
        # What a picture has that words do not tell: so that no two scores are equal.
        self.vectors = np.concatenate(blocks, axis=1).astype(np.float32)
        self.own = 1e-3 * generator(0, "told").random(len(split.role)).astype(np.float32)

    def images(self, pictures_nhwc: np.ndarray) -> np.ndarray:
        # A picture that two cells share has the parts of both.
        cells = [self.places[picture.tobytes()] for picture in pictures_nhwc]
        return np.column_stack([[self.vectors[rows].max(0) for rows in cells], [self.own[rows[0]] for rows in cells]])

    def texts(self, texts: list[str]) -> np.ndarray:
        rows = [self.names[text] for text in texts]
        return np.column_stack([self.vectors[rows], np.ones(len(rows), np.float32)])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], list[dict[str, Any]]]:
    """Let training give this encoder; returns what training is asked for."""

    def stand_in(encoder: Any) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = []

        def train_model(config: ClipConfig, train: np.ndarray, file: Path, **rest: Any) -> Any:
            calls.append({"train": train, "file": file, **rest})
            return SimpleNamespace(spec=lambda device: SimpleNamespace(load=lambda: encoder))

        monkeypatch.setattr("demos.clip_retrieval.training.train_model.train_model", train_model)
        return calls

    return stand_in


def config(peers: list[Any]) -> ClipConfig:
    return ClipConfig(model=ModelSection(name="train"), evaluation=EvaluationSection(peers=peers, bootstrap=RESAMPLES))


def rows_of(table: Table, method: str) -> list[dict[str, Any]]:
    names = [column.name for column in table.columns]
    return [dict(zip(names, row, strict=True)) for row in table.rows if row[0] == method]


def judged_by_hand(scores: np.ndarray, gallery: np.ndarray) -> dict[str, float]:
    """Share of the first answers that have each part, or that look the same as a picture that has it [%]."""
    split, same = compositional_split(), identities()[:, 1]
    parts = [(str(split.role[row]), str(split.gender[row]), int(split.tone[row])) for row in range(len(split.role))]
    twins: dict[int, list[int]] = {}
    for row in split.cells.tolist():
        twins.setdefault(int(same[row]), []).append(row)
    found = dict.fromkeys(PARTS, 0)
    for place, query in enumerate(split.held.tolist()):
        first = int(gallery[scores[place].argmax()])
        looks = [parts[row] for row in twins[int(same[first])]]
        for number, part in enumerate(PARTS[:3]):
            found[part] += any(look[number] == parts[query][number] for look in looks)
        found["all three"] += parts[query] in looks
    return {part: 100 * count / len(split.held) for part, count in found.items()}


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (1.0, 1.0, 0.0), (0.0, 1.0, 0.5)])
def test_each_share_is_that_of_the_first_answers(
    weights: tuple[float, float, float],
    places: dict[bytes, list[int]],
    asked: Callable[[Any], list[dict[str, Any]]],
    run: RunFolder,
) -> None:
    encoder, split = Told(places, weights), compositional_split()
    asked(encoder)
    table = composition_table(config([]), run)
    ours = rows_of(table, "our CLIP")
    words = encoder.texts([records()[row].name for row in split.held])
    for shown, gallery in zip(ours, (split.cells, split.held), strict=True):
        assert shown["pictures searched"] == len(gallery)
        expected = judged_by_hand(words @ encoder.images(np.asarray(pictures(SIZE)[gallery])).T, gallery)
        for part in PARTS:
            assert shown[part] == pytest.approx(expected[part])
            match = RANGE.fullmatch(str(shown[f"{part}, 95 %"]))
            assert match is not None
            assert float(match[1]) - 0.51 <= expected[part] <= float(match[2]) + 0.51
    if weights == (1.0, 1.0, 1.0):
        assert all(shown[part] == 100 for shown in ours for part in PARTS)
    if weights[2] == 0:
        assert ours[0]["role"] == 100
        assert ours[0]["all three"] < 60


def test_chance_stands_above_each_gallery(
    places: dict[bytes, list[int]], asked: Callable[[Any], list[dict[str, Any]]], run: RunFolder
) -> None:
    asked(Told(places, (1.0, 0.0, 0.0)))
    table = composition_table(config([]), run)
    assert [row[:2] for row in table.rows] == [["chance", 1422], ["our CLIP", 1422], ["chance", 237], ["our CLIP", 237]]
    split, same = compositional_split(), identities()[:, 1]
    assert f"{len(split.held)} held-out pictures" in table.caption
    assert f"{len(split.cells):,} pictures" in table.caption
    for shown, gallery in zip(rows_of(table, "chance"), (split.cells, split.held), strict=True):
        looks: dict[int, set[int]] = {}
        for row in split.cells.tolist():
            looks.setdefault(int(same[row]), set()).add(int(split.tone[row]))
        right = [int(split.tone[query]) in looks[int(same[row])] for query in split.held for row in gallery]
        assert shown["skin tone"] == pytest.approx(100 * sum(right) / len(right))
        assert shown["skin tone, 95 %"] is None


def test_nothing_that_is_asked_for_is_trained_on(
    places: dict[bytes, list[int]], asked: Callable[[Any], list[dict[str, Any]]], run: RunFolder
) -> None:
    calls = asked(Told(places, (1.0, 1.0, 1.0)))
    composition_table(config([]), run)
    (call,) = calls
    split, same = compositional_split(), identities()[:, 1]
    assert not set(same[call["train"]].tolist()) & set(same[split.held].tolist())
    assert len(call["train"]) > 4000
    assert call["file"].is_relative_to(run.folder)
    # Every pair of parts is in training.
    parts = (split.role, split.gender, split.tone)
    seen = set(call["train"].tolist())
    for one, other in ((0, 1), (0, 2), (1, 2)):
        known = {(parts[one][row], parts[other][row]) for row in split.cells if int(row) in seen}
        assert {(parts[one][row], parts[other][row]) for row in split.held} <= known


def test_peers_are_those_of_the_config_that_can_be_asked(
    places: dict[bytes, list[int]],
    asked: Callable[[Any], list[dict[str, Any]]],
    run: RunFolder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoder, wrong = Told(places, (1.0, 1.0, 1.0)), Told(places, (1.0, 0.0, 0.0))
    named: list[str] = []

    def peer(name: str, words: Any) -> Any:
        named.append(name)
        return SimpleNamespace(texts=wrong.texts, images=lambda rows: wrong.images(np.asarray(pictures(SIZE)[rows])))

    asked(encoder)
    monkeypatch.setattr(combinations, "compositional_peer", peer)
    table = composition_table(config(["pixels", "hog", "both", "oracle"]), run)
    assert named == ["hog", "both"]
    methods = [str(row[0]) for row in table.rows]
    assert methods == 2 * ["chance", "our CLIP", LABELS["hog"], LABELS["both"]]
    for shown in rows_of(table, LABELS["hog"]):
        assert shown["role"] == 100
        assert shown["all three"] < 60


def test_settings_are_chosen_on_other_combinations_of_the_training_part() -> None:
    split, same = compositional_split(), identities()[:, 1]
    validation, train = validation_of(split, same)
    known = set(split.train.tolist())
    assert len(validation) > 150
    assert set(validation.tolist()) <= known
    assert set(train.tolist()) <= known
    assert not set(same[validation].tolist()) & set(same[train].tolist())
    # Each is a held combination with the tone that follows, of the same role and gender.
    held = {(split.role[row], split.gender[row]): int(split.tone[row]) for row in split.held}
    for row in validation:
        assert int(split.tone[row]) == held[split.role[row], split.gender[row]] % 5 + 1
    # Only pictures that look like one of these are left out.
    gone = np.setdiff1d(split.train, train)
    assert set(same[gone].tolist()) <= set(same[validation].tolist())

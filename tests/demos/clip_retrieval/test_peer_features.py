"""What the peers see: by hand for small pictures, computed once and kept, and a clear word for foreign weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from demos.clip_retrieval.judging import peer_features
from demos.clip_retrieval.judging.peer_features import features
from shared.openmoji.records import records
from shared.openmoji.render import pictures

TONED = np.flatnonzero([emoji.skin_tone > 0 for emoji in records()])
NEUTRAL = np.flatnonzero([emoji.skin_tone == 0 for emoji in records()])
MIXED = np.array([TONED[5], NEUTRAL[700], TONED[0], NEUTRAL[3], NEUTRAL[700]])


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty work folder for features; pictures stay where they are."""
    monkeypatch.setattr(peer_features, "work_folder", lambda: tmp_path)
    return tmp_path


def counting(asked: list[int]) -> Callable[[np.ndarray], np.ndarray]:
    """A descriptor that is the record's own number, and notes how many records it is asked about."""

    def compute(part: np.ndarray) -> np.ndarray:
        asked.append(len(part))
        return np.column_stack([part, part % 7]).astype(np.float32)

    return compute


def test_pixels_are_mean_colours_of_a_grid_as_distance_from_white() -> None:
    row = int(TONED[10])
    picture = np.asarray(pictures(64)[row]).astype(float)
    expected = [
        255 - picture[4 * y : 4 * y + 4, 4 * x : 4 * x + 4, colour].mean()
        for y in range(16)
        for x in range(16)
        for colour in range(3)
    ]
    np.testing.assert_allclose(features("pixels", np.array([row]))[0], expected, atol=1e-3)


@pytest.mark.parametrize(("kind", "compute"), [("hog", "_hog"), ("efficientnet", "_efficientnet")])
def test_each_record_gets_its_own_row_whatever_the_order(
    kind: peer_features.Features, compute: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(peer_features, compute, counting(asked))
    found = features(kind, MIXED)
    assert found[:, 0].tolist() == MIXED.tolist()
    assert found[:, 1].tolist() == (MIXED % 7).tolist()
    assert sorted(asked) == sorted([len(NEUTRAL), len(TONED)])


def test_features_are_computed_once_and_only_for_the_part_that_is_asked(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr(peer_features, "_hog", counting(asked))
    features("hog", NEUTRAL[:3])
    assert asked == [len(NEUTRAL)]
    features("hog", NEUTRAL[5:9])
    assert asked == [len(NEUTRAL)]
    features("hog", TONED[:1])
    assert asked == [len(NEUTRAL), len(TONED)]
    kept = {file.stem.rsplit("-", 1)[1]: np.load(file)[:, 0].tolist() for file in cache.iterdir()}
    assert kept == {"neutral": NEUTRAL.tolist(), "tones": TONED.tolist()}


def test_a_failure_leaves_no_file_behind(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(part: np.ndarray) -> np.ndarray:
        raise KeyboardInterrupt

    monkeypatch.setattr(peer_features, "_hog", fail)
    with pytest.raises(KeyboardInterrupt):
        features("hog", NEUTRAL[:3])
    assert list(cache.iterdir()) == []
    asked: list[int] = []
    monkeypatch.setattr(peer_features, "_hog", counting(asked))
    assert features("hog", NEUTRAL[:3])[:, 0].tolist() == NEUTRAL[:3].tolist()


def test_both_is_the_two_with_equal_weight(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    units = {"_hog": np.array([1, 0, 0]), "_efficientnet": np.array([0.6, 0.8])}
    for name, unit in units.items():
        monkeypatch.setattr(
            peer_features, name, lambda part, unit=unit: np.tile(unit, (len(part), 1)).astype(np.float32)
        )
    found = features("both", MIXED)
    np.testing.assert_allclose(found, np.tile(np.array([1, 0, 0, 0.6, 0.8]) / 2**0.5, (len(MIXED), 1)), atol=1e-6)

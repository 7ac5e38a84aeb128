from __future__ import annotations

import numpy as np
import pytest

from demos.clip_retrieval.model.whitening import whitening
from shared.seed import generator


def texts() -> np.ndarray:
    """2,000 vectors with a common direction and a spread that differs between the axes."""
    random = generator(0, "whitening")
    return np.asarray(random.normal(size=(2000, 8)) * np.geomspace(0.3, 0.02, 8) + np.eye(8)[0])


def spread(power: float) -> float:
    """Largest to smallest variance of the mapped texts, but for the direction that is taken out."""
    unit = texts() / np.linalg.norm(texts(), axis=1, keepdims=True)
    variance = np.sort(np.linalg.eigvalsh(np.cov((unit @ whitening(texts(), power).T).T)))[1:]
    return float(variance[-1] / variance[0])


def test_the_higher_the_power_the_more_alike_the_directions() -> None:
    found = [spread(power) for power in (0.0, 0.25, 0.5, 1.0)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 5 * found[-1]


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_what_all_texts_share_is_taken_out_and_the_norm_is_one(power: float) -> None:
    matrix = whitening(texts(), power)
    unit = texts() / np.linalg.norm(texts(), axis=1, keepdims=True)
    assert np.linalg.norm(matrix @ unit.mean(0)) == pytest.approx(0, abs=1e-6)
    assert np.linalg.norm(matrix, 2) == pytest.approx(1, abs=1e-6)

"""The teacher never answers with what it was told of a picture's own family."""

from __future__ import annotations

import numpy as np

from demos.clip_retrieval.config import TeacherSection
from demos.clip_retrieval.training.teacher import out_of_fold
from shared.seed import generator


def unit(shape: tuple[int, ...], name: str) -> np.ndarray:
    found = generator(0, "teacher", name).standard_normal(shape).astype(np.float32)
    return found / np.linalg.norm(found, axis=-1, keepdims=True)


def test_a_caption_does_not_come_back_to_its_own_family() -> None:
    features, targets, groups = unit((60, 2, 8), "f"), unit((60, 5), "t"), np.arange(60) // 3
    said = out_of_fold(features, targets, groups, TeacherSection())
    changed = targets.copy()
    changed[groups == 4] = unit((3, 5), "other")
    again = out_of_fold(features, changed, groups, TeacherSection())
    np.testing.assert_array_equal(said[groups == 4], again[groups == 4])
    assert (said[groups != 4] != again[groups != 4]).any()


def test_what_looks_alike_is_called_alike() -> None:
    """Pictures in tight clusters, each with a caption of its own, spread over families: the caption is found."""
    centres, captions = unit((6, 16), "centres"), unit((6, 12), "captions")
    kind = np.tile(np.arange(6), 20)
    features = centres[kind][:, None] + 0.02 * unit((120, 1, 16), "noise")
    said = out_of_fold(features, captions[kind], np.arange(120), TeacherSection(gamma=1.0))
    assert ((said[:, 0] @ captions.T).argmax(1) == kind).all()
    np.testing.assert_allclose(np.linalg.norm(said, axis=-1), 1, atol=1e-5)

"""What comes to the device, round after round: texts of new scenes; and what a person says of those that go up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from demos.coevolution.data import HOME, SCENES, SLUG, Scene, texts
from demos.coevolution.splits import by_document
from shared.errors import UserError
from shared.seed import generator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

NEW: tuple[Scene, ...] = tuple(scene for scene in SCENES if scene != HOME)


def rounds(
    seed: int, count: int, size: int, shares: Mapping[Any, float], given: Mapping[Scene, NDArray[np.int64]]
) -> list[NDArray[np.int64]]:
    """`count` times `size` places of `texts()`, none twice, of texts with a label and of such without.

    shares: of each new scene, together 1; given: places of each. Documents come in an order by lot, their sentences one
    after the other; within a round the order is by lot. Raises UserError when a scene has too few texts.
    """
    found: list[list[NDArray[np.int64]]] = [[] for _ in range(count)]
    for scene in NEW:
        places = by_document(given[scene], generator(seed, SLUG, "stream", scene))
        borders = np.round(np.arange(count + 1) * size * shares.get(scene, 0.0)).astype(int)
        if borders[-1] > len(places):
            raise UserError(f"{borders[-1]} texts are to come of the scene {scene}, which has {len(places)}")
        for each, start, end in zip(found, borders[:-1], borders[1:], strict=True):
            each.append(places[start:end])
    random = generator(seed, SLUG, "order of arrival")
    return [random.permutation(np.concatenate(parts)) for parts in found]


def one_rating(place: int, seed: int) -> int:
    """What the person says who is asked for a text: one of its raters by lot, -4 to 4, whoever sends it up."""
    ratings = texts()[place].ratings
    return ratings[int(generator(seed, SLUG, "rater", str(place)).integers(len(ratings)))]

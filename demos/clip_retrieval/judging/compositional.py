"""Combinations that were never seen: "woman firefighter: dark skin tone" when all pairs of the three parts were.

The query is the name of a held-out picture. Two galleries are asked, and both are reported:
- all: the 1,422 pictures of the 79 roles, in all genders and tones. Most of them were trained on, and a model that
  prefers what it has seen fails here. This is the generalised setting, the one that counts (Chao et al., An Empirical
  Study and Analysis of Generalized Zero-Shot Learning, ECCV 2016; for compositions, Purushwalkam et al., ICCV 2019).
- held: the 237 held-out pictures alone. Easier: no seen picture competes, and role and gender nearly name the picture.

Each part of the first answer is judged for itself, and all three together. In 24 roles the person is drawn as the man
or the woman, so a part is right when any identical picture has it. When answers tie, the worst of them counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.openmoji.splits import CompositionalSplit

PARTS = ("role", "gender", "skin tone", "all three")


@dataclass(frozen=True)
class Composition:
    """Which parts of the first answer were right.

    right: part -> (q,) 0 or 1; chance: part -> the share of gallery pictures that would be right; gallery:
    pictures searched.
    """

    right: dict[str, NDArray[np.float64]]
    chance: dict[str, float]
    gallery: int


def gallery_of(split: CompositionalSplit, which: Literal["all", "held"]) -> NDArray[np.int64]:
    """Records that are searched."""
    return split.cells if which == "all" else split.held


def validation_of(split: CompositionalSplit, same: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(validation, train): settings are chosen on combinations of the training part, left out as the held ones are.

    For each held picture its next tone, where that trains; train is the training part without them and without pictures
    identical to them. same: as for `compose`.
    """
    at = {(split.role[row], split.gender[row], split.tone[row]): row for row in split.cells}
    wanted = [at[split.role[row], split.gender[row], 1 + split.tone[row] % 5] for row in split.held]
    validation = np.intersect1d(wanted, split.train)
    return validation, split.train[~np.isin(same[split.train], same[validation])]


def compose(
    scores: NDArray[np.floating],
    split: CompositionalSplit,
    gallery: NDArray[np.int64],
    same: NDArray[np.int64],
) -> Composition:
    """Judge text-to-image answers to the names of `split.held`.

    scores: (237, g), higher is nearer; gallery: (g,) records that are searched; same: (n,) a number for each picture of
    the collection, equal where pictures are identical (`families.identities`).
    """
    matches = right_parts(split, gallery, same)
    best = scores.max(1, keepdims=True)
    first = scores >= best
    right = {part: np.where(first, match, True).all(1).astype(float) for part, match in matches.items()}
    chance = {part: float(match.mean()) for part, match in matches.items()}
    return Composition(right, chance, len(gallery))


def right_parts(
    split: CompositionalSplit, gallery: NDArray[np.int64], same: NDArray[np.int64]
) -> dict[str, NDArray[np.bool_]]:
    """part -> (237, g): whether an answer, or a picture identical to it, has that part of the query."""
    columns = (split.role, split.gender, split.tone)
    # (237, 1422) over all cells first, then folded over identical pictures.
    each = [column[split.held][:, None] == column[split.cells][None] for column in columns]
    each.append(each[0] & each[1] & each[2])
    identical = same[split.cells][:, None] == same[gallery][None]
    return {part: (match.astype(np.float32) @ identical) > 0 for part, match in zip(PARTS, each, strict=True)}

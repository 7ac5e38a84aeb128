"""Zero-shot classification: the group of a picture from words alone, by the nearest of the groups' subgroups.

A group such as "travel-places" is no word that a picture is near to, so its score is the greatest over the texts "an
icon of SUBGROUP" of its subgroups. The texts come from the facts of the whole collection and were set before any test
picture was scored.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shared.evaluation.intervals import bootstrap
from shared.openmoji.records import icon_of, records

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.result import Interval

    Texts = Callable[[list[str]], NDArray[np.float32]]

SMALL_GROUP = "component"  # nine pictures in all, one a test fold: left out of the balanced accuracy over 11 groups


@functools.cache
def prompts() -> dict[str, list[str]]:
    """The texts of each group, in the order of their names: one a subgroup.

    Three subgroups (symbol other, subdivision flag, food drink) lie in two groups. The larger part of each names its
    group: the same text for both would be a tie whatever the picture.
    """
    counts = Counter((emoji.subgroup, emoji.group) for emoji in records())
    group_of = {name: group for (name, group), _ in sorted(counts.items(), key=lambda item: item[1])}
    found: dict[str, list[str]] = {group: [] for group in sorted(set(group_of.values()))}
    for name, group in sorted(group_of.items()):
        found[group].append(icon_of(name))
    return found


def class_scores(images: NDArray[np.float32], texts: Texts) -> NDArray[np.float32]:
    """(n, 12) score of each group of `prompts`: the greatest cosine to its texts.

    images: (n, d) normalised; texts: gives (m, d) normalised vectors of m texts.
    """
    return np.stack([(images @ texts(words).T).max(1) for words in prompts().values()], axis=1)


@dataclass(frozen=True)
class ZeroShot:
    """Scores (n, c) of n pictures for c classes, and labels (n,), indices of the right ones into `classes`."""

    classes: tuple[str, ...]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, images: NDArray[np.float32], groups: Sequence[str], texts: Texts) -> ZeroShot:
        """Classify pictures of known groups. images: (n, d); groups: n names; texts as for `class_scores`."""
        classes = tuple(prompts())
        at = {name: index for index, name in enumerate(classes)}
        return cls(classes, class_scores(images, texts), np.array([at[name] for name in groups]))

    @classmethod
    def pooled(cls, parts: Sequence[ZeroShot]) -> ZeroShot:
        """The pictures of folds together."""
        scores, labels = [part.scores for part in parts], [part.labels for part in parts]
        return cls(parts[0].classes, np.concatenate(scores), np.concatenate(labels))

    def without(self, name: str = SMALL_GROUP) -> ZeroShot:
        """Neither its pictures nor the class itself: one fewer answer to choose from."""
        gone = self.classes.index(name)
        kept = self.labels != gone
        labels = self.labels[kept] - (self.labels[kept] > gone)
        rest = tuple(other for other in self.classes if other != name)
        return ZeroShot(rest, np.delete(self.scores[kept], gone, axis=1), labels)

    def predicted(self) -> NDArray[np.int64]:
        """(n,) class of the highest score; ties count against us, so a right class that is tied loses."""
        shown = self.scores.astype(float).copy()
        right = np.arange(len(shown)), self.labels
        shown[right] = np.nextafter(shown[right], -np.inf)
        return shown.argmax(1)

    def balanced_accuracy(self) -> float:
        """Mean over the classes that occur of the share of their pictures that are found; chance is 1 / c."""
        return balanced_accuracy(self._rows(), len(self.classes))

    def interval(self, resamples: int = 10_000, seed: int = 0) -> Interval:
        """Of the balanced accuracy, over pictures."""
        count = len(self.classes)
        return bootstrap(
            self._rows(),
            lambda rows: balanced_accuracy(rows, count),
            resamples=resamples,
            seed=seed,
            unit="pictures, one a family",
        )

    def chance(self) -> float:
        """Balanced accuracy of guessing: 1 / c."""
        return 1 / len(self.classes)

    def confusion(self) -> NDArray[np.int64]:
        """(c, c) pictures by true class (row) and predicted class (column)."""
        count = len(self.classes)
        pairs = self.labels * count + self.predicted()
        return np.bincount(pairs, minlength=count * count).reshape(count, count)

    def _rows(self) -> NDArray[np.float64]:
        return np.column_stack([self.labels, self.predicted() == self.labels]).astype(float)


def balanced_accuracy(rows: NDArray[np.float64], classes: int) -> float:
    """Of (n, 2) rows: class, and 1 where it was found.

    >>> balanced_accuracy(np.array([[0, 1.0], [0, 1.0], [0, 1.0], [1, 0.0]]), 2)
    0.5
    """
    labels = rows[:, 0].astype(int)
    counts = np.bincount(labels, minlength=classes)
    found = np.bincount(labels, weights=rows[:, 1], minlength=classes)
    occurs = counts > 0
    return float((found[occurs] / counts[occurs]).mean())

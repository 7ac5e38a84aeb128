"""One model or peer on one test fold, and over folds: every number with its interval and what chance has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from demos.clip_retrieval.judging.neighbours import Hubs, Neighbours, hubs, neighbours
from demos.clip_retrieval.judging.retrieval import Ranked, relevance
from demos.clip_retrieval.judging.zeroshot import ZeroShot
from shared.evaluation.intervals import bootstrap
from shared.openmoji.families import identities
from shared.openmoji.records import records

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.result import Interval

    Floats = NDArray[np.float32]
    Texts = Callable[[list[str]], Floats]

KS = (1, 5, 10)
UNIT = "families"
BACK, AMONG_KNOWN = "image to text ", "among known pictures "  # before the names of numbers


@dataclass(frozen=True)
class FoldScores:
    """What one method did on the gallery of one fold, one neutral picture a family; names are the queries.

    larger: text to image where all neutral family pictures of the collection are searched, those of training too; None
    when it was not asked for.
    """

    text_to_image: Ranked
    image_to_text: Ranked
    subgroups: Neighbours
    groups: ZeroShot
    hubs: Hubs
    larger: Ranked | None = None


def score(
    images: Floats,
    texts: Texts,
    rows: NDArray[np.int64],
    *,
    named: Floats | None = None,
    every: tuple[NDArray[np.int64], Floats] | None = None,
) -> FoldScores:
    """Score vectors of gallery pictures against the names of the same records.

    images: (g, d) normalised vectors of the records `rows` (g,); texts: n texts -> (n, d) normalised; named: other
    vectors for image-to-image and zero-shot, if any; every: records and vectors of a larger gallery.
    """
    emojis = [records()[row] for row in rows]
    labels = identities()[rows]
    words = texts([emoji.name for emoji in emojis])
    scores, right = words @ images.T, relevance(labels, labels)
    seen = images if named is None else named
    kinds = np.array([emoji.subgroup for emoji in emojis])
    larger = None
    if every is not None:
        larger = Ranked.of(words @ every[1].T, relevance(labels, identities()[every[0]]))
    return FoldScores(
        Ranked.of(scores, right),
        Ranked.of(scores.T, right.T),
        neighbours(seen @ seen.T, kinds),
        ZeroShot.of(seen, [emoji.group for emoji in emojis], texts),
        hubs(scores),
        larger,
    )


@dataclass(frozen=True)
class Estimate:
    """A number over all folds, its 95 % interval over families, and the value of chance on the same galleries."""

    value: float
    interval: Interval
    chance: float


def estimates(folds: Sequence[FoldScores], resamples: int = 10_000, seed: int = 0) -> dict[str, Estimate]:
    """Name -> number over the queries of all folds: R@1, R@5, R@10, MRR and median rank of text to image, the same
    of image to text, and where pictures of the training part were searched too; P@5, R-precision and mAP@R of
    same-subgroup neighbours; balanced accuracy of zero-shot over 12 and 11 groups. Shares are 0 to 1."""
    found: dict[str, Estimate] = {}

    def mean(name: str, values: NDArray[np.float64], chance: float) -> None:
        interval = bootstrap(values, resamples=resamples, seed=seed, unit=UNIT)
        found[name] = Estimate(float(values.mean()), interval, chance)

    directions = [("", [fold.text_to_image for fold in folds]), (BACK, [fold.image_to_text for fold in folds])]
    if beyond := [fold.larger for fold in folds if fold.larger is not None]:
        directions.append((AMONG_KNOWN, beyond))
    for prefix, parts in directions:
        ranked = Ranked.pooled(parts)
        for k in KS:
            mean(f"{prefix}R@{k}", ranked.hits(k), ranked.chance_hits(k))
        mean(f"{prefix}MRR", ranked.reciprocal(), ranked.chance_reciprocal())
        median = bootstrap(ranked.ranks, np.median, resamples=min(resamples, 2000), seed=seed, unit=UNIT)
        found[f"{prefix}median rank"] = Estimate(float(np.median(ranked.ranks)), median, ranked.chance_median())
    near = [fold.subgroups for fold in folds]
    mean("P@5", np.concatenate([n.precision for n in near]), float(np.mean([n.chance_precision for n in near])))
    mean(
        "R-precision",
        np.concatenate([n.r_precision for n in near]),
        float(np.mean([n.chance_r_precision for n in near])),
    )
    mean("mAP@R", np.concatenate([n.map_at_r for n in near]), float(np.mean([n.chance_map_at_r for n in near])))
    groups = ZeroShot.pooled([fold.groups for fold in folds])
    for result in (groups, groups.without()):
        interval = result.interval(min(resamples, 2000), seed)
        found[f"{len(result.classes)} groups"] = Estimate(result.balanced_accuracy(), interval, result.chance())
    return found

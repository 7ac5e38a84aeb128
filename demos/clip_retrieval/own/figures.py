"""The pictures of the report on the user's own corpus: answers to some captions, and R@k."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import pyplot

from demos.clip_retrieval.judging.figures import KS, QUIET
from demos.clip_retrieval.judging.sheets import sheet_figure
from demos.clip_retrieval.own.gallery import OwnPictures
from demos.clip_retrieval.own.scores import Direction, OwnScores
from shared.evaluation.intervals import bootstrap
from shared.seed import generator
from shared.sheet import THUMB, Answer, SheetRow
from shared.style import COLOURS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.demo import Run
    from shared.result import Figure

SHOWN = 6
BEST, RANDOM, WORST = 2, 3, 4  # captions on the sheet
SIDE = 128  # pixels of a picture on it
RESAMPLES = 2000  # of a band; the intervals of the table have their own


def chosen(ranks: NDArray[np.int64], scores: NDArray[np.float64], seed: int) -> list[int]:
    """Queries of the sheet, each once: the surest of those answered best, some at random, and those answered worst.

    ranks: (q,) from 1; scores: (q,) of the best right answer.
    """
    best = np.lexsort((-scores, ranks))[:BEST].tolist()
    worst = np.argsort(-ranks, kind="stable")[:WORST][::-1].tolist()
    rest = [row for row in range(len(ranks)) if row not in {*best, *worst}]
    some = generator(seed, "own sheet").permutation(len(rest))[:RANDOM]
    return list(dict.fromkeys([*best, *(rest[at] for at in sorted(some)), *worst]))


def answer_sheet(own: OwnPictures, scores: OwnScores, seed: int, run: Run) -> Figure:
    """The first answers to some captions; where none is right, the best right one stands at the end."""
    way = scores.text_to_image
    right = own.right.T.tocsr()
    surest = [float((own.vectors[right[row].indices] @ scores.texts[row]).max()) for row in way.asked.tolist()]
    rows = []
    for query in chosen(way.ranked.ranks, np.array(surest), seed):
        caption, rank = int(way.asked[query]), int(way.ranked.ranks[query])
        cosines = own.vectors @ scores.texts[caption]
        good = set(right[caption].indices.tolist())
        first = np.argsort(-cosines, kind="stable")[:SHOWN].tolist()
        answers = [_answer(own, row, float(cosines[row]), row in good) for row in first]
        if good.isdisjoint(first):
            last = max(good, key=lambda row: float(cosines[row]))
            answers.append(_answer(own, last, float(cosines[last]), True, f"rank {rank:,}: "))
        rows.append(SheetRow(own.captions[caption], answers, f"rank {rank:,} of {way.ranked.gallery:,}"))
    return sheet_figure(
        rows,
        run,
        "answers",
        title="Captions and the pictures found for them",
        caption=f"The {BEST} answered best, up to {RANDOM} at random and the {WORST} answered worst, of "
        f"{len(way.asked):,}; the nearest {SHOWN} of {way.ranked.gallery:,} pictures, right ones framed. Where none of "
        "them is right, the nearest right one stands last. Below each picture: its first caption and the cosine.",
        alt="Contact sheet: a row of pictures for each of some captions.",
        footer="",
    )


def _answer(own: OwnPictures, row: int, score: float, hit: bool, before: str = "") -> Answer:
    said = own.captions[int(own.right[row].indices[0])]
    return Answer(own.pixels(row, max(SIDE, THUMB)), before + said, score, hit)


def recall_figure(directions: Sequence[Direction], run: Run) -> Figure:
    """R@k of each direction against k, with its band, and what chance has."""
    figure, axes = pyplot.subplots(figsize=(8, 4.6))
    longest = 1
    for number, way in enumerate(directions):
        ks = [k for k in KS if k <= way.ranked.gallery]
        longest = max(longest, ks[-1])
        hits = [way.ranked.hits(k) for k in ks]
        bands = [bootstrap(values, resamples=RESAMPLES) for values in hits]
        colour = COLOURS[number]
        axes.plot(ks, [100 * values.mean() for values in hits], color=colour, lw=2, label=_label(way))
        low, high = ([100 * edge for edge in edges] for edges in zip(*((b.low, b.high) for b in bands), strict=True))
        axes.fill_between(ks, low, high, color=colour, alpha=0.15, lw=0)
        chance = [100 * way.ranked.chance_hits(k) for k in ks]
        axes.plot(ks, chance, color=colour, ls=":")
    axes.plot([], [], color=QUIET, ls=":", label="chance")
    axes.set(xlabel="answers looked at, k", ylabel="a right one among them [%]", ylim=(0, 103), xlim=(1, longest))
    axes.legend(loc="best", fontsize=9)
    return run.figure(
        figure,
        "recall",
        title="How many answers have to be looked at",
        caption="R@k: share of queries with a right answer among the first k. Bands: 95 % over the queries. "
        "Dotted, in the same colours: a random order, which depends on the number of answers and of right ones.",
        alt="Curves of recall at k for captions to pictures, pictures to captions and pictures to pictures.",
    )


def _label(way: Direction) -> str:
    return f"{way.name.lower()}: {len(way.asked):,} {way.unit}, {way.ranked.gallery:,} {way.among}"

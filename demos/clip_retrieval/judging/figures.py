"""The pictures of a run: R@k with peers, a map of the embedding, confusion of the groups, hubs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import pyplot
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from shared.evaluation.intervals import bootstrap
from shared.openmoji.records import ATTRIBUTION
from shared.style import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from demos.clip_retrieval.judging.neighbours import Hubs
    from demos.clip_retrieval.judging.retrieval import Ranked
    from demos.clip_retrieval.judging.zeroshot import ZeroShot
    from shared.demo import Run
    from shared.result import Figure

KS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50)
SIZES = (5, 10, 20, 50, 100, 200, 400)  # pictures in a smaller gallery
RESAMPLES = 2000  # of the band; the intervals of the tables have their own
QUIET = "#8a8f98"
MARKERS = ("o", "^")
THUMBS, THUMB_SIDE = 60, 32  # pictures drawn on the map, and their side [pixels]


@dataclass(frozen=True)
class Curve:
    """One method. ranked: its queries, of one gallery size; larger: (gallery, R@1) points beyond it; reference: drawn
    dashed, since it is told what the others have to find out."""

    label: str
    ranked: Ranked
    larger: Sequence[tuple[int, float]] = ()
    reference: bool = False


def recall_curves(curves: Sequence[Curve], run: Run, name: str = "recall") -> Figure:
    """R@k of all methods against k, and R@1 against the size of the gallery; the first is ours and has a band."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.6))
    ours = curves[0].ranked
    for number, curve in enumerate(curves):
        style = {
            "color": COLOURS[number % len(COLOURS)],
            "lw": 2.4 if number == 0 else 1.4,
            "zorder": 3 if number == 0 else 2,
            "ls": "--" if curve.reference else "-",
        }
        left.plot(KS, [100 * curve.ranked.hits(k).mean() for k in KS], label=curve.label, **style)
        sizes = [size for size in SIZES if size <= curve.ranked.gallery]
        points = [(size, 100 * float(curve.ranked.hits_among(size).mean())) for size in sizes]
        points += [(size, 100 * value) for size, value in curve.larger]
        right.plot(*zip(*points, strict=True), marker="o", ms=3.5, **style)
    bands = [bootstrap(ours.hits(k), resamples=RESAMPLES) for k in KS]
    left.fill_between(
        KS, [100 * b.low for b in bands], [100 * b.high for b in bands], color=COLOURS[0], alpha=0.18, lw=0
    )
    left.plot(KS, [100 * ours.chance_hits(k) for k in KS], color=QUIET, ls=":", label="chance")
    every = sorted({*sizes, *(size for curve in curves for size, _ in curve.larger)})
    right.plot(every, [100 / size for size in every], color=QUIET, ls=":")
    left.set(xlabel="answers looked at, k", ylabel="right picture among them [%]", ylim=(0, None), xlim=(1, KS[-1]))
    right.set(xlabel="pictures searched", ylabel="right picture first, R@1 [%]", xscale="log", ylim=(0, 100))
    right.set_xticks(every, [f"{size:,}" for size in every])
    right.minorticks_off()
    left.set_title(f"{len(ours.ranks):,} names, {ours.gallery} pictures searched")
    right.set_title("Harder with more pictures")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    return run.figure(
        figure,
        name,
        title="How often the right picture is found",
        caption=f"Text to image, by name. Left: R@k, gallery of {ours.gallery}; the band is the 95 % interval over "
        f"{len(ours.ranks):,} names, one a family. Right: R@1 in smaller galleries, exact over all choices of the "
        "other pictures"
        + (", and in the largest with the training pictures among those searched." if curves[0].larger else "."),
        alt="Curves of recall at k and of recall at 1 against gallery size, for our model, its peers and chance.",
    )


def embedding_map(
    vectors: NDArray[np.float32],
    groups: Sequence[str],
    thumbs: NDArray[np.uint8],
    run: Run,
    *,
    seed: int = 0,
    name: str = "map",
) -> Figure:
    """Image vectors in two dimensions, by t-SNE with cosine distances, coloured by group, with some of the pictures.

    vectors: (n, d), n at least 50; groups: n names; thumbs: (n, s, s, 3) RGB on white.
    """
    points = reduced(vectors, seed)
    figure, axes = pyplot.subplots(figsize=(11, 7.6))
    for number, group in enumerate(sorted(set(groups))):
        rows = np.array([other == group for other in groups])
        half = (len(COLOURS) - 1) or 1
        colour, marker = COLOURS[number % half], MARKERS[number // half % len(MARKERS)]
        axes.scatter(points[rows, 0], points[rows, 1], s=26, c=colour, marker=marker, label=group, alpha=0.85, lw=0)
    for row in spread(points, THUMBS):
        box = OffsetImage(_cut_out(thumbs[row]), zoom=THUMB_SIDE / thumbs.shape[1])
        axes.add_artist(AnnotationBbox(box, (float(points[row, 0]), float(points[row, 1])), frameon=False))
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_title(f"{len(points)} test pictures, t-SNE of their vectors")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9, markerscale=1.4)
    return run.figure(
        figure,
        name,
        title="What the model finds alike",
        caption=f"t-SNE (van der Maaten and Hinton, 2008) of {vectors.shape[1]} dimensions, cosine distances, "
        f"perplexity {perplexity(len(points)):g}, seed {seed}. Near means alike to the model; distances between far "
        f"points, and the axes, mean nothing. Pictures: {ATTRIBUTION} (rendered, background cut).",
        alt="Scatter plot of picture vectors coloured by group, with thumbnails.",
    )


def reduced(vectors: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
    """(n, 2) t-SNE coordinates, from a start by principal components; the same for the same seed."""
    from sklearn.manifold import TSNE

    method = TSNE(perplexity=perplexity(len(vectors)), metric="cosine", init="pca", random_state=seed)
    return np.asarray(method.fit_transform(vectors), float)


def perplexity(count: int) -> float:
    """Neighbours that t-SNE heeds: 30, fewer in a small collection."""
    return min(30.0, count / 5)


def spread(points: NDArray[np.float64], count: int) -> list[int]:
    """Indices of points far from each other: each is the farthest from those before it."""
    scaled = (points - points.min(0)) / np.ptp(points, axis=0)
    chosen = [int(np.argmin(((scaled - 0.5) ** 2).sum(1)))]
    nearest = ((scaled - scaled[chosen[0]]) ** 2).sum(1)
    while len(chosen) < min(count, len(points)):
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, ((scaled - scaled[chosen[-1]]) ** 2).sum(1))
    return chosen


def confusion(result: ZeroShot, run: Run, name: str = "confusion") -> Figure:
    """Zero-shot groups: true against predicted, in percent of the true group, with counts."""
    counts = result.confusion()
    share = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure, axes = pyplot.subplots(figsize=(9.2, 7.2))
    shown = axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
    for row, column in np.argwhere(counts > 0):
        dark = share[row, column] > 55
        axes.text(
            column,
            row,
            str(counts[row, column]),
            ha="center",
            va="center",
            fontsize=9,
            color="white" if dark else "#333842",
        )
    labels = [f"{group} ({total})" for group, total in zip(result.classes, counts.sum(1), strict=True)]
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xticks(range(len(labels)), result.classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="predicted", ylabel="true (pictures)")
    found, chance = (round(100 * value) for value in (result.balanced_accuracy(), result.chance()))
    axes.set_title(f"Zero-shot groups: balanced accuracy {found} %, chance {chance} %")
    figure.colorbar(shown, ax=axes, label="share of the true group [%]", shrink=0.7)
    return run.figure(
        figure,
        name,
        title="Which groups are taken for which",
        caption='Each picture goes to the group with the nearest text "an icon of SUBGROUP". Numbers are pictures, '
        "colours are shares of the row; a tie counts as wrong.",
        alt="Confusion matrix of the twelve groups.",
    )


def hub_histogram(hubs: Hubs, names: Sequence[str], queries: int, run: Run, name: str = "hubs") -> Figure:
    """How many queries each gallery picture answers, against a random order.

    names: of the gallery pictures; queries: how many were asked.
    """
    figure, axes = pyplot.subplots(figsize=(8, 4.2))
    most = int(hubs.counts.max())
    axes.hist(
        hubs.counts, bins=[edge - 0.5 for edge in range(most + 2)], color=COLOURS[0], alpha=0.85, label="our model"
    )
    axes.plot(
        np.arange(most + 1),
        _binomial(len(hubs.counts), queries, hubs.k, most),
        color=COLOURS[-1],
        ls=":",
        label="random order",
    )
    _name_hubs(axes, hubs, names)
    axes.set(xlabel=f"names for which a picture is among the first {hubs.k}", ylabel="pictures")
    axes.set_title(f"Skewness {hubs.skewness:.2f}, of a random order {hubs.chance_skewness:.2f}")
    axes.legend()
    return run.figure(
        figure,
        name,
        title="Pictures that answer too often",
        caption=f"N_{hubs.k} of {len(hubs.counts)} gallery pictures over {queries} names (Radovanović et al., 2010). "
        "A long right tail means hubs: pictures near to everything.",
        alt="Histogram of how often each gallery picture is among the first answers.",
    )


def _name_hubs(axes: Axes, hubs: Hubs, names: Sequence[str]) -> None:
    lines = [f"{hubs.counts[row]}  {names[row]}" for row in hubs.top]
    axes.text(0.78, 0.62, "most often\n" + "\n".join(lines), transform=axes.transAxes, va="top", fontsize=9)


def _binomial(gallery: int, queries: int, k: int, most: int) -> NDArray[np.float64]:
    """Expected pictures with each count when every order is equally likely."""
    from math import comb

    share = k / gallery
    return np.array([gallery * comb(queries, n) * share**n * (1 - share) ** (queries - n) for n in range(most + 1)])


def _cut_out(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(s, s, 4): white is transparent, so that a picture hides no point beside it."""
    white = (picture == 255).all(-1)
    return np.dstack([picture, np.where(white, 0, 255).astype(np.uint8)])

"""How different the pictures of one name are: a student may draw well, and always the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from demos.diffusion.judging.kid import looked_at
from demos.diffusion.sampling.draw import draw
from shared.evaluation.intervals import bootstrap, paired_ratio
from shared.result import Column, Metric, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.diffusion.judging.parts import Studio

NAMES, SEEDS = 48, 4  # names at most, and pictures of each
ANOTHER = 7_000_003  # between the seeds of one name's pictures
WHO = {"teacher": "the teacher, DDIM in 50 steps", "student": "the student", "peer": "the consistency peer"}


def spread(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,) mean distance between two of the k pictures of each name: 1 minus the cosine of their features.

    features: (n, k, d), k from 2.
    """
    units = features / np.linalg.norm(features, axis=2, keepdims=True)
    alike = np.einsum("nid,njd->nij", units, units, dtype=np.float64)
    count = features.shape[1]
    return np.asarray((1 - alike).sum((1, 2)) / (count * (count - 1)))


def variety(studio: Studio, few: Mapping[str, Any]) -> tuple[Table, list[Metric]]:
    """Of all pipelines of a studio. few: how students draw."""
    judge = studio.judge
    some = np.linspace(0, len(judge.prompts) - 1, min(NAMES, len(judge.prompts) // SEEDS)).astype(int)
    prompts = [judge.prompts[at] for at in some for _ in range(SEEDS)]
    seeds = [judge.seeds[at] + ANOTHER * number for at in some for number in range(SEEDS)]
    found: dict[str, NDArray[np.float64]] = {}
    studio.run.say(f"drawing: {SEEDS} pictures of each of {len(some)} names")
    for who, pipeline in studio.pipelines.items():
        how = {"sampler": "ddim", "steps": 50} if who == "teacher" else few
        made = draw(pipeline, prompts, seeds, studio.config.sample.model_copy(update=how), studio.run.track)
        found[who] = spread(looked_at(made).reshape(len(some), SEEDS, -1))
    draws, seed = studio.config.evaluation.bootstrap, studio.config.seed
    rows: list[list[str | float | None]] = []
    for name, values in found.items():
        around = bootstrap(values, resamples=draws, seed=seed, unit="names")
        row: list[str | float | None] = [WHO[name], float(values.mean()), f"{around.low:.3f} to {around.high:.3f}"]
        ratio = paired_ratio(values, found["teacher"], resamples=draws, seed=seed, unit="names")
        told = f"{ratio.low:.2f} to {ratio.high:.2f}"
        first = name == "teacher"
        rows.append([*row, None if first else float(values.sum() / found["teacher"].sum()), None if first else told])
    columns = [
        Column(name="pictures"),
        Column(name="difference", digits=3, direction="higher"),
        Column(name="95 %"),
        Column(name="ratio to the teacher", digits=2, direction="higher"),
        Column(name="95 % "),
    ]
    caption = (
        f"Mean of 1 minus the cosine of EfficientNet features between two of {SEEDS} pictures of one name, over "
        f"{len(some)} {judge.whose} names. A student that always drew the same for a name would have 0."
    )
    metrics = [
        Metric(name=f"variety: {WHO[name]}", value=float(values.mean()), unit="", direction="higher")
        for name, values in found.items()
    ]
    return Table(title="Variety", columns=columns, rows=rows, caption=caption), metrics

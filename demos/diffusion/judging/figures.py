"""The pictures of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import pyplot

from demos.diffusion.sampling.draw import draw

if TYPE_CHECKING:
    from demos.diffusion.config import DiffusionConfig
    from demos.diffusion.model.pipeline import PictogramPipeline
    from shared.demo import Run
    from shared.result import Figure

# Fixed before any model was trained; all are shown, whatever they look like.
PROMPTS = (
    "a red apple",
    "a sad face",
    "a woman astronaut with dark skin tone",
    "a green car",
    "a house with a tree",
    "flag of a country in blue and white",
    "a black cat",
    "a violin",
    "a birthday cake",
    "a robot with a heart",
)
SEEDS = (0, 1, 2, 3)


def prompts_figure(pipeline: PictogramPipeline, config: DiffusionConfig, run: Run) -> Figure:
    """Fixed prompts by fixed seeds."""
    asked = [prompt for prompt in PROMPTS for _ in SEEDS]
    made = draw(pipeline, asked, [seed for _ in PROMPTS for seed in SEEDS], config.sample)
    drawing, axes = pyplot.subplots(len(PROMPTS), len(SEEDS), figsize=(6.5, 1.1 * len(PROMPTS)))
    for number, place in enumerate(axes.flat):
        place.imshow(made[number], interpolation="none")
        place.set_axis_off()
    for prompt, row in zip(PROMPTS, axes, strict=True):
        row[0].text(-0.15, 0.5, prompt, ha="right", va="center", transform=row[0].transAxes, fontsize=9)
    return run.figure(
        drawing,
        "prompts",
        title=f"{len(PROMPTS)} prompts by {len(SEEDS)} seeds",
        caption="Prompts and seeds were fixed before any model was trained; all pictures are shown.",
        alt="A grid of drawn pictograms: a row for each prompt, a column for each seed.",
    )

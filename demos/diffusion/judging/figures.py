"""The pictures of a report."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import pyplot

from demos.diffusion.sampling.draw import draw
from shared.openmoji.records import records
from shared.openmoji.render import pictures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.diffusion.config import SampleSection
    from demos.diffusion.judging.compose import Composition
    from demos.diffusion.judging.judge import Row
    from demos.diffusion.judging.memory import Nearest
    from demos.diffusion.judging.parts import Studio
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
SHOWN = 14  # names in a row of a figure
CELL = 0.62  # inches
KARRAS = " Karras"
TICKS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)


def prompts_figure(pipeline: PictogramPipeline, settings: SampleSection, run: Run, name: str, title: str) -> Figure:
    """Fixed prompts by fixed seeds."""
    asked = [prompt for prompt in PROMPTS for _ in SEEDS]
    made = draw(pipeline, asked, [seed for _ in PROMPTS for seed in SEEDS], settings)
    grid = made.reshape(len(PROMPTS), len(SEEDS), *made.shape[1:])
    return run.figure(
        _grid(grid, PROMPTS, []),
        name,
        title=title,
        caption=f"{len(PROMPTS)} prompts by {len(SEEDS)} seeds, fixed before any model was trained; all pictures are "
        "shown.",
        alt="A grid of drawn pictograms: a row for each prompt, a column for each seed.",
    )


def beside(studio: Studio, rows: Sequence[Row], name: str, title: str) -> Figure:
    """Ways to draw, the same names and seeds beneath each other, the real pictures last."""
    some = np.linspace(0, len(studio.judge.rows) - 1, SHOWN).astype(int)
    real = np.asarray(pictures(studio.judge.size)[studio.judge.rows[some]])
    grid = np.stack([*[row.made[some] for row in rows if row.made is not None], real])
    return studio.run.figure(
        _grid(grid, [*[row.name for row in rows], "the real picture"], [studio.judge.prompts[at] for at in some]),
        name,
        title=title,
        caption=f"Names at equal distances in the list of {studio.judge.whose} names. No model that draws saw the last "
        "row.",
        alt="Rows of drawn pictograms, a way to draw in each, over the real pictures.",
    )


def neighbours(studio: Studio, made: NDArray[np.uint8], found: Nearest, trained: NDArray[np.int64]) -> Figure:
    """The pictures that are most like one of the training's, over those. trained: records of the training."""
    some = np.argsort(found.off)[:SHOWN]
    rows = trained[found.at[some]]
    grid = np.stack([made[some], np.asarray(pictures(studio.judge.size)[rows])])
    below = [f"{found.off[at]:.0f} off: {records()[row].name}" for at, row in zip(some, rows.tolist(), strict=True)]
    return studio.run.figure(
        _grid(grid, ["drawn", "of the training"], [studio.judge.prompts[at] for at in some], below),
        "neighbours",
        title="The pictures nearest to one of the training's",
        caption=f"Of {len(made)} drawn for {studio.judge.whose} names the {SHOWN} nearest ones, over that picture of "
        "the training, and how many levels of 255 it is off on a coarse grid.",
        alt="Two rows of pictograms: drawn ones, and the most similar pictures of the training.",
    )


def compositions(studio: Studio, pairs: Sequence[Composition], made: NDArray[np.uint8]) -> Figure:
    """Things by colours; a pair that the training had is left white."""
    things, colours = ([*dict.fromkeys(names)] for names in ([p.thing for p in pairs], [p.colour for p in pairs]))
    grid = np.full((len(things), len(colours), *made.shape[1:]), 255, np.uint8)
    for pair, picture in zip(pairs, made, strict=True):
        grid[things.index(pair.thing), colours.index(pair.colour)] = picture
    return studio.run.figure(
        _grid(grid, things, colours),
        "compositions",
        title="Colours and things that were never named together",
        caption="One picture each; where it is white, the training has the pair.",
        alt="A grid of drawn pictograms: a row for each thing, a column for each colour.",
    )


def own_figure(drawn: dict[str, NDArray[np.uint8]], prompts: Sequence[str], held: int, run: Run) -> Figure:
    """Captions of the user: what was drawn before and after, and the picture itself."""
    named = [f"{'(held out) ' if at < held else ''}{prompt}" for at, prompt in enumerate(prompts)]
    with warnings.catch_warnings():
        # Letters that the font lacks are boxes in the figure, and no news for the user.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        return run.figure(
            _grid(np.stack(list(drawn.values())), list(drawn), named),
            "own",
            title="Your captions, before and after",
            caption="The same seed before and after; the captions that were held out come first.",
            alt="Rows of pictures: drawn before fine-tuning, after it, and the pictures of those captions.",
        )


def steps_figure(rows: Sequence[Row], students: Sequence[Row], floor: Row, run: Run) -> Figure:
    """Kernel distance by evaluations, a line for each sampler."""
    drawing, axes = pyplot.subplots(figsize=(6.5, 3.8))
    lines: dict[str, list[Row]] = {}
    for row in [*rows, *students]:
        lines.setdefault(row.name.split(",")[0], []).append(row)
    kinds = [*dict.fromkeys(name.removesuffix(KARRAS) for name in lines)]
    for name, of in lines.items():
        # With Karras' levels a sampler keeps its colour.
        colour, dash = f"C{kinds.index(name.removesuffix(KARRAS))}", "--" if name.endswith(KARRAS) else "-"
        looks, middle = [row.evaluations or 0 for row in of], [1000 * row.distance.value for row in of]
        axes.plot(looks, middle, dash, color=colour, marker="o", markersize=4, label=name)
        low, high = ([1000 * getattr(row.distance, side) for row in of] for side in ("low", "high"))
        axes.fill_between(looks, low, high, color=colour, alpha=0.12, linewidth=0)
    axes.set(xscale="log", yscale="log", xlabel="evaluations of the network for one picture")
    axes.set_ylabel("kernel distance [10⁻³]")
    most = max(row.evaluations or 1 for row in [*rows, *students])
    axes.set_xticks(ticks := [tick for tick in TICKS if tick <= most], [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.legend(fontsize=8)
    return run.figure(
        drawing,
        "steps",
        title="Evaluations and distance",
        caption="Guidance doubles the evaluations; the student has its guidance in its weights. Bands: the middle 95 % "
        f"over halves of the pictures. {floor.name.capitalize()} are at {1000 * floor.distance.value:.1f}.",
        alt="Kernel distance over the number of network evaluations, falling, for each sampler and the student.",
    )


def _grid(grid: NDArray[np.uint8], rows: Sequence[str], columns: Sequence[str], below: Sequence[str] = ()) -> Any:
    """A drawing of (r, c, s, s, 3) pictures with words for the rows, and above, and below, the columns."""
    down, across = grid.shape[:2]
    drawing, axes = pyplot.subplots(down, across, figsize=(CELL * across + 1.6, CELL * down + 0.5), squeeze=False)
    for place, picture in zip(axes.flat, grid.reshape(-1, *grid.shape[2:]), strict=True):
        place.imshow(picture, interpolation="none")
        place.set_axis_off()
    for name, place in zip(rows, axes[:, 0], strict=True):
        _say(place, -0.15, 0.5, _wrapped(name), ha="right", va="center", fontsize=7)
    for place, name in zip(axes[0], columns, strict=False):
        _say(place, 0.5, 1.05, _wrapped(name, 14), ha="center", va="bottom", fontsize=5)
    for place, name in zip(axes[-1], below, strict=False):
        _say(place, 0.5, -0.05, _wrapped(name, 14), ha="center", va="top", fontsize=5)
    return drawing


def _say(place: Any, across: float, up: float, text: str, **how: Any) -> None:
    # A caption of the user may hold two dollars, between which matplotlib would read mathematics.
    place.text(across, up, text, transform=place.transAxes, parse_math=False, **how)


def _wrapped(text: str, width: int = 26) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text, width)[:4])

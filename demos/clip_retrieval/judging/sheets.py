"""Contact sheets of the report: words of anyone's over the whole collection, and test names, the bad ones too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from shared.openmoji.records import ATTRIBUTION, records
from shared.openmoji.render import pictures
from shared.openmoji.splits import group_split
from shared.seed import generator
from shared.sheet import Answer, SheetRow, contact_sheet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from demos.clip_retrieval.judging.judge import Model
    from demos.clip_retrieval.judging.retrieval import Ranked
    from shared.demo import Run
    from shared.result import Figure

# Fixed before any model was trained; none is the name of a picture.
QUERIES = (
    "something sweet to eat",
    "I am very happy",
    "a way to travel over water",
    "bad weather",
    "a red flag with a star",
    "tools for repairing things",
    "someone who fights fires",
    "an animal with long ears",
)
SHOWN = 6
SIDE = 128  # pixels of a picture on a sheet
GOOD, BAD = 3, 5  # test names shown: some at random, and the worst


def query_sheet(model: Model, run: Run) -> Figure:
    """Fixed queries over all neutral pictures, those of training too."""
    words = model.encoder.texts(list(QUERIES))
    scores = words @ model.images.T
    rows = []
    for query, score in zip(QUERIES, scores, strict=True):
        best = np.argsort(-score, kind="stable")[:SHOWN]
        rows.append(SheetRow(query, _answers(model.rows[best], score[best])))
    return sheet_figure(
        rows,
        run,
        "queries",
        title=f"{len(QUERIES)} queries over the whole collection",
        caption=f"The nearest {SHOWN} of {len(model.rows):,} pictures, most of them from training: what a user sees. "
        f"The queries are fixed and are no names of pictures. {ATTRIBUTION}",
        alt="Contact sheet: a row of pictures for each of eight queries.",
    )


def names_sheet(model: Model, ranked: Ranked, run: Run, seed: int = 0) -> Figure:
    """Names of the test fold: some at random, and those whose picture was found last. seed: of the split."""
    gallery = group_split(seed).gallery(model.fold)
    images = model.of(gallery)
    chosen = generator(0, "test sheet").choice(len(gallery), GOOD, replace=False).tolist()
    chosen += [row for row in np.argsort(-ranked.ranks, kind="stable").tolist() if row not in chosen][:BAD]
    words = model.encoder.texts([records()[gallery[row]].name for row in chosen])
    rows = []
    for row, score in zip(chosen, words @ images.T, strict=True):
        best = np.argsort(-score, kind="stable")[:SHOWN]
        note = f"rank {ranked.ranks[row]} of {len(gallery)}"
        answers = _answers(gallery[best], score[best], right=int(gallery[row]))
        rows.append(SheetRow(records()[gallery[row]].name, answers, note))
    return sheet_figure(
        rows,
        run,
        "test",
        title="Names of pictures never seen",
        caption=f"{GOOD} names at random and the {BAD} whose pictures came last, fold {model.fold}, {len(gallery)} "
        f"pictures searched. {ATTRIBUTION}",
        alt=f"Contact sheet: a row of pictures for each of {len(chosen)} names, the worst {BAD} last.",
    )


def _answers(rows: NDArray[np.int64], scores: NDArray[np.float32], right: int | None = None) -> list[Answer]:
    pixels = pictures(SIDE)
    return [
        Answer(np.asarray(pixels[row]), records()[row].name, float(score), None if right is None else row == right)
        for row, score in zip(rows.tolist(), scores.tolist(), strict=True)
    ]


def sheet_figure(
    rows: Sequence[SheetRow], run: Run, name: str, *, title: str, caption: str, alt: str, footer: str = ATTRIBUTION
) -> Figure:
    """A contact sheet as a figure of the report. footer: what has to stand under the pictures."""
    from matplotlib import pyplot

    sheet = np.asarray(contact_sheet(rows, footer=footer))
    dots = 144
    drawing = pyplot.figure(figsize=(sheet.shape[1] / dots, sheet.shape[0] / dots))
    drawing.set_layout_engine("none")  # the sheet fills the figure
    axes = drawing.add_axes((0, 0, 1, 1))
    axes.imshow(sheet, interpolation="none")
    axes.set_axis_off()
    return run.figure(drawing, name, title=title, caption=caption, alt=alt)

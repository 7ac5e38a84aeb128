"""Every figure is drawn from results of the shape that an evaluation has."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from demos.clip_retrieval.judging.figures import (
    Curve,
    confusion,
    embedding_map,
    hub_histogram,
    recall_curves,
    reduced,
    spread,
)
from demos.clip_retrieval.judging.neighbours import hubs
from demos.clip_retrieval.judging.retrieval import Ranked
from demos.clip_retrieval.judging.zeroshot import ZeroShot
from shared.progress import Progress
from shared.run import RunFolder
from shared.seed import generator
from shared.style import matplotlib_style


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFolder]:
    with mpl.rc_context({**matplotlib_style(), "backend": "agg"}):
        yield RunFolder(tmp_path, Progress(quiet=True))


def made(count: int, gallery: int) -> Ranked:
    ranks = generator(0, "ranks", count).integers(1, gallery + 1, count)
    return Ranked(ranks, np.ones(count, int), gallery)


@pytest.mark.parametrize("larger", [(), ((900, 0.1),)])
def test_recall(run: RunFolder, larger: tuple[tuple[int, float], ...]) -> None:
    curves = [Curve("ours", made(300, 100), larger), Curve("told", made(300, 100), larger, reference=True)]
    figure = recall_curves(curves, run)
    svg = (run.folder / figure.file).read_text()
    assert ("<!-- 900 -->" in svg) == bool(larger)
    assert ("training pictures" in figure.caption) == bool(larger)
    assert "300 names" in figure.caption


def test_map(run: RunFolder) -> None:
    vectors = generator(0, "map").normal(size=(60, 8)).astype(np.float32)
    groups = [f"group {row % 12}" for row in range(60)]
    thumbs = generator(0, "thumbs").integers(0, 256, (60, 16, 16, 3)).astype(np.uint8)
    figure = embedding_map(vectors, groups, thumbs, run, seed=3)
    assert "CC BY-SA 4.0" in figure.caption
    assert "seed 3" in figure.caption
    assert (reduced(vectors, 3) == reduced(vectors, 3)).all()


def test_thumbnails_are_spread() -> None:
    line = np.column_stack([np.linspace(0, 1, 101), np.linspace(0, 1, 101)])
    assert sorted(spread(line, 3)) == [0, 50, 100]
    assert len(spread(line, 500)) == 101


def test_confusion(run: RunFolder) -> None:
    random = generator(0, "confusion")
    result = ZeroShot(("a", "b", "c"), random.random((30, 3)).astype(np.float32), random.integers(0, 3, 30))
    assert (run.folder / confusion(result, run).file).is_file()


def test_hubs(run: RunFolder) -> None:
    scores = generator(0, "hubs").random((80, 30))
    figure = hub_histogram(hubs(scores), [f"picture {row}" for row in range(30)], 80, run)
    assert "picture" in (run.folder / figure.file).read_text()
    assert "80 names" in figure.caption

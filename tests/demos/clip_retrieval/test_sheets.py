"""The sheets of the report show what the model found: the nearest, best first, and the failures as failures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from demos.clip_retrieval.judging import sheets
from demos.clip_retrieval.judging.judge import Model
from demos.clip_retrieval.judging.retrieval import Ranked
from demos.clip_retrieval.model.encoder import EncoderSpec
from shared.openmoji.records import ATTRIBUTION, records
from shared.openmoji.render import pictures
from shared.openmoji.splits import group_split
from shared.progress import Progress
from shared.result import Figure
from shared.run import RunFolder
from shared.seed import generator
from shared.sheet import SheetRow, contact_sheet
from shared.style import matplotlib_style

NEUTRAL = np.flatnonzero([emoji.skin_tone == 0 for emoji in records()])
FOLD, DIMENSION = 1, 64


def unit(found: np.ndarray) -> np.ndarray:
    return np.asarray(found / np.linalg.norm(found, axis=-1, keepdims=True), np.float32)


class Hashed:
    """An encoder whose texts have nothing to do with each other."""

    def texts(self, texts: list[str]) -> np.ndarray:
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) for text in texts]
        return unit(np.stack([generator(seed, "text").normal(size=DIMENSION) for seed in seeds]))


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Model:
    """A model whose pictures are near to their names, half of them more so than other pictures."""
    encoder = Hashed()
    monkeypatch.setattr(EncoderSpec, "load", lambda self: encoder)
    names = encoder.texts([records()[row].name for row in NEUTRAL])
    noise = unit(generator(0, "sheet").normal(size=names.shape))
    return Model(FOLD, EncoderSpec("local-dir:hashed"), NEUTRAL, unit(names + 3 * noise))


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFolder]:
    with mpl.rc_context({**matplotlib_style(), "backend": "agg"}):
        yield RunFolder(tmp_path, Progress(quiet=True))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[SheetRow]:
    """The rows that are drawn."""
    rows: list[SheetRow] = []

    def noted(given: Sequence[SheetRow], **rest: Any) -> Image.Image:
        rows.extend(given)
        return contact_sheet(given, **rest)

    monkeypatch.setattr(sheets, "contact_sheet", noted)
    return rows


def ranked(model: Model, gallery: np.ndarray) -> Ranked:
    words = model.encoder.texts([records()[row].name for row in gallery])
    return Ranked.of(words @ model.of(gallery).T, np.eye(len(gallery), dtype=bool))


def nearest(model: Model, query: str, among: np.ndarray) -> list[tuple[int, float]]:
    """Records and cosines of the pictures nearest to a text, one product after the other."""
    text = model.encoder.texts([query])[0].tolist()
    vectors = model.of(among).tolist()
    scores = [sum(a * b for a, b in zip(text, vector, strict=True)) for vector in vectors]
    best = sorted(range(len(among)), key=lambda place: -scores[place])[: sheets.SHOWN]
    return [(int(among[place]), scores[place]) for place in best]


def check_answers(row: SheetRow, expected: list[tuple[int, float]]) -> None:
    assert [answer.name for answer in row.answers] == [records()[record].name for record, _ in expected]
    assert [answer.score for answer in row.answers] == pytest.approx([score for _, score in expected], abs=1e-5)
    for answer, (record, _) in zip(row.answers, expected, strict=True):
        np.testing.assert_array_equal(answer.picture, pictures(sheets.SIDE)[record])


def check_file(figure: Figure, run: RunFolder) -> None:
    assert (run.folder / figure.file).is_file()
    with Image.open((run.folder / figure.file).with_suffix(".png")) as image:
        pixels = np.asarray(image.convert("RGB"))
    # A sheet, not an empty page, and as large as it was drawn.
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 500
    assert pixels.shape[0] > 8 * sheets.SHOWN * 20
    assert ATTRIBUTION in figure.caption


def test_queries_are_answered_with_the_nearest_of_all_pictures(
    model: Model, run: RunFolder, drawn: list[SheetRow]
) -> None:
    figure = sheets.query_sheet(model, run)
    assert [row.query for row in drawn] == list(sheets.QUERIES)
    for row, query in zip(drawn, sheets.QUERIES, strict=True):
        check_answers(row, nearest(model, query, NEUTRAL))
        assert {answer.hit for answer in row.answers} == {None}, "nobody said what is right"
    check_file(figure, run)
    assert f"{len(NEUTRAL):,} pictures" in figure.caption


def test_no_query_is_the_name_of_a_picture() -> None:
    names = {emoji.name.lower() for emoji in records()}
    assert not {query.lower() for query in sheets.QUERIES} & names


def test_test_names_are_answered_within_their_fold_and_hits_are_told(
    model: Model, run: RunFolder, drawn: list[SheetRow]
) -> None:
    gallery = group_split().gallery(FOLD)
    ranks = ranked(model, gallery)
    assert 0.1 < ranks.hits(1).mean() < 0.9
    figure = sheets.names_sheet(model, ranks, run)
    assert len(drawn) == sheets.GOOD + sheets.BAD
    at = {records()[row].name: place for place, row in enumerate(gallery)}
    for row in drawn:
        place = at[str(row.query)]
        expected = nearest(model, str(row.query), gallery)
        check_answers(row, expected)
        assert [answer.hit for answer in row.answers] == [record == gallery[place] for record, _ in expected]
        assert row.note == f"rank {ranks.ranks[place]} of {len(gallery)}"
        assert any(answer.hit for answer in row.answers) == (ranks.ranks[place] <= sheets.SHOWN)
    check_file(figure, run)
    assert f"fold {FOLD}, {len(gallery)} pictures" in figure.caption


def test_the_worst_names_are_shown_and_the_others_are_chosen_without_looking(
    model: Model, run: RunFolder, drawn: list[SheetRow], tmp_path: Path
) -> None:
    gallery = group_split().gallery(FOLD)
    ranks = ranked(model, gallery)
    sheets.names_sheet(model, ranks, run)
    place = {records()[row].name: at for at, row in enumerate(gallery)}
    shown = [int(ranks.ranks[place[str(row.query)]]) for row in drawn]
    assert shown[sheets.GOOD :] == sorted(ranks.ranks.tolist(), reverse=True)[: sheets.BAD]
    # The random ones stay when the ranks turn round, the worst do not.
    turned = Ranked(len(gallery) + 1 - ranks.ranks, ranks.positives, ranks.gallery)
    (tmp_path / "again").mkdir()
    sheets.names_sheet(model, turned, RunFolder(tmp_path / "again", Progress(quiet=True)))
    first, second = ([row.query for row in part] for part in (drawn[: len(shown)], drawn[len(shown) :]))
    assert first[: sheets.GOOD] == second[: sheets.GOOD]
    assert not set(first[sheets.GOOD :]) & set(second[sheets.GOOD :])


def test_a_model_that_finds_all_is_not_said_to_fail(run: RunFolder, model: Model) -> None:
    names = model.encoder.texts([records()[row].name for row in NEUTRAL])
    perfect = Model(FOLD, model.spec, NEUTRAL, names)
    ranks = ranked(perfect, group_split().gallery(FOLD))
    assert (ranks.ranks == 1).all()
    figure = sheets.names_sheet(perfect, ranks, run)
    assert "without a hit" not in figure.alt
    assert "failed" not in figure.caption

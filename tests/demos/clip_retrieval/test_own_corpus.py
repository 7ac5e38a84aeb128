"""The user's own captioned pictures: known answers on hand-made vectors, what counts as right, the report, errors."""

from __future__ import annotations

import doctest
import functools
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from demos.clip_retrieval.config import ClipConfig, DataSection, EvaluationSection, ModelSection
from demos.clip_retrieval.demo import DEMO
from demos.clip_retrieval.model.encoder import EncoderSpec
from demos.clip_retrieval.own import gallery
from demos.clip_retrieval.own.figures import chosen
from demos.clip_retrieval.own.gallery import answers, captions_of, classes_of, load
from demos.clip_retrieval.own.scores import MOST, across, drawn, estimates, within
from shared.cli import main
from shared.corpus.items import Item, Source
from shared.errors import UserError
from shared.execute import Options, execute
from shared.openmoji.records import records
from shared.openmoji.render import pictures
from shared.progress import Progress
from shared.result import Envelope
from shared.run import RunFolder

ROWS = range(0, 4200, 350)  # twelve records


@pytest.fixture(scope="module", autouse=True)
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A work folder of its own with a small tower as the shipped one, which never learned anything."""
    import torch

    from demos.clip_retrieval.model.build import build
    from demos.clip_retrieval.model.encoder import _load
    from demos.clip_retrieval.model.shape import Shape
    from demos.clip_retrieval.model.weights import save_tower
    from shared.pretrained.minilm import minilm_folder

    folder = tmp_path_factory.mktemp("work")
    torch.manual_seed(0)
    shape = Shape("test_resnet", 32, 384, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    save_tower(build(shape, minilm_folder()), shape, {}, folder / "tower.safetensors")
    patch = pytest.MonkeyPatch()
    for module in ("model.weights", "corpus.corpora"):
        patch.setattr(f"demos.clip_retrieval.{module}.work_folder", lambda: folder)
    patch.setattr("demos.clip_retrieval.model.weights.assembled.__defaults__", (folder / "tower.safetensors",))
    _load.cache_clear()
    yield folder
    patch.undo()
    _load.cache_clear()


def draw(file: Path, row: int) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pictures(64)[row])).save(file)
    return file


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Twelve pictures of two classes with their names, a copy, one with the same pixels, one without words, a fault."""
    root = tmp_path / "album"
    for number, row in enumerate(ROWS):
        file = draw(root / ("even_ones" if number % 2 == 0 else "odd") / f"{number:02}.png", row)
        file.with_suffix(".txt").write_text(records()[row].name)
    (root / "odd" / "03.txt").write_text("The THIRD\n\na line of its own\n")
    (root / "odd" / "05.txt").write_text("the third")
    shutil.copy(root / "odd" / "07.png", root / "zz copy.png")
    (root / "zz copy.txt").write_text("said of the copy")
    Image.open(root / "odd" / "09.png").save(root / "zz same.bmp")
    (root / "zz same.txt").write_text("said of the same pixels")
    draw(root / "zz silent.png", 77)
    (root / "zz broken.png").write_bytes(b"no picture")
    return root


def run_of(folder: Path) -> RunFolder:
    return RunFolder(folder, Progress(quiet=True), "serial", 1)


def config_of(corpus: Path | str, classes: str | None = None) -> ClipConfig:
    return ClipConfig(
        device="cpu",
        data=DataSection(corpus=str(corpus), classes=classes),
        model=ModelSection(name="shipped"),
        evaluation=EvaluationSection(bootstrap=200),
    )


def judged(corpus: Path | str, out: Path, classes: str | None = None) -> tuple[Path, Envelope]:
    return execute(DEMO, config_of(corpus, classes), "smoke", Options(out, quiet=True, engine="serial", workers=1))


def test_examples() -> None:
    assert doctest.testmod(gallery) == (0, 2)


def test_ranks_of_a_case_made_by_hand() -> None:
    images = np.array([[1, 0], [0.8, 0.6], [0, 1], [-1, 0]], np.float32)
    texts = np.array([[1, 0], [0, 1]], np.float32)
    # "x" is right for pictures 1 and 3, "y" for picture 0 alone.
    captions, right = answers([["y"], ["x"], ["y", "z"], ["X"]], np.arange(4))
    assert captions == ("y", "x", "z")
    assert right.toarray().tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 1], [0, 1, 0]]
    asked = across(texts, images, right.T.tocsr()[[1, 0]], np.arange(2))
    # cosines of "x": 1, .8, 0, -1, so picture 1 is second; of "y": 0, .6, 1, 0, so picture 2 is first.
    assert (asked.ranks.tolist(), asked.positives.tolist(), asked.gallery) == ([2, 1], [2, 2], 4)
    found = estimates(asked, "captions", 100, 0)
    assert (found["R@1"].value, found["MRR"].value, found["median rank"].value) == (0.5, 0.75, 1.5)
    assert found["R@1"].chance == pytest.approx(0.5)
    assert set(found) == {"R@1", "MRR", "median rank"}  # 5 of 4 pictures are no test
    near = within(images, right, np.arange(4))
    # 0 and 2 are right for each other, as are 1 and 3; a picture itself does not count, and a tie does (0 and 3 for 2).
    assert (near.ranks.tolist(), near.positives.tolist(), near.gallery) == ([2, 3, 3, 2], [1] * 4, 3)


def test_a_model_that_sees_nothing_is_last() -> None:
    vectors = np.full((12, 7), 7**-0.5, np.float32)
    _, right = answers([[str(row)] for row in range(12)], np.arange(12))
    assert across(vectors, vectors, right, np.arange(12)).ranks.tolist() == [12] * 12
    _, shared = answers([[str(row // 2)] for row in range(12)], np.arange(12))
    assert within(vectors, shared, np.arange(12)).ranks.tolist() == [11] * 12


WORDS = st.lists(st.sampled_from(["a", "A", "b", "c"]), min_size=1, max_size=3)


@given(st.lists(st.tuples(WORDS, st.integers(0, 3)), min_size=2, max_size=9))
def test_right_is_what_the_definition_says(drawn_pictures: list[tuple[list[str], int]]) -> None:
    texts, looks = [said for said, _ in drawn_pictures], np.array([look for _, look in drawn_pictures])
    captions, right = answers(texts, looks)
    assert len({text.lower() for text in captions}) == len(captions)
    for row, look in enumerate(looks):
        words = {text.lower() for other, said in enumerate(texts) if looks[other] == look for text in said}
        assert {captions[at].lower() for at in right[row].indices} == words


def test_copies_same_pixels_and_several_lines_are_understood(album: Path, tmp_path: Path) -> None:
    own = load(str(album), EncoderSpec("shipped", "cpu"), run_of(tmp_path))
    at = {item.key: row for row, item in enumerate(own.items)}
    said = {key: {own.captions[n] for n in own.right[row].indices} for key, row in at.items()}
    assert said["zz copy.png"] == {records()[ROWS[7]].name, "said of the copy"}
    assert said["odd/09.png"] == said["zz same.bmp"] == {records()[ROWS[9]].name, "said of the same pixels"}
    assert said["odd/03.png"] == {"The THIRD", "a line of its own"}
    assert said["odd/05.png"] == {"The THIRD"}
    assert (len(own.items), own.uncaptioned, own.several) == (13, 1, 1)
    assert [(found.file, str(found.reason)) for found in own.problems] == [
        ("zz broken.png", "not a picture"),
        ("odd/07.png", "duplicate"),
    ]


def test_lists_of_captions_are_captions() -> None:
    item = Item(
        "a.png", Source("a.png"), "one", {"captions": '["two", 3, "one"]', "text": "[not JSON", "tags": '["x"]'}
    )
    assert captions_of(item) == ["one", "two"]


def test_the_report_says_everything_and_a_second_run_embeds_nothing(
    album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, first = judged(album, tmp_path / "runs", "folder")
    rows = {row[0]: row for table in first.result.tables for row in table.rows}
    assert rows["Text to image: R@1 [%]"][3] is not None
    assert rows["Text to image: R@1 [%]"][4:] == ["14 captions", "13 pictures"]
    assert rows["Image to image, same caption: R@1 [%]"][4:] == ["4 pictures", "12 other pictures"]
    assert rows["pictures without a caption: left out, nobody knows which texts they answer"][1] == 1
    assert rows["even ones"][1] == 6
    assert all(headline.peer == "chance" and headline.interval for headline in first.result.headlines)
    assert "zz broken.png,not a picture" in (folder / "skipped.csv").read_text()
    report = (folder / "report.html").read_text()
    assert "OpenMoji – the open-source" not in report
    assert str(album) in report

    def unexpected(*_: object) -> None:
        raise AssertionError("pictures were embedded again")

    monkeypatch.setattr("demos.clip_retrieval.model.encoder.OnnxEncoder.images", unexpected)
    _, second = judged(album, tmp_path / "runs", "folder")
    assert [number.value for number in second.result.metrics] == [number.value for number in first.result.metrics]
    assert second.result.data == first.result.data


def test_another_caption_changes_the_answer_and_the_fingerprint(album: Path, tmp_path: Path) -> None:
    _, first = judged(album, tmp_path / "runs")
    (album / "even_ones" / "00.txt").write_text(records()[ROWS[2]].name)
    _, second = judged(album, tmp_path / "runs")
    assert first.result.data[0].sha256 != second.result.data[0].sha256
    rows = {row[0]: row[1] for table in second.result.tables for row in table.rows}
    assert rows["different captions"] == 13
    assert not any("Zero-shot" in number.name for number in second.result.metrics)


def test_faults_of_a_user_are_one_line(album: Path, tmp_path: Path) -> None:
    check = functools.partial(judged, out=tmp_path / "runs")
    with pytest.raises(UserError, match="no such folder or file"):
        check(tmp_path / "absent")
    with pytest.raises(UserError, match='no picture has such a fact; did you mean "folder"'):
        check(album, classes="folders")
    for file in album.rglob("*.txt"):
        file.write_text("all the same")
    with pytest.raises(UserError, match="same words"):
        check(album)
    for file in album.rglob("0[0-7].txt"):
        file.unlink()
    with pytest.raises(UserError, match="6 of its pictures have a caption; a judgement needs 10"):
        check(album)
    for file in album.rglob("*.txt"):
        file.unlink()
    with pytest.raises(UserError, match=r"have no captions.*search --corpus` needs none"):
        check(album)
    assert not any((tmp_path / "runs").rglob("result.json"))
    with pytest.raises(UserError, match="for `trendlab run`"):
        DEMO.bench(config_of(album), run_of(tmp_path))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data.corpus=x", "model.name=train"], "training on your own pictures is not offered"),
        (["data.corpus=x", "--profile", "cpu"], "training on your own pictures is not offered"),
        (["data.classes=folder"], "give data.corpus too"),
        (["data.corpus=x", "data.prompt=a photo"], "data.prompt"),
    ],
)
def test_what_does_not_go_together_is_said_before_the_run(
    words: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["trendlab", "run", "clip_retrieval", "--dry-run", *words])
    with pytest.raises(SystemExit) as stopped:
        main()
    shown = capsys.readouterr().err
    assert stopped.value.code == 2
    assert message in shown
    assert shown.count("\n") == 1


def test_classes_are_words_and_unknown_ones_stay_out() -> None:
    facts = [{"folder": "train/golden_retriever"}, {"folder": "train/cat"}, {"folder": ""}]
    items = [Item(f"{n}.png", Source(""), None, dict(fact)) for n, fact in enumerate(facts)]
    assert classes_of(items, "folder") == ["golden retriever", "cat", None]
    with pytest.raises(UserError, match="of one class"):
        classes_of(items[1:], "folder")


def test_of_very_many_some_are_asked() -> None:
    rows = np.arange(MOST + 500)
    some = drawn(rows, 0, "captions")
    assert len(set(some.tolist())) == MOST
    assert (some == drawn(rows, 0, "captions")).all()
    assert (drawn(rows[:MOST], 0, "captions") == rows[:MOST]).all()


@given(st.lists(st.integers(1, 30), min_size=2, max_size=40))
def test_the_sheet_shows_the_best_and_the_worst(ranked: list[int]) -> None:
    ranks, scores = np.array(ranked), -np.arange(len(ranked), dtype=float)
    found = chosen(ranks, scores, 0)
    assert len(set(found)) == len(found)
    assert ranks[found].max() == max(ranked)
    assert ranks[found].min() == min(ranked)

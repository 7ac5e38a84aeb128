"""A whole evaluation of models whose knowledge is known: the numbers are a count, the verdicts are true."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

from demos.clip_retrieval import demo, evaluate
from demos.clip_retrieval.config import ClipConfig, EvaluationSection, ModelSection, SplitSection
from demos.clip_retrieval.judging import figures, judge, sheets
from demos.clip_retrieval.judging.peers import LABELS, Peer, PeerName, Setting
from demos.clip_retrieval.model.encoder import EncoderSpec
from demos.clip_retrieval.model.weights import SHIPPED, read_header
from shared.config import load
from shared.execute import Options, execute
from shared.openmoji.records import ATTRIBUTION, icon_of, records
from shared.openmoji.render import pictures
from shared.openmoji.splits import group_split
from shared.progress import Progress
from shared.result import Figure, Headline, Metric, Result, Table
from shared.run import RunFolder
from shared.seed import generator
from shared.sheet import contact_sheet
from shared.style import matplotlib_style

SIZE, HALF = 64, 48
TARGET = re.compile(r"(.+) at least ([\d.]+) %")
REACHED = re.compile(r"([\d.]+) % \(([-\d.]+) to ([-\d.]+)\)")
PEERS: list[PeerName] = ["pixels", "hog", "efficientnet", "both", "oracle"]
SKILLS: dict[str, float] = {"pixels": 0.1, "hog": 0.5, "efficientnet": 0.3, "both": 0.2, "oracle": 1.0}


def hashed(texts: list[str]) -> np.ndarray:
    """(n, 48) a vector for each text that has nothing to do with another's."""
    seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) for text in texts]
    found = np.stack([generator(seed, "text").normal(size=HALF) for seed in seeds])
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def texts(asked: list[str]) -> np.ndarray:
    """(n, 96) in one half where a text stands for a subgroup, in the other where it does not."""
    icon = np.array([text.startswith("an icon of ") for text in asked])[:, None]
    return np.concatenate([np.where(icon, 0, hashed(asked)), np.where(icon, hashed(asked), 0)], axis=1)


def images(rows: np.ndarray, skill: float) -> np.ndarray:
    """(n, 96) for a share `skill` of the records the name and the subgroup, for the others those of another record."""
    drawn = generator(0, "knows").random(len(records()))[rows]
    seen = [records()[row if known < skill else (row + 1000) % 4495] for row, known in zip(rows, drawn, strict=True)]
    both = [hashed([emoji.name for emoji in seen]), hashed([icon_of(emoji.subgroup) for emoji in seen])]
    return np.asarray(np.concatenate(both, axis=1) / 2**0.5, np.float32)


class Knowing:
    """An encoder that knows a share of the pictures."""

    size, dimension, fit, scale = SIZE, 2 * HALF, "pad", 20.0

    def __init__(self, skill: float) -> None:
        self.skill, self.identity = skill, f"knows-{skill}"
        self.at: dict[bytes, int] = {}
        for row, picture in enumerate(pictures(SIZE)):
            self.at.setdefault(picture.tobytes(), row)

    def texts(self, asked: list[str]) -> np.ndarray:
        return texts(asked)

    def images(self, pictures_nhwc: np.ndarray) -> np.ndarray:
        return images(np.array([self.at[picture.tobytes()] for picture in pictures_nhwc]), self.skill)


def knowing_peer(name: PeerName, *_: Any) -> Peer:
    def seen(rows: np.ndarray) -> np.ndarray:
        return images(rows, SKILLS[name])

    return Peer(name, Setting(ridge=float(len(name))), seen, texts, seen)


@pytest.fixture(scope="module")
def known() -> Callable[[float], Knowing]:
    found: dict[float, Knowing] = {}
    return lambda skill: found.setdefault(skill, Knowing(skill))


class Undrawn(RunFolder):
    """Figures are made and not written, since that takes most of a run."""

    def figure(self, drawing: Any, name: str, *, title: str, caption: str, alt: str) -> Figure:
        from matplotlib import pyplot

        pyplot.close(drawing)
        return Figure(file=f"{name}.svg", title=title, caption=caption, alt=alt)


def evaluated(config: ClipConfig, encoder: Knowing, folder: Path, *, peers: bool = False) -> Result:
    """A run of the demo whose model, whichever is named, is `encoder`; peers: whether they know shares as well."""
    folder.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch, mpl.rc_context({**matplotlib_style(), "backend": "agg"}):
        patch.setattr(EncoderSpec, "load", lambda self: encoder)
        patch.setattr(evaluate, "composition_table", lambda *_: Table(title="Combinations", columns=[], rows=[]))
        # Where the points of the map lie is of no interest here.
        patch.setattr(figures, "reduced", lambda vectors, seed: vectors[:, :2].astype(float))
        if peers:
            patch.setattr(judge, "peer", knowing_peer)
        return demo.run(config, Undrawn(folder, Progress(quiet=True), workers=1))


def config(peers: list[PeerName], **parts: Any) -> ClipConfig:
    parts = {"model": ModelSection(name="local-dir:there"), "split": SplitSection(folds=[0]), **parts}
    return ClipConfig(device="cpu", evaluation=EvaluationSection(peers=peers, bootstrap=200), **parts)


def ranks(skill: float, fold: int, seed: int = 0) -> list[int]:
    """Rank of the picture of each name of a fold, by counting."""
    gallery = group_split(seed).gallery(fold)
    scores = texts([records()[row].name for row in gallery]) @ images(gallery, skill).T
    return [int((row >= row[place]).sum()) for place, row in enumerate(scores)]


def share(ranked: list[int], k: int) -> float:
    return 100 * sum(rank <= k for rank in ranked) / len(ranked)


def check_verdicts(result: Result) -> dict[str, str]:
    """The verdict on each target, after it was compared with the number it stands beside and with the headline."""
    (table,) = [table for table in result.tables if "target" in table.title.lower()]
    headlines = {round(headline.value, 1) for headline in result.headlines}
    found = {}
    for asked, reached, met, *_ in table.rows:
        target, number = TARGET.fullmatch(str(asked)), REACHED.fullmatch(str(reached))
        assert target is not None
        assert number is not None
        value = float(number[1])
        assert value in headlines
        assert float(number[2]) <= value <= float(number[3])
        if abs(value - float(target[2])) > 0.05:
            assert met == ("yes" if value > float(target[2]) else "NO"), target[1]
        found[target[1]] = str(met)
    assert len(found) == 4
    return found


@pytest.fixture(scope="module")
def smoke(known: Callable[[float], Knowing], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """`trendlab run clip_retrieval --profile smoke`, of a model that knows 60 % of the pictures."""
    out = tmp_path_factory.mktemp("runs")
    asked = load(ClipConfig, "clip_retrieval", "smoke", overrides=["evaluation.bootstrap=500"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EncoderSpec, "load", lambda self: known(0.6))
        folder, envelope = execute(demo.DEMO, asked, "smoke", Options(out, quiet=True, engine="serial"))
    return folder, envelope.result


def test_a_smoke_run_ends_in_a_report_whose_numbers_are_shares(smoke: tuple[Path, Result]) -> None:
    folder, result = smoke
    assert (folder / "report.html").is_file()
    assert Result.model_validate(json.loads((folder / "result.json").read_text())["result"]) == result
    numbers: list[Metric | Headline] = [*result.metrics, *result.headlines]
    for number in numbers:
        assert 0 <= number.value <= (100 if number.unit == "%" else 2214), number.name
    for headline in result.headlines:
        assert headline.interval is not None
        assert 0 <= headline.interval.low <= headline.value <= headline.interval.high <= 100
        assert "gallery of 400" in headline.note
        assert "chance" in headline.note
        assert headline.peer in {LABELS["pixels"], LABELS["hog"]}
    for figure in result.figures:
        assert (folder / figure.file).stat().st_size > 2000
        assert (folder / figure.file).with_suffix(".png").is_file()
        assert figure.alt
    check_verdicts(result)


def test_the_smoke_run_is_judged_on_the_fold_of_the_shipped_model(smoke: tuple[Path, Result]) -> None:
    fold = int(read_header(SHIPPED)["fold"])
    expected = ranks(0.6, fold)
    at_one, at_ten = smoke[1].headlines[:2]
    assert at_one.value == pytest.approx(share(expected, 1))
    assert at_ten.value == pytest.approx(share(expected, 10))
    assert 40 < at_one.value < 80
    assert any(f"fold {fold}" in table.caption for table in smoke[1].tables)


def test_the_pictures_are_attributed(smoke: tuple[Path, Result]) -> None:
    result = smoke[1]
    assert any(ATTRIBUTION in note for note in result.notes)
    assert any(use.name.endswith("openmoji.whl") and use.licence == "CC BY-SA 4.0" for use in result.data)
    assert not any("efficientnet" in use.name for use in result.data), "it was not asked"
    assert any("fold" in use.name and use.version == "knows-0.6" for use in result.weights)


@pytest.mark.parametrize(("skill", "verdict"), [(1.0, "yes"), (0.0, "NO")])
def test_verdicts_follow_what_the_model_knows(
    skill: float, verdict: str, known: Callable[[float], Knowing], tmp_path: Path
) -> None:
    result = evaluated(config([]), known(skill), tmp_path)
    assert check_verdicts(result) == dict.fromkeys(["R@1", "R@10", "12 groups", "P@5"], verdict)
    assert {headline.peer for headline in result.headlines} == {"chance"}
    assert result.headlines[0].peer_value == pytest.approx(100 / 400)
    if skill == 1:
        assert [headline.value for headline in result.headlines[:2]] == [100, 100]
        # Three subgroups lie in two groups, so no model has all groups right.
        assert 95 < result.headlines[2].value < 100


@pytest.fixture(scope="module")
def several(known: Callable[[float], Knowing], tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Two folds, with all peers."""
    asked = config(PEERS, split=SplitSection(folds=[2, 0]))
    return evaluated(asked, known(0.4), tmp_path_factory.mktemp("several"), peers=True)


def test_folds_are_judged_together_and_shown_apart(several: Result) -> None:
    parts = {fold: ranks(0.4, fold) for fold in (2, 0)}
    assert several.headlines[0].value == pytest.approx(share(parts[2] + parts[0], 1))
    (table,) = [table for table in several.tables if table.title == "Fold by fold"]
    ours = dict(zip([column.name for column in table.columns], table.rows[0], strict=True))
    for fold, part in parts.items():
        assert ours[f"fold {fold}: R@1"] == pytest.approx(share(part, 1))
        assert ours[f"fold {fold}: R@10"] == pytest.approx(share(part, 10))
    assert any("800 names" in table.caption for table in several.tables)


def test_each_peer_stands_beside_us_with_what_it_knows(several: Result) -> None:
    (table,) = [table for table in several.tables if table.title.startswith("Names to pictures")]
    names = [column.name for column in table.columns]
    shown = {str(row[0]): dict(zip(names, row, strict=True)) for row in table.rows}
    assert list(shown) == ["chance", judge.OURS, *(LABELS[name] for name in PEERS)]
    for name in PEERS:
        expected = ranks(SKILLS[name], 2) + ranks(SKILLS[name], 0)
        assert shown[LABELS[name]]["R@1"] == pytest.approx(share(expected, 1))
        assert shown[LABELS[name]]["MRR"] == pytest.approx(100 * np.mean([1 / rank for rank in expected]))
    # The oracle knows all, and is no peer: HOG is the strongest.
    assert {headline.peer for headline in several.headlines} == {LABELS["hog"]}
    assert all(headline.peer_value > headline.value for headline in several.headlines)
    (paired,) = [table for table in several.tables if table.title.startswith("Ours minus")]
    difference = {str(row[0]): row[1] for row in paired.rows}
    assert difference[LABELS["hog"]] < 0 < difference[LABELS["pixels"]]  # type: ignore[operator]


def test_settings_and_sources_of_the_peers_are_told(several: Result) -> None:
    notes = " ".join(several.notes)
    for name in PEERS[:-1]:
        # What it has no use for is not told.
        told = "neighbours 1" if name == "pixels" else f"gamma 2, ridge {len(name)}, texts of name + tags"
        assert f"{LABELS[name]} ({told}, whitening 0)" in notes
    assert "no bound" in notes
    assert any(use.name.endswith("efficientnet-lite0.pth") for use in several.data)
    assert len([use for use in several.weights if "fold" in use.name]) == 2


@pytest.mark.parametrize(
    ("name", "compositional", "shown"),
    [("train", True, True), ("train", False, False), ("local-dir:there", True, False)],
)
def test_combinations_are_asked_of_a_model_that_is_trained_in_the_run(
    name: str,
    compositional: bool,
    shown: bool,
    known: Callable[[float], Knowing],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trained = SimpleNamespace(spec=lambda device: EncoderSpec("local-dir:there", device), history=None)
    monkeypatch.setattr("demos.clip_retrieval.training.train_model.train_model", lambda *_, **__: trained)
    split = SplitSection(folds=[0], compositional=compositional)
    result = evaluated(config([], model=ModelSection(name=name), split=split), known(0.4), tmp_path)
    assert ("Combinations" in {table.title for table in result.tables}) == shown


def test_figures_show_the_split_that_was_judged(known: Callable[[float], Knowing], tmp_path: Path) -> None:
    shown: list[Any] = []
    hubs: list[Any] = []
    histogram = figures.hub_histogram

    def noted(rows: Any, **rest: Any) -> Any:
        shown.extend(rows)
        return contact_sheet(rows, **rest)

    def named(found: Any, names: Any, *rest: Any) -> Any:
        hubs.append(list(names))
        return histogram(found, names, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sheets, "contact_sheet", noted)
        patch.setattr(figures, "hub_histogram", named)
        evaluated(config([], split=SplitSection(seed=1, folds=[1])), known(0.4), tmp_path)
    names = [records()[row].name for row in group_split(1).gallery(1)]
    ranked = dict(zip(names, ranks(0.4, 1, seed=1), strict=True))
    tested = [row for row in shown if row.note]
    assert tested
    for row in tested:
        assert row.query in ranked
        assert row.note.startswith(f"rank {ranked[row.query]} of")
    assert hubs == [names]


@pytest.fixture(autouse=True)
def no_picture_of_one_test_in_another() -> Iterator[None]:
    from matplotlib import pyplot

    yield
    assert pyplot.get_fignums() == []

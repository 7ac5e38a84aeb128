"""Whole runs: what is told, and that it follows from what was measured."""

from pathlib import Path

import numpy as np
import pytest

from demos.coevolution.config import CoevolutionConfig, DownSection
from demos.coevolution.data import SCENES
from demos.coevolution.demo import DEMO
from demos.coevolution.down.compare import PLAIN, TAUGHT, TEST, Found
from demos.coevolution.down.report import _gains, _headline, _home, _metrics, _parts
from demos.coevolution.evaluate import check_streams
from demos.coevolution.training.jobs import MATERIALS
from shared.config import load
from shared.errors import UserError
from shared.execute import Options, execute


def test_the_texts_are_told_with_what_people_agree_on(tmp_path: Path) -> None:
    config = load(DEMO.config, DEMO.slug, "smoke", overrides=["chapters=[texts]"])
    folder, envelope = execute(DEMO, config, "smoke", Options(tmp_path, quiet=True))
    counts, people = envelope.result.tables
    assert [row[0] for row in counts.rows] == [row[0] for row in people.rows] == list(SCENES)
    agreeing = [float(row[3] or 0) for row in people.rows]
    # Films are written to be clear; most of an editorial is on no side.
    assert agreeing == pytest.approx([92.3, 90.9, 72.2, 86.6], abs=0.1)
    assert (folder / "ratings.svg").is_file()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["own.checkpoint=somewhere"], "own.checkpoint goes with own.csv"),
        (["own.csv=own.csv", "models.large=MPNet", "models.source=trained"], "own.csv takes another large model"),
        (["models.large=MPNet"], "goes with models.large=MiniLM"),
        (["up.uploads=91"], "up.uploads must not be more"),
        (["up.shares={product: 0.5, editorial: 0.1, tweet: 0.1}"], "up.shares must sum to 1"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(DEMO.config, DEMO.slug, "smoke", overrides=overrides)


def test_a_bench_of_too_little_is_refused(tmp_path: Path) -> None:
    config = load(DEMO.config, DEMO.slug, "smoke")
    with pytest.raises(UserError, match="trendlab bench coevolution --profile cpu"):
        execute(DEMO, config, "smoke", Options(tmp_path, quiet=True), verb="bench")


def found() -> Found:
    """Of two seeds, in which more material is better by a point each."""
    score = [{"film": share, "product": 0.8, "editorial": 0.7, "tweet": 0.6} for share in (0.80, 0.84)]
    students = {
        ("device", kind, False): [{**each, "film": each["film"] - 0.08 + 0.01 * number} for each in score]
        for number, kind in enumerate(MATERIALS)
    }
    # Of 100 texts 82 and 78 are answered right by both seeds, the device's all among the cloud's.
    by_text = {TEST: {"cloud": np.arange(100) < 82, "device": np.arange(100) < 78}}
    return Found(score, {**students, ("device", MATERIALS[-1], True): score}, {PLAIN: score, TAUGHT: score}, by_text)  # type: ignore[dict-item]


def test_tables_follow_from_scores() -> None:
    config = CoevolutionConfig(down=DownSection(students=["device"]))
    rows = {row[0]: row for row in _home(found(), config).rows}
    np.testing.assert_allclose([rows["cloud"][1], *rows["device"][1:]], [82, 74, 75, 76, 77, 78, 100 * 78 / 82])  # type: ignore[arg-type]
    assert rows["device, from chance"][1:4] == [None, None, None]
    assert [place for place, each in enumerate(rows[TAUGHT]) if each is not None] == [0, 4, 6]
    assert [row[1:] for row in _gains(found(), config).rows] == [["+1.0 (+1.0 to +1.0)"] * 4]
    kept = _headline(found(), "device")
    assert kept.value == pytest.approx(100 * 78 / 82)
    assert kept.interval is not None
    # Four discordant of 82: a standard error of about 2.4 points.
    assert 89 < kept.interval.low < 92
    assert 98 < kept.interval.high <= 100
    assert _parts(found()).rows[0][:5] == ["device, test", 100, 82.0, 78.0, kept.value]
    assert kept.note == "at home; of each seed 95.0, 95.2"
    values = {metric.name: metric.value for metric in _metrics(found())}
    assert values["device, labels alone, film"] == pytest.approx(74)
    assert values["cloud, tweet"] == pytest.approx(60)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["up.rounds=50"], "16667 texts are to come of the scene product, which has 2406"),
        (["weak.texts=6000", "models.unlabelled=1000"], "2000 texts are to come of the scene product, which has 1000"),
        (["participants.devices=[1, 64]"], "texts are to come of the scene product"),
    ],
)
def test_a_stream_of_too_many_texts_is_told_before_anything_is_trained(changes: list[str], said: str) -> None:
    chapters = f"chapters=[{changes[0].partition('.')[0]}]"
    config = load(CoevolutionConfig, "coevolution", "cpu", overrides=[chapters, *changes])
    with pytest.raises(UserError, match=said):
        check_streams(config)
    check_streams(load(CoevolutionConfig, "coevolution", "cpu"))

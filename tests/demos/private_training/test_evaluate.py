"""A whole run on few units, and what its user may get wrong."""

from pathlib import Path

import pytest

from demos.private_training.config import OURS, PEER
from demos.private_training.demo import DEMO
from shared.config import load
from shared.errors import UserError
from shared.execute import Options, execute

FEW = [
    "chapters=[learn]",
    "learn.epsilons=[3.0]",
    "learn.train=200",
    "learn.test=100",
    "learn.seeds=2",
    "learn.axes=20",
    "learn.recipes=2",
    "learn.tuning=[public, charged]",
    f"learn.methods=['{PEER}', '{OURS}']",
]


@pytest.mark.slow
def test_a_run_tells_both_ways_of_tuning_beside_the_peer(tmp_path: Path) -> None:
    config = load(DEMO.config, DEMO.slug, "smoke", overrides=FEW)
    folder, envelope = execute(DEMO, config, "smoke", Options(tmp_path, quiet=True))
    result = envelope.result
    assert [headline.peer for headline in result.headlines] == [PEER]
    titles = [table.title for table in result.tables]
    assert titles[:2] == ["Accuracy, tuned on public digits", "Accuracy, tuned on the private ones, charged"]
    assert all(0 <= metric.value <= 100 for metric in result.metrics)
    assert (folder / "report.html").is_file()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("learn.delta=0.01", "delta must be below 1/N"),
        ("learn.epsilons=[0]", "learn.epsilons"),
        ("learn.train=4500", "train and test are 5500 pictures of 5000"),
        (f"learn.methods=['{PEER}']", "which are compared"),
        ("learn.tries=1.5", "learn.tries"),
        ("trust.owners=[EWR, JKF]", "there is no 'JKF'.*JFK"),
    ],
)
def test_what_is_wrong_is_one_line(override: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        load(DEMO.config, DEMO.slug, "cpu", overrides=[override])


def test_a_file_that_cannot_be_used_is_told_of_before_anything_is_trained(tmp_path: Path) -> None:
    overrides = [f"flights.file={tmp_path / 'none.csv'}", "flights.ranges={age: [0, 100]}"]
    config = load(DEMO.config, DEMO.slug, "cpu", overrides=overrides)
    with pytest.raises(UserError, match=r"none\.csv: no such file"):
        execute(DEMO, config, "cpu", Options(tmp_path, quiet=True))

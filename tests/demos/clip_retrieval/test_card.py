"""The card of the shipped tower says what the shipped tower does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from demos.clip_retrieval.config import ClipConfig, EvaluationSection, SplitSection
from demos.clip_retrieval.judging import tables
from demos.clip_retrieval.judging.judge import judge, models
from demos.clip_retrieval.model.weights import SHIPPED, read_header
from shared.progress import Progress
from shared.run import RunFolder

CARD = SHIPPED.parent / "README.md"
NUMBERS = ("R@1", "R@5", "R@10", "12 groups", "P@5")
LARGEST = 25_000_000  # bytes that a demo may ship


def test_the_numbers_of_the_card_are_those_of_the_shipped_tower(tmp_path: Path) -> None:
    fold = int(read_header(SHIPPED)["fold"])
    config = ClipConfig(
        split=SplitSection(folds=[fold], compositional=False), evaluation=EvaluationSection(peers=[], bootstrap=100)
    )
    run = RunFolder(tmp_path, Progress(quiet=True))
    measured = tables.all_estimates(judge(models(config, run), config, run), 100)["ours"]
    said = dict(re.findall(r"^\| (\S.*?) \| (\d+\.\d) % \|", CARD.read_text(encoding="utf-8"), re.MULTILINE))
    assert set(said) == set(NUMBERS)
    for name in NUMBERS:
        # One query of 400 is a quarter of a point; another processor may turn a tie.
        assert 100 * measured[name].value == pytest.approx(float(said[name]), abs=0.55), name


def test_the_card_names_the_command_the_seed_and_the_data() -> None:
    text, header = CARD.read_text(encoding="utf-8"), read_header(SHIPPED)
    assert "trendlab run clip_retrieval --profile cpu" in text
    assert f"seed {header['seed']}" in text
    assert f"fold {header['fold']}" in text
    assert header["split"] in text
    assert "CC BY-SA 4.0" in text
    assert SHIPPED.stat().st_size < LARGEST

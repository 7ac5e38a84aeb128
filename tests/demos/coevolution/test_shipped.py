"""The shipped models: opened as the smoke profile opens them, and as good as their card says."""

import re
from pathlib import Path

import pytest

from demos.coevolution.config import ModelsSection
from demos.coevolution.data import SCENES
from demos.coevolution.demo import DEMO
from demos.coevolution.training.shipped import FOLDER, Opening, open_shipped
from shared.config import load
from shared.execute import Options, execute


def told() -> dict[str, list[float]]:
    """Accuracy [%] of each model in each scene, as the card has it."""
    rows = re.findall(r"^\| (cloud|edge|device) \|(.*)\|$", (FOLDER / "README.md").read_text(encoding="utf-8"), re.M)
    return {name: [float(cell) for cell in cells.split("|")] for name, cells in rows}


def test_they_are_small_enough_to_be_committed() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 25e6


@pytest.mark.slow
def test_they_are_as_good_as_their_card_says(tmp_path: Path) -> None:
    models = ModelsSection(source="shipped", seeds=1, labelled=50, unlabelled=50)
    scores, students = open_shipped(Opening(models, 0, tmp_path))
    found = {"cloud": scores, **students}
    assert set(told()) == set(found)
    for name, each in found.items():
        # Two of 700 texts, and rounding on another processor.
        assert [100 * each[scene] for scene in SCENES] == pytest.approx(told()[name], abs=0.35), name


@pytest.mark.slow
def test_a_smoke_run_goes_through_all_its_chapters(tmp_path: Path) -> None:
    config = load(DEMO.config, DEMO.slug, "smoke")
    folder, envelope = execute(DEMO, config, "smoke", Options(tmp_path, quiet=True))
    assert len(envelope.result.parts) == len(config.chapters)
    assert (folder / "report.html").is_file()
    assert {use.name.split(": ")[1] for use in envelope.result.data} >= {"hutto_ICWSM_2014.tar.gz", "model.safetensors"}
    assert all(metric.value == metric.value for metric in envelope.result.metrics)

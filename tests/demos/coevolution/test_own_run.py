"""A whole run on a user's own texts."""

import csv
from pathlib import Path

import pytest

from demos.coevolution.data import texts
from demos.coevolution.demo import DEMO
from demos.coevolution.deploy.runtime import Student
from demos.coevolution.own.evolve import divided
from demos.coevolution.own.read import Own
from demos.coevolution.versions.store import Store
from shared.config import load
from shared.errors import UserError
from shared.execute import Options, execute


def test_own_texts_are_divided_by_lot() -> None:
    labels: list[int | None] = [place % 2 if place % 3 else None for place in range(120)]
    parts = divided(Own([f"text {place}" for place in range(120)], labels), 0)
    places = [*parts.known, *parts.calibration, *parts.test, *parts.unlabelled]
    assert sorted(places) == list(range(120))
    assert len(parts.test) == len(parts.calibration) == round(0.2 * 80)
    assert all(labels[place] is not None for place in (*parts.known, *parts.calibration, *parts.test))
    assert set(parts.test) != set(divided(Own([""] * 120, labels), 1).test)


def test_a_file_that_cannot_be_used_ends_a_run_in_one_line(tmp_path: Path) -> None:
    config = load(DEMO.config, DEMO.slug, "smoke", overrides=[f"own.csv={tmp_path / 'none.csv'}"])
    with pytest.raises(UserError, match=r"none.csv cannot be read"):
        execute(DEMO, config, "smoke", Options(tmp_path, quiet=True))


@pytest.mark.slow
def test_models_are_made_of_own_texts_and_answer(tmp_path: Path) -> None:
    chosen = [text for text in texts() if text.scene == "product"][:260]
    with (tmp_path / "own.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["number", "review", "side"])
        for text in chosen:
            rows.writerow([text.identity, text.text, "" if text.label is None else text.label])
    few = ["models.cloud.steps=3", "models.edge.steps=2", "models.device.steps=10"]
    own = [f"own.csv={tmp_path / 'own.csv'}", "own.text=review", "own.label=side"]
    config = load(DEMO.config, DEMO.slug, "smoke", overrides=[*few, *own])
    folder, envelope = execute(DEMO, config, "smoke", Options(tmp_path, quiet=True))
    assert [row[0] for row in envelope.result.tables[0].rows][:3] == ["cloud", "edge", "device"]
    assert envelope.result.data[0].name == "own.csv"
    assert (folder / envelope.result.figures[0].file).is_file()
    store = Store(folder / "students")
    assert set(store.current()) == {"cloud", "edge", "device"}
    assert set(Student(store.deployed("device"))("a good thing")) == {"negative", "positive"}

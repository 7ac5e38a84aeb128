"""Layers are merged in order, and every mistake is one line that names field, value, rule and source."""

from datetime import time
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, model_validator

import shared.config
from shared.config import DemoConfig, Section, load, profiles, rule, walk
from shared.config_docs import to_yaml
from shared.errors import UserError


class Plan(Section):
    """How gates are planned."""

    buffer: float = Field(default=15.0, ge=0, le=120, description="Buffer between turns [min]. From 0 to 120.")
    opens: time = Field(default=time(6), description="Local time of opening.")
    method: Literal["greedy", "exact"] = Field(default="greedy", description="How to solve.")
    levels: tuple[float, ...] = Field(default=(0.1, 0.9), min_length=1, description="Quantile levels.")


class Toy(DemoConfig):
    """A config with a section."""

    days: int = Field(default=3, ge=1, le=31, description="Days. From 1 to 31.")
    limit: int | None = Field(default=None, ge=1, description="Most flights; null for all.")
    plan: Plan = Field(default=Plan(), description="The plan.")
    strict: bool = Field(default=False, description="Whether to stop at the first fault.")
    weights: dict[str, float] = Field(default={"a": 1.0}, description="Weight of each part.")

    @model_validator(mode="after")
    def _days_fit(self) -> "Toy":
        if self.limit is not None and self.limit < self.days:
            raise ValueError("limit must be at least days")
        return self


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shared.config, "ROOT", tmp_path)
    folder = tmp_path / "configs" / "toy"
    folder.mkdir(parents=True)
    (folder / "base.yaml").write_text("seed: 1\ndays: 4\nplan: {buffer: 10, method: exact}\n")
    (folder / "smoke.yaml").write_text("days: 2\nplan: {buffer: 5}\n")
    (folder / "cpu.yaml").write_text("")
    return folder


def toy(*overrides: str, file: Path | None = None, profile: str = "smoke") -> Toy:
    return load(Toy, "toy", profile, file, overrides)


def error(*overrides: str, file: Path | None = None, profile: str = "smoke") -> str:
    with pytest.raises(UserError) as caught:
        toy(*overrides, file=file, profile=profile)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_later_layers_win_and_sections_merge(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("plan:\n  opens: 07:00\nstrict: true\n")
    config = toy("plan.buffer=1e1", "plan.levels=[0.5]", file=mine)
    assert (config.seed, config.days, config.strict) == (1, 2, True)
    assert config.plan == Plan(buffer=10.0, opens=time(7), method="exact", levels=(0.5,))


def test_profiles_are_the_files_in_the_natural_order() -> None:
    assert profiles("toy") == ["smoke", "cpu"]


def test_the_config_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        toy().seed = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("plan.bufer=3", ["unknown key 'plan.bufer'", "override 'plan.bufer=3'", 'did you mean "plan.buffer"?']),
        ("buffer=3", ["unknown key 'buffer'", 'did you mean "plan.buffer"?']),
        ("plan.buffer=-1", ["plan.buffer: got -1", "number, at least 0, at most 120", "override"]),
        ("plan.buffer=fast", ['plan.buffer: got "fast"', "number, at least 0"]),
        ("plan.buffer=.nan", ["plan.buffer: got NaN"]),
        ("plan.method=exakt", ['plan.method: got "exakt"', '"greedy", "exact"']),
        ("plan.opens=25:00", ['plan.opens: got "25:00"', "allowed: time"]),
        ("plan.levels=[0.1, high]", ['plan.levels[1]: got "high"', "number"]),
        ("plan.levels=[]", ["plan.levels: got []", "items at least 1"]),
        ("days=2.5", ["days: got 2.5", "integer, at least 1, at most 31"]),
        ("days='3'", ['days: got "3"', "integer"]),
        ("days=true", ["days: got true", "integer"]),
        ("strict=yes", ['strict: got "yes"', "boolean"]),
        ("limit=many", ['limit: got "many"', "integer, at least 1 or null"]),
        ("weights.b=x", ['weights.b: got "x"']),
        ("seed=-1", ["seed: got -1", "at least 0"]),
        ("device=gpu", ['device: got "gpu"', '"auto", "cpu", "cuda", "mps"']),
        ("seed.x=1", ['seed: got {"x": 1}', "integer"]),
        ("limit=1", ["limit must be at least days"]),
        ("days=[1", ["override 'days=[1'"]),
        ("days", ["must read key=value"]),
        ("plan..x=1", ["must read key=value"]),
    ],
)
def test_a_mistake_is_one_line(override: str, words: list[str]) -> None:
    message = error(override)
    assert [word for word in words if word not in message] == [], message


def test_the_source_of_a_mistake_is_named(folder: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("days: 99\n")
    assert f"(from {mine})" in error(file=mine)
    (folder / "smoke.yaml").write_text("plan: {buffer: 500}\n")
    assert "(from configs/toy/smoke.yaml)" in error()


def test_several_mistakes_are_counted() -> None:
    assert error("days=99", "seed=-1").endswith("(and 1 more)")


def test_duplicates_and_missing_files(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("days: 1\ndays: 2\n")
    assert "the key 'days' is given twice, on lines 1 and 2" in error(file=mine)
    assert "no such file" in error(file=tmp_path / "absent.yaml")


def test_an_unknown_profile_names_the_nearest() -> None:
    assert error(profile="smok") == "unknown profile 'smok' of toy; did you mean \"smoke\"?"
    assert error(profile="huge") == "unknown profile 'huge' of toy; known: smoke, cpu"


def test_the_shown_config_reads_back_to_itself(tmp_path: Path) -> None:
    config = toy("plan.opens=07:00", "plan.buffer=1e-3", "limit=null", "weights={no: 2, x: 1e-9}")
    shown = tmp_path / "shown.yaml"
    shown.write_text(to_yaml(config))
    assert toy(file=shown) == config
    assert "# Buffer between turns [min]. From 0 to 120. [number, at least 0, at most 120]" in shown.read_text()


def test_every_field_is_walked() -> None:
    paths = dict(walk(Toy))
    assert {"seed", "device", "plan", "plan.buffer", "plan.levels", "limit"} <= set(paths)
    assert paths["plan"]["description"] == "The plan."
    assert rule(paths["limit"]) == "integer, at least 1 or null"

"""`trendlab generate`: files that say how they were made, and one clear line for what cannot be."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from demos.diffusion import generate as module
from demos.diffusion.model.build import STUDENT
from demos.diffusion.model.origin import LEARNED, keep_learned
from demos.diffusion.model.pipeline import PictogramPipeline
from demos.diffusion.sampling.pictograms import identity
from demos.diffusion.training.adapter import add_adapter
from demos.diffusion.verb import generate
from shared.errors import UserError
from shared.run import Terminated

PICTURE = Path(__file__).parents[3] / "docs" / "images" / "clip-queries.png"


@pytest.fixture
def folder(tiny_pipeline: PictogramPipeline, tmp_path: Path) -> Path:
    place = tmp_path / "pipeline"
    tiny_pipeline.save_pretrained(place)
    return place


def drawn(out: Path) -> Path:
    (found,) = (out / "generate").iterdir()
    return found


def test_each_picture_says_how_it_was_made(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "runs"
    generate("  a red   apple ", n=3, steps=2, seed=7, model=f"local-dir:{folder}", out=out)
    place = drawn(out)
    assert sorted(file.name for file in place.iterdir()) == ["seed-7.png", "seed-8.png", "seed-9.png", "sheet.png"]
    said = capsys.readouterr()
    assert said.out.strip() == str(place / "sheet.png")
    assert "3 of 32x32 pixels by the teacher: 2 steps, 4 evaluations of the network each" in said.err
    with Image.open(place / "seed-8.png") as picture:
        assert picture.size == (32, 32)
        facts = picture.text
    assert facts["prompt"] == "a red apple"
    assert facts["model hash"] == identity(folder, student=False)
    told = {name: json.loads(facts[name]) for name in ("seed", "steps", "evaluations", "guidance")}
    assert told == {"seed": 8, "steps": 2, "evaluations": 4, "guidance": 4.0}
    # The same seed alone: the same picture.
    generate("a red apple", n=1, steps=2, seed=8, model=f"local-dir:{folder}", out=tmp_path / "again", quiet=True)
    both = [np.asarray(Image.open(at / "seed-8.png")).astype(int) for at in (place, drawn(tmp_path / "again"))]
    assert np.abs(both[0] - both[1]).max() <= 1


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"words": "   "}, "no words"),
        ({"sampler": "ddmi"}, 'did you mean "ddim"'),
        ({"mask": Path("m.png")}, "give both"),
        ({"sampler": "lcm", "steps": 51}, "takes 50 at most"),
        ({"image": Path("absent.png")}, r"absent\.png: unreadable"),
        ({"strength": 0.5}, "give both"),
        ({"image": PICTURE}, "starts from words alone"),
        ({"negative": "blue"}, "no --negative"),
        ({"size": 48}, "draws pictures of 32 pixels"),
        ({"student": True}, "has no student"),
        ({"model": "sd"}, "possible are shipped"),
        ({"model": "local-dir:/nowhere"}, r"no model_index\.json"),
        ({"dtype": "float8"}, "unknown dtype"),
        ({"dtype": "bfloat16"}, "for pretrained models"),
        ({"tiling": True}, "for pretrained models"),
        ({"seed": 2**63 - 2}, "seeds go up to"),
        ({"device": "cuda:7"}, "unknown device"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(given: dict[str, object], line: str, folder: Path, tmp_path: Path) -> None:
    settings: dict[str, object] = {"words": "dog", "steps": 2, "model": f"local-dir:{folder}", "out": tmp_path / "runs"}
    with pytest.raises(UserError, match=line):
        generate(**{**settings, **given})  # type: ignore[arg-type]
    assert not list((tmp_path / "runs").rglob("*.png"))


def test_a_student_draws_in_the_steps_that_it_has_learned(
    tiny_pipeline: PictogramPipeline, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unet = tiny_pipeline.unet
    add_adapter(unet, 2)
    unet.save_lora_adapter(folder / STUDENT, safe_serialization=True)
    keep_learned(folder, draws=2, guidance=4.0)

    def said(**given: object) -> str:
        generate("dog", n=1, model=f"local-dir:{folder}", out=tmp_path / "runs", **given)  # type: ignore[arg-type]
        return capsys.readouterr().err

    assert "by the student: 2 steps, 2 evaluations" in said()
    assert "by the teacher: 20 steps" in said(student=False)
    assert "by the student: 2 steps, 2 evaluations" in (told := said(steps=2))
    assert "has learned" not in told
    assert "by the student: 4 steps" in (told := said(steps=4))
    assert "has learned" not in told
    assert "has learned to draw in 2 steps, and is worse in 1" in said(steps=1)
    assert "by the teacher: 5 steps, 10 evaluations" in said(steps=5)
    assert "by the teacher: 2 steps" in said(steps=2, student=False)
    assert "by the student: 5 steps" in said(steps=5, student=True)
    assert "with lcm, and is worse with euler" in said(steps=2, sampler="euler")
    with pytest.raises(UserError, match="takes 50 at most"):
        said(steps=51, student=True)
    assert "ddim leaves a little noise in 6 steps" in said(steps=6, sampler="ddim")
    (folder / STUDENT / LEARNED).unlink()
    assert "by the teacher: 2 steps" in said(steps=2, student=False)
    with pytest.raises(UserError, match="does not say in how many steps"):
        said(steps=2)


def test_clip_moves_a_picture_and_its_file_says_so(folder: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"n": 2, "steps": 2, "model": f"local-dir:{folder}", "quiet": True}
    generate("dog", **settings, out=tmp_path / "plain")
    generate("dog", **settings, clip=0.4, out=tmp_path / "guided")
    plain, guided = (Image.open(drawn(tmp_path / name) / "seed-1.png") for name in ("plain", "guided"))
    assert (np.asarray(plain) != np.asarray(guided)).any()
    assert guided.text["clip"] == "0.4"  # type: ignore[attr-defined]
    assert "clip" not in plain.text  # type: ignore[attr-defined]


def test_words_that_are_not_read_are_told(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"n": 1, "steps": 1, "model": f"local-dir:{folder}"}
    generate("apple " * 2000, **settings, out=tmp_path / "long")  # type: ignore[arg-type]
    assert "2,000 tokens; the model reads the first 30" in capsys.readouterr().err
    generate("\u2603\u2603\u9f98", **settings, out=tmp_path / "unknown")  # type: ignore[arg-type]
    assert "knows none of the words" in capsys.readouterr().err
    generate("dog", **settings, out=tmp_path / "known")  # type: ignore[arg-type]
    assert "token" not in capsys.readouterr().err


def test_a_picture_that_is_stopped_within_leaves_no_half_a_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, saved = Image.Image.save, 0

    def stopped(self: Image.Image, file: Path, **given: Any) -> None:
        nonlocal saved
        saved += 1
        if saved == 2:
            Path(file).write_bytes(b"half")
            raise KeyboardInterrupt
        save(self, file, **given)

    monkeypatch.setattr(Image.Image, "save", stopped)
    with pytest.raises(typer.Exit):
        generate("dog", n=2, steps=1, model=f"local-dir:{folder}", out=tmp_path)
    assert sorted(file.name for file in drawn(tmp_path).iterdir()) == ["seed-0.png", "sheet.png"]


@pytest.mark.parametrize(("stop", "code"), [(KeyboardInterrupt, 130), (Terminated, 143)])
def test_what_was_drawn_before_a_stop_is_kept(
    stop: type[BaseException],
    code: int,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    saved, save = 0, module._save

    def stopped(*given: Any) -> None:
        nonlocal saved
        if saved == most:
            raise stop
        saved += 1
        save(*given)

    monkeypatch.setattr(module, "_save", stopped)
    settings = {"n": 3, "steps": 1, "model": f"local-dir:{folder}"}
    most = 0
    with pytest.raises(typer.Exit) as ended:
        generate("dog", **settings, out=tmp_path / "none")  # type: ignore[arg-type]
    assert ended.value.exit_code == code
    assert list((tmp_path / "none" / "generate").iterdir()) == []
    assert "nothing was drawn" in capsys.readouterr().err
    most = 2
    with pytest.raises(typer.Exit):
        generate("dog", **settings, out=tmp_path / "some")  # type: ignore[arg-type]
    assert sorted(file.name for file in drawn(tmp_path / "some").iterdir()) == ["seed-0.png", "seed-1.png", "sheet.png"]
    assert "2 of 3 pictures are kept" in capsys.readouterr().err


def test_the_command_line_knows_the_verb() -> None:
    app = typer.Typer()
    app.command()(generate)
    for option, value in (("--steps", "0"), ("--n", "0"), ("--guidance", "0.5")):
        answer = CliRunner().invoke(app, ["dog", option, value])
        assert answer.exit_code == 2
        assert option in answer.output
        # Versions of click word it in their own ways.
        assert re.search(r"greater than or equal to 1|not in the range (1(\.0)?<=x|x>=1)", answer.output)
    told = " ".join(re.sub(r"[│\s]+", " ", CliRunner().invoke(app, ["--help"]).output).split())
    assert "the student's own, else 20, pretrained 30" in told

"""Fine-tuning on a folder of the user's: what is read, what is refused, what comes of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demos.diffusion import own as module
from demos.diffusion.config import DiffusionConfig, ModelSection, OwnSection
from demos.diffusion.model.build import opened
from demos.diffusion.model.pipeline import PictogramPipeline
from demos.diffusion.own import captioned, divided, fine_tune
from shared.errors import UserError
from shared.progress import Progress
from shared.run import RunFolder


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Squares of two colours at twelve places with captions, one without, one that is broken."""
    folder = tmp_path / "mine"
    (folder / "red").mkdir(parents=True)
    rows = []
    for number in range(12):
        colour = "red" if number % 2 else "blue"
        place = folder / ("red" if number % 2 else ".") / f"{number}.png"
        picture = Image.new("RGB", (40, 40), "white")
        picture.paste(colour, (3 * number, 2 * number, 3 * number + 6, 2 * number + 6))
        picture.save(place)
        if number < 6:
            place.with_suffix(".txt").write_text(f"a {colour}  square\n")
        else:
            rows.append({"file_name": str(place.relative_to(folder)), "text": f"one {colour} square"})
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    Image.new("RGB", (20, 20)).save(folder / "bare.png")
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "broken.txt").write_text("a broken one")
    return folder


@pytest.fixture
def config(
    tiny_config: DiffusionConfig, tiny_pipeline: PictogramPipeline, mine: Path, tmp_path: Path
) -> DiffusionConfig:
    tiny_pipeline.save_pretrained(tmp_path / "base")
    return tiny_config.model_copy(
        update={
            "model": ModelSection(name=f"local-dir:{tmp_path / 'base'}", size=32, channels=[32, 64]),
            "own": OwnSection(folder=str(mine), steps=30, batch=8, rank=4, held_out=0.2, warmup=2),
        }
    )


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    (tmp_path / "run").mkdir()
    return RunFolder(tmp_path / "run", Progress())


def test_captioned_pictures_are_read_and_others_told(
    config: DiffusionConfig, run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    found, _ = captioned(config, 32, run)
    assert sorted(picture.name for picture in found) == sorted(
        [f"{word} {colour} square" for word in ("a", "one") for colour in ("red", "blue") for _ in range(3)]
    )
    assert all(picture.pixels.shape == (32, 32, 3) for picture in found)
    said = capsys.readouterr().err
    assert "12 pictures, 2 skipped: 1 not a picture, 1 without a caption" in said
    named = (run.folder / "skipped.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in named] == ["file", "bare.png", "broken.png"]


@pytest.mark.parametrize("block", [1024, 5])
def test_what_is_nearly_the_same_is_never_torn(
    config: DiffusionConfig, run: RunFolder, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    found, _ = captioned(config, 32, run)
    twice = [*found, *found, *found]
    parts = divided(twice, config)
    assert sorted([*parts["held out"], *parts["trained on"]]) == list(range(36))
    assert not {at % 12 for at in parts["held out"]} & {at % 12 for at in parts["trained on"]}
    assert len(parts["held out"]) == 6  # of 36, at most a fifth, in threes
    assert sorted(parts["trained on"]) != parts["trained on"].tolist()
    lone = divided([*[found[0]] * 30, *found[1:4]], config)
    assert sorted(lone["held out"]) == [30, 31, 32]
    with pytest.raises(UserError, match="9 pictures are so nearly the same that 0 can be held out"):
        divided([found[0]] * 9, config)


def test_an_adapter_is_learned_and_the_pipeline_kept(config: DiffusionConfig, run: RunFolder) -> None:
    file = Path(config.own.folder or "") / "0.txt"
    file.write_text("it costs $5 #1 or $6")  # which is no mathematics
    result = fine_tune(config, run)
    assert [weights.name.split(": ")[-1] for weights in result.weights] == ["model.safetensors", "the teacher"]
    (headline,) = result.headlines
    assert headline.value < headline.peer_value  # squares of two colours are easily learned
    assert [row[0] for row in result.tables[0].rows] == ["held out", "trained on"]
    kept = opened(run.folder / "pipeline")
    base = opened(Path(config.model.name.removeprefix("local-dir:")))
    names = kept.unet.state_dict().keys()
    assert names == base.unet.state_dict().keys()
    assert any((kept.unet.state_dict()[name] != base.unet.state_dict()[name]).any() for name in names)
    assert (run.folder / "own.png").is_file()
    assert "Of the captions" not in str(result.tables[0].caption)
    assert np.isfinite(headline.value)


def test_captions_that_are_not_read_are_told(
    config: DiffusionConfig, run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(config.own.folder or "")
    (folder / "0.txt").write_text("square " * 80)
    (folder / "2.txt").write_text("飘")
    config = config.model_copy(update={"own": config.own.model_copy(update={"steps": 2})})
    result = fine_tune(config, run)
    told = "1 are read up to their token 30 alone and 1 have words that the model does not know"
    assert f"of the captions, {told}" in capsys.readouterr().err
    assert f"Of the captions, {told}." in str(result.tables[0].caption)


def test_a_folder_that_is_of_no_use_is_one_line(config: DiffusionConfig, run: RunFolder, tmp_path: Path) -> None:
    def with_folder(folder: Path) -> DiffusionConfig:
        return config.model_copy(update={"own": config.own.model_copy(update={"folder": str(folder)})})

    with pytest.raises(UserError, match="no such folder"):
        fine_tune(with_folder(tmp_path / "nowhere"), run)
    (tmp_path / "few").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "few" / "a.png")
    with pytest.raises(UserError, match="0 of its pictures can be read and have a caption"):
        fine_tune(with_folder(tmp_path / "few"), run)
    with pytest.raises(UserError, match="starts from shipped or local-dir"):
        fine_tune(config.model_copy(update={"model": ModelSection(name="train")}), run)

"""Pipelines of the Stable Diffusion class, tiny and at random: opened, drawn with, refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from demos.diffusion.sampling.checkpoints import Checkpoint, _mask
from demos.diffusion.sampling.request import Request
from demos.diffusion.verb import generate
from shared.errors import UserError


def small(seed: int, in_channels: int = 4) -> dict[str, object]:
    """The parts of a pipeline, of the classes of Stable Diffusion 1."""
    from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        block_out_channels=(16, 32),
        layers_per_block=1,
        sample_size=16,
        in_channels=in_channels,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=8,
        norm_num_groups=8,
    )
    vae = AutoencoderKL(
        block_out_channels=(16, 32),
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=4,
        norm_num_groups=8,
        sample_size=32,
    )
    config = CLIPTextConfig(
        vocab_size=100,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        bos_token_id=98,
        eos_token_id=99,
    )
    scheduler = PNDMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, skip_prk_steps=True, steps_offset=1
    )
    return {"unet": unet, "vae": vae, "text_encoder": CLIPTextModel(config), "scheduler": scheduler}


def tokenizer(folder: Path) -> object:
    """Letters and their ends of words, as CLIP's vocabulary begins."""
    from transformers import CLIPTokenizer

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = [*letters, *[f"{letter}</w>" for letter in letters]]
    filled = [*words, *[f"<{number}>" for number in range(98 - len(words))], "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(filled)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77)


@pytest.fixture(scope="module")
def stable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from diffusers import StableDiffusionPipeline

    place = tmp_path_factory.mktemp("stable")
    pipeline = StableDiffusionPipeline(
        **small(0),
        tokenizer=tokenizer(place / "words"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(place / "pipeline")
    return place / "pipeline"


def drawn(out: Path) -> Path:
    (found,) = (out / "generate").iterdir()
    return found


def pixels(file: Path) -> np.ndarray:
    return np.asarray(Image.open(file)).astype(int)


def test_words_to_picture(stable: Path, tmp_path: Path) -> None:
    model = f"pretrained:{stable}"
    generate("a red apple", n=2, steps=2, model=model, out=tmp_path / "one", quiet=True)
    both = [pixels(drawn(tmp_path / "one") / f"seed-{seed}.png") for seed in (0, 1)]
    assert both[0].shape == (32, 32, 3)
    assert (both[0] != both[1]).any()
    facts = Image.open(drawn(tmp_path / "one") / "seed-1.png").text
    assert facts["sampler"] == "PNDMScheduler"
    assert json.loads(facts["guidance"]) == 7.5
    # Together, in slices and in tiles: the same pictures.
    generate(
        "a red apple", n=2, steps=2, model=model, batch=2, slicing=True, tiling=True, out=tmp_path / "two", quiet=True
    )
    again = [pixels(drawn(tmp_path / "two") / f"seed-{seed}.png") for seed in (0, 1)]
    assert np.abs(np.stack(both) - np.stack(again)).max() <= 2


def test_another_sampler_size_and_negative_words(stable: Path, tmp_path: Path) -> None:
    settings = {"n": 1, "steps": 2, "model": f"pretrained:{stable}", "quiet": True}
    generate("dog", sampler="dpm++", size=48, dtype="bfloat16", **settings, out=tmp_path / "a")  # type: ignore[arg-type]
    assert pixels(drawn(tmp_path / "a") / "seed-0.png").shape == (48, 48, 3)
    generate("dog", negative="cat", **settings, out=tmp_path / "b")  # type: ignore[arg-type]
    generate("dog", **settings, out=tmp_path / "c")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="does nothing at a guidance of 1"):
        generate("dog", negative="cat", guidance=1.0, **settings, out=tmp_path / "d")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="knows pictograms alone"):
        generate("dog", clip=0.4, **settings, out=tmp_path / "e")  # type: ignore[arg-type]
    assert (pixels(drawn(tmp_path / "b") / "seed-0.png") != pixels(drawn(tmp_path / "c") / "seed-0.png")).any()


def test_from_a_picture_and_within_a_mask(stable: Path, tmp_path: Path) -> None:
    start, mask = tmp_path / "start.png", tmp_path / "mask.png"
    Image.new("RGB", (50, 40), "red").save(start)
    Image.new("L", (50, 40), 255).save(mask)
    settings = {"n": 1, "steps": 4, "model": f"pretrained:{stable}", "image": start}
    generate("dog", strength=0.5, **settings, out=tmp_path / "image")  # type: ignore[arg-type]
    found = drawn(tmp_path / "image") / "seed-0.png"
    assert pixels(found).shape == (32, 32, 3)
    # Half of four steps, of which PNDM takes the second twice, with and without words.
    assert json.loads(Image.open(found).text["evaluations"]) == 6
    generate("dog", mask=mask, **settings, out=tmp_path / "mask-run")  # type: ignore[arg-type]
    assert pixels(drawn(tmp_path / "mask-run") / "seed-0.png").shape == (32, 32, 3)
    Image.new("L", (40, 40), 255).save(mask)
    with pytest.raises(UserError, match="40x40 and 50x40"):
        generate("dog", mask=mask, **settings, out=tmp_path / "other")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="leaves none"):
        generate("dog", strength=0.1, **settings, out=tmp_path / "none")  # type: ignore[arg-type]


def test_what_a_checkpoint_cannot_is_one_line(stable: Path, tmp_path: Path) -> None:
    settings = {"n": 1, "steps": 2, "out": tmp_path / "runs"}
    with pytest.raises(UserError, match="multiples of 2 pixels"):
        generate("dog", model=f"pretrained:{stable}", size=33, **settings)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="has no student"):
        generate("dog", model=f"pretrained:{stable}", student=True, **settings)  # type: ignore[arg-type]
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(UserError, match="not a picture"):
        generate("dog", model=f"pretrained:{stable}", image=tmp_path / "text.png", **settings)  # type: ignore[arg-type]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no model_index\.json"):
        generate("dog", model=f"pretrained:{tmp_path / 'empty'}", **settings)  # type: ignore[arg-type]
    assert not list(tmp_path.rglob("seed-*.png"))


def test_pickles_and_damaged_files_are_refused(stable: Path, tmp_path: Path) -> None:
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(stable, broken)
    weights = next((broken / "unet").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:500])
    with pytest.raises(UserError, match="diffusers cannot open it"):
        generate("dog", n=1, steps=1, model=f"pretrained:{broken}", out=tmp_path / "runs")
    weights.unlink()
    torch.save({"conv_in.weight": torch.zeros(1)}, weights.with_suffix(".bin"))
    with pytest.raises(UserError, match="diffusers cannot open it"):
        generate("dog", n=1, steps=1, model=f"pretrained:{broken}", out=tmp_path / "runs")


def test_a_name_without_a_network_says_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="give pretrained:FOLDER"):
        generate("dog", n=1, steps=1, model="pretrained:nobody/nothing", out=tmp_path / "runs")


def test_a_pipeline_that_takes_no_strength_is_not_given_one(stable: Path, tmp_path: Path) -> None:
    start = tmp_path / "start.png"
    Image.new("RGB", (32, 32)).save(start)
    painter, request = Checkpoint(str(stable), "image", "cpu", torch.float32), Request("dog", (0,), 4, image=start)
    assert painter.rounds(request) == 3
    assert painter._settings(request)["strength"] == 0.8
    assert not any("--strength" in note for note in painter.check(request))
    painter._takes.remove("strength")
    assert painter.rounds(request) == 4
    assert "strength" not in painter._settings(request)
    assert any("--strength does nothing" in note for note in painter.check(request))


def test_a_folder_that_is_not_there_is_no_name_of_a_hub(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        generate("dog", model=f"pretrained:{tmp_path / 'nowhere'}", out=tmp_path / "runs")


def test_a_mask_keeps_what_is_transparent_and_what_was_added(tmp_path: Path) -> None:
    place, start = tmp_path / "mask.png", tmp_path / "start.png"
    drawn_mask = Image.new("RGBA", (60, 30), (255, 255, 255, 0))
    drawn_mask.paste((255, 255, 255, 255), (30, 0, 60, 30))
    drawn_mask.save(place)
    Image.new("RGB", (60, 30)).save(start)
    found = np.asarray(_mask(Request("dog", (0,), 1, image=start, mask=place), 60))
    assert found.shape == (60, 60)
    assert found[30, 45] == 255
    assert found[30, 15] == found[5, 45] == found[55, 45] == 0


def test_a_mask_of_16_bits_is_read_as_what_it_is(tmp_path: Path) -> None:
    place, start = tmp_path / "mask.png", tmp_path / "start.png"
    grey = np.full((20, 20), 20_000, np.uint16)
    grey[:, 10:] = 65_535
    Image.fromarray(grey).save(place)
    Image.new("RGB", (20, 20)).save(start)
    found = np.asarray(_mask(Request("dog", (0,), 1, image=start, mask=place), 20)).astype(int)
    assert abs(found[10, 3] - 78) <= 1  # 20,000 of 65,535
    assert found[10, 16] == 255
    whole = place.read_bytes()
    place.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"mask\.png: broken"):
        _mask(Request("dog", (0,), 1, image=start, mask=place), 20)

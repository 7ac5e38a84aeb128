"""A picture depends on its words and its seed alone; the folder is a pipeline of diffusers; samplers agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from diffusers.utils import dynamic_modules_utils

from demos.diffusion.config import Sampler, SampleSection
from demos.diffusion.model import pipeline as module
from demos.diffusion.model.build import opened
from demos.diffusion.model.pipeline import CONTEXT, SPREAD, PictogramPipeline, picture_of
from demos.diffusion.model.schedulers import scheduler_of
from demos.diffusion.sampling.draw import draw, evaluations
from shared.errors import UserError
from shared.pretrained.minilm import MiniLM

SETTINGS = SampleSection(steps=3, batch=4)


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_a_picture_does_not_depend_on_those_beside_it(tiny_pipeline: PictogramPipeline) -> None:
    prompts, seeds = ["a red apple", "dog", "a red apple", "ship", "flag"], [7, 8, 7, 9, 10]
    together = draw(tiny_pipeline, prompts, seeds, SETTINGS)
    alone = draw(tiny_pipeline, prompts, seeds, SETTINGS.model_copy(update={"batch": 1}))
    assert (together[0] == together[2]).all()
    # Sums in another order: a level of 255 at most.
    assert np.abs(together.astype(int) - alone).max() <= 1
    assert len({picture.tobytes() for picture in together}) == 4


def test_words_and_seed_both_matter(tiny_pipeline: PictogramPipeline) -> None:
    first, other_seed, other_words = draw(tiny_pipeline, ["dog", "dog", "ship"], [0, 1, 0], SETTINGS)
    assert first.shape == (32, 32, 3)
    assert not (first == other_seed).all()
    assert not (first == other_words).all()


def test_the_folder_is_a_pipeline_of_diffusers(
    tiny_pipeline: PictogramPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamic_modules_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    tmp_path = tmp_path / "pipeline"
    tiny_pipeline.save_pretrained(tmp_path, safe_serialization=True)
    assert not [file for file in tmp_path.rglob("*") if file.suffix in (".bin", ".pt", ".pkl")]
    expected = tiny_pipeline("dog", 3, generator=generators(5), output_type="np").images
    ours = opened(tmp_path)
    assert np.allclose(ours("dog", 3, generator=generators(5), output_type="np").images, expected, atol=1e-5)
    # Without this repository: its one file is handed to diffusers.
    theirs = DiffusionPipeline.from_pretrained(tmp_path, custom_pipeline=module.__file__, trust_remote_code=True)
    theirs.set_progress_bar_config(disable=True)
    assert type(theirs).__module__ != PictogramPipeline.__module__
    assert np.allclose(theirs("dog", 3, generator=generators(5), output_type="np").images, expected, atol=1e-5)


def test_what_is_no_pipeline_is_one_line(tiny_pipeline: PictogramPipeline, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no model_index\.json"):
        opened(tmp_path)
    tiny_pipeline.save_pretrained(tmp_path)
    words, weights = (
        tmp_path / part for part in ("text_encoder/model.safetensors", "unet/diffusion_pytorch_model.safetensors")
    )
    for damaged in (words, weights):
        whole = damaged.read_bytes()
        damaged.write_bytes(whole[:1000])
        with pytest.raises(UserError, match="cannot be opened as a pipeline"):
            opened(tmp_path)
        damaged.write_bytes(whole)
    opened(tmp_path)
    weights.unlink()
    torch.save(tiny_pipeline.unet.state_dict(), weights.with_suffix(".bin"))
    with pytest.raises(UserError, match="cannot be opened as a pipeline"):
        opened(tmp_path)
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "Other"}))
    with pytest.raises(UserError, match="cannot be opened as a pipeline"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [("scheduler/scheduler_config.json", "prediction_type", "v_prediction"), ("model_index.json", "spread", 0.5)],
)
def test_what_was_trained_to_predict_something_else_is_refused(
    file: str, key: str, value: object, tiny_pipeline: PictogramPipeline, tmp_path: Path
) -> None:
    tiny_pipeline.save_pretrained(tmp_path)
    told = json.loads((tmp_path / file).read_text())
    assert told[key] != value
    (tmp_path / file).write_text(json.dumps({**told, key: value}))
    with pytest.raises(UserError, match=rf"something else .*{value}.*train it anew"):
        opened(tmp_path)


def test_words_are_those_of_the_text_model(tiny_pipeline: PictogramPipeline) -> None:
    words = tiny_pipeline.encode(["a red apple", "flag of Norway", "word " * 100])
    assert words.states.shape == (3, CONTEXT, 384)
    assert words.mask.sum(1).tolist() == [5, 5, CONTEXT]
    pooled = words.pooled.numpy() / 384**0.5
    assert (pooled[:2] * MiniLM()(["a red apple", "flag of Norway"])).sum(1) == pytest.approx(1, abs=1e-5)


def test_one_generator_for_each_picture(tiny_pipeline: PictogramPipeline) -> None:
    with pytest.raises(ValueError, match="2 prompts and 1 generators"):
        tiny_pipeline(["dog", "ship"], 2, generator=generators(0))


@pytest.mark.parametrize("sampler", get_args(Sampler))
def test_a_sampler_finds_a_picture_that_the_network_is_sure_of(sampler: str, tiny_pipeline: PictogramPipeline) -> None:
    """A network that always means the same picture is the exact solution for a set of one: all samplers end there."""
    picture = torch.linspace(-0.8, 0.8, 48 * 64).reshape(1, 48, 8, 8)

    class Sure(torch.nn.Module):
        config, dtype, device = tiny_pipeline.unet.config, torch.float32, torch.device("cpu")

        def forward(self, seen: torch.Tensor, time: torch.Tensor, **_: torch.Tensor) -> object:
            kept = tiny_pipeline._signal(time)
            # Linear in the answer: from two answers, the one that means the picture.
            none, one = (picture_of(torch.full_like(seen, value), seen, kept) for value in (0.0, 1.0))
            return type("Answer", (), {"sample": (picture - none) / (one - none)})

    tiny_pipeline.unet = Sure()
    made = draw(tiny_pipeline, ["dog", "ship"], [0, 1], SampleSection(sampler=sampler, steps=5))
    expected = (torch.nn.functional.pixel_shuffle(picture, 4)[0].permute(1, 2, 0).numpy() + 1) * 127.5
    assert np.abs(made - expected).max() < 2


def test_fresh_noise_is_a_samplers_own_whatever_was_before(tiny_pipeline: PictogramPipeline) -> None:
    plain = scheduler_of("dpm++", scheduler_of("dpm++sde", tiny_pipeline.scheduler))
    fresh = scheduler_of("dpm++sde", plain)
    assert (plain.config.algorithm_type, fresh.config.algorithm_type) == ("dpmsolver++", "sde-dpmsolver++")
    karras = scheduler_of("dpm++karras", fresh)
    assert karras.config.use_karras_sigmas
    karras.set_timesteps(10)
    assert karras.sigmas[[0, 9]].tolist() == pytest.approx([80, 0.02], rel=1e-3)
    # Nothing of its levels, or of Heun's, is left to the next one.
    for before in (karras, scheduler_of("heun", karras)):
        after = scheduler_of("dpm++", before)
        after.set_timesteps(10)
        assert after.timesteps.tolist() == [999, 899, 799, 699, 599, 499, 399, 299, 199, 99]
    without, first, again = (
        draw(tiny_pipeline, ["dog"], [3], SETTINGS.model_copy(update={"sampler": sampler}))
        for sampler in ("dpm++", "dpm++sde", "dpm++sde")
    )
    assert (first == again).all()
    assert (first != without).any()


def test_at_little_noise_the_state_and_at_much_the_answer_is_the_picture() -> None:
    state, answer = torch.full((1,), 0.5), torch.full((1,), -0.25)

    def read(kept: float) -> float:
        return float(picture_of(answer, state, torch.tensor(kept)))

    assert read(1.0) == 0.5
    assert read(0.0) == -0.25
    # Noise of SPREAD beside a picture of 1: each half of the variance.
    kept = 1 / (1 + SPREAD**2)
    assert read(kept) == pytest.approx(0.5 * 0.5 / kept**0.5 - 0.25 / 2**0.5, rel=1e-4)


def test_evaluations_are_counted(tiny_pipeline: PictogramPipeline) -> None:
    looks = 0

    def look(*_: object) -> None:
        nonlocal looks
        looks += 1

    tiny_pipeline.unet.register_forward_hook(look)
    ways = [(sampler, guidance, 4) for sampler in get_args(Sampler) for guidance in (1.0, 4.0)]
    # Of 61 steps diffusers makes 62, the last of which is not a number; of 400 of Karras' levels some have one time.
    odd = [(sampler, 1.0, 61) for sampler in get_args(Sampler) if sampler != "lcm"]
    for sampler, guidance, steps in [*ways, *odd, ("dpm++karras", 1.0, 400)]:
        settings = SampleSection(sampler=sampler, steps=steps, guidance=guidance)
        looks = 0
        draw(tiny_pipeline, ["dog"], [0], settings)
        assert evaluations(settings) == looks * (2 if guidance > 1 else 1)


def test_without_fresh_noise_all_samplers_come_to_the_same_picture(tiny_pipeline: PictogramPipeline) -> None:
    def drawn(sampler: str, steps: int) -> np.ndarray:
        settings = SampleSection(sampler=sampler, steps=steps, guidance=1.0)  # type: ignore[arg-type]
        return draw(tiny_pipeline, ["dog", "cat"], [0, 1], settings).astype(float)

    exact = drawn("ddim", 250)
    assert np.abs(exact - exact[::-1]).mean() > 60  # as far as two pictures are that have nothing in common
    for sampler, steps in (("dpm++", 60), ("dpm++karras", 60), ("euler", 100), ("heun", 40)):
        assert np.abs(drawn(sampler, steps) - exact).mean() < 25, sampler


def test_the_last_time_is_all_noise(tiny_pipeline: PictogramPipeline) -> None:
    for sampler in ("ddim", "dpm++", "dpm++sde", "euler"):
        scheduler = scheduler_of(sampler, tiny_pipeline.scheduler)
        scheduler.set_timesteps(5)
        assert int(scheduler.timesteps[0]) == 999
        assert float(tiny_pipeline.scheduler.alphas_cumprod[999]) < 1e-6

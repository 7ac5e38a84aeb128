"""Speed: an evaluation, a whole picture, a step of training, beside what the machine could do at best.

trendlab bench diffusion
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from demos.diffusion.config import SampleSection
from demos.diffusion.model.build import build, unet_of
from demos.diffusion.sampling.draw import draw, evaluations
from demos.diffusion.training.fit import CLIP_NORM, compiled, optimizer_of
from shared import device as devices
from shared.errors import UserError
from shared.evaluation.limits import gemm_peak, operations
from shared.evaluation.timing import Timing, paired_timing
from shared.result import Column, Headline, Interval, Metric, Result, Table

if TYPE_CHECKING:
    from demos.diffusion.config import DiffusionConfig
    from demos.diffusion.model.pipeline import PictogramPipeline
    from shared.demo import Run

PROMPTS = ("a red apple", "dog", "a house with a tree", "flag", "violin", "a sad face", "ship", "a green car")
FORTH_AND_BACK = 3  # a step of training, in forward passes
GIGA = 1e9
Work = Callable[[], Any]


def measure(config: DiffusionConfig, run: Run) -> Result:
    """Speeds of a network of the configured shape at random: what its weights are changes none of them."""
    device = devices.resolve(config.device)
    types = ("float32", "bfloat16") if devices.precision(device) == "bf16" else ("float32",)
    peaks = {name: gemm_peak(getattr(torch, name), device=device) for name in types}
    pipeline = build(config.model).to(device)
    pipeline.set_progress_bar_config(disable=True)
    batch, repeats = config.train.batch, config.evaluation.repeats
    inputs = _inputs(pipeline, batch, device)
    with torch.no_grad():
        flops = operations(lambda: pipeline.unet(**inputs)) / batch
    run.say("evaluations of the network")
    looks = paired_timing(_looks(pipeline, inputs, device, types), repeats)
    run.say("whole pictures")
    drawn = paired_timing(_pictures(pipeline, config), repeats)
    run.say("steps of training")
    steps = paired_timing(_steps(config, inputs, device, run), repeats)
    student = list(drawn.values())[1]
    low, _, high = (1 / quartile for quartile in reversed(student.ratio_quartiles))
    limit = ", ".join(f"{name} {peak / GIGA:,.0f}" for name, peak in peaks.items())
    caption = (
        f"Batches of {batch} on {device}, {torch.get_num_threads()} threads, medians of {repeats} turns. One "
        f"evaluation is {flops / GIGA:.2f} billion operations; square matrix products reach {limit} billion a second."
    )
    return Result(
        headlines=[
            Headline(
                name=f"Teacher at 50 guided steps, in times of the student at {config.student.draws}",
                value=1 / student.ratio,
                unit="x",
                direction="higher",
                peer="evaluations alone",
                peer_value=100 / config.student.draws,
                interval=Interval(low=low, high=high, level=0.5, unit="turns"),
            )
        ],
        metrics=[
            Metric(name="student's pictures", value=len(PROMPTS) / student.median, unit="1/s", direction="higher")
        ],
        tables=[
            _table("One evaluation of the network", looks, batch, flops, peaks, caption),
            _table("A step of training", steps, batch, FORTH_AND_BACK * flops, peaks, caption),
            _drawn_table(drawn),
        ],
        figures=[],
        data=[],
    )


def _inputs(pipeline: PictogramPipeline, batch: int, device: str) -> dict[str, Any]:
    words = pipeline.encode([PROMPTS[number % len(PROMPTS)] for number in range(batch)])
    state = pipeline.noise(batch, []).to(device, memory_format=torch.channels_last)
    return {
        "sample": state,
        "timestep": torch.full((batch,), 500, device=device),
        "encoder_hidden_states": words.states,
        "encoder_attention_mask": words.mask,
        "class_labels": words.pooled,
    }


def _looks(pipeline: PictogramPipeline, inputs: dict[str, Any], device: str, types: tuple[str, ...]) -> dict[str, Work]:
    def look(mixed: bool) -> Work:
        def work() -> None:
            with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=mixed):
                pipeline.unet(**inputs)
            _settle(device)

        return work

    pipeline.unet.to(memory_format=torch.channels_last).eval()
    return {name: look(name == "bfloat16") for name in types}


def _pictures(pipeline: PictogramPipeline, config: DiffusionConfig) -> dict[str, Work]:
    many = SampleSection(sampler="ddim", steps=50, guidance=4.0)
    few = SampleSection(sampler="lcm", steps=config.student.draws, guidance=1.0)

    def work(settings: SampleSection) -> Work:
        return lambda: draw(pipeline, PROMPTS, range(len(PROMPTS)), settings)

    return {f"{settings.steps} steps, {evaluations(settings)} evaluations": work(settings) for settings in (many, few)}


def _steps(config: DiffusionConfig, inputs: dict[str, Any], device: str, run: Run) -> dict[str, Work]:
    """A step as diffusers and torch are found, and what this demo does to it, one thing after the other."""
    from diffusers.models.attention_processor import AttnProcessor
    from diffusers.training_utils import EMAModel

    def step(mixed: bool, plain: bool, whole: bool, optimizer: str) -> Work:
        unet = unet_of(config.model).to(device, memory_format=torch.channels_last).train()
        if plain:
            unet.set_attn_processor(AttnProcessor())
        weights = list(unet.parameters())
        made = optimizer_of(weights, config.train.model_copy(update={"optimizer": optimizer}))
        average = EMAModel(weights, foreach=True)
        network = compiled(unet) if whole else unet

        def work() -> None:
            with torch.autocast(device, torch.bfloat16, enabled=mixed):
                found = network(**inputs).sample
            made.zero_grad()
            (found.float() - inputs["sample"]).square().mean().backward()
            torch.nn.utils.clip_grad_norm_(weights, CLIP_NORM)
            made.step()
            average.step(weights)
            _settle(device)

        return work

    mixed, found = devices.precision(device) == "bf16", {"float32, AdamW": step(False, False, False, "adamw")}
    kind = "bfloat16" if mixed else "float32"
    if mixed:
        found[f"{kind}, AdamW"] = step(mixed, False, False, "adamw")
    found[f"{kind}, attention in its parts, AdamW"] = step(mixed, True, False, "adamw")
    try:
        found[f"{kind}, attention in its parts, compiled, AdamW"] = step(mixed, True, True, "adamw")
        found[f"{kind}, attention in its parts, compiled, Muon"] = step(mixed, True, True, "muon")
    except UserError as error:
        run.say(f"without the compiled steps: {error}")
        found[f"{kind}, attention in its parts, Muon"] = step(mixed, True, False, "muon")
    return found


def _settle(device: str) -> None:
    if device != "cpu":
        getattr(torch, device).synchronize()


def _table(
    title: str, timings: Mapping[str, Timing], batch: int, flops: float, peaks: dict[str, float], caption: str
) -> Table:
    rows: list[list[str | float | None]] = []
    for name, timing in timings.items():
        rate = batch / timing.median
        peak = peaks[name.partition(",")[0]]
        low, _, high = (1 / quartile for quartile in reversed(timing.ratio_quartiles))
        rows.append([name, rate, 1 / timing.ratio, f"{low:.2f} to {high:.2f}", 100 * rate * flops / peak])
    columns = [
        Column(name="how"),
        Column(name="pictures a second", direction="higher"),
        Column(name="speed-up", unit="x", direction="higher", digits=2),
        Column(name="middle half"),
        Column(name="share of the GEMM peak", unit="%", direction="higher"),
    ]
    return Table(title=title, columns=columns, rows=rows, caption=caption)


def _drawn_table(drawn: Mapping[str, Timing]) -> Table:
    rows: list[list[str | float | None]] = [
        [name, 1000 * timing.median / len(PROMPTS), len(PROMPTS) / timing.median, timing.ratio]
        for name, timing in drawn.items()
    ]
    columns = [
        Column(name="way"),
        Column(name="a picture", unit="ms", direction="lower"),
        Column(name="pictures a second", direction="higher"),
        Column(name="ratio of times", digits=3, direction="lower"),
    ]
    return Table(
        title="Whole pictures",
        columns=columns,
        rows=rows,
        caption=f"{len(PROMPTS)} pictures in a batch, words read anew, float32.",
    )

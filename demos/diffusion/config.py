"""The typed config of `diffusion`: every field with unit, range and a sentence.

trendlab config diffusion
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from shared.config import DemoConfig, Section, different

Sampler = Literal["ddim", "dpm++", "euler", "heun"]
GROUPS = 32  # of the normalisation: channels are a multiple


class ModelSection(Section):
    """Which model draws."""

    name: str = Field(
        "train",
        description="train = train now; local-dir:FOLDER = a pipeline's folder, as training leaves one in its run",
    )
    size: int = Field(64, ge=16, le=256, description="side of the pictures [pixels], 16 to 256")
    patch: int = Field(
        4,
        ge=1,
        le=16,
        description="side of the squares that become one position's channels [pixels], 1 to 16",
    )
    channels: Annotated[list[int], AfterValidator(different)] = Field(
        [96, 192],
        min_length=2,
        max_length=4,
        description="width of each level of the U-Net, the finest first, multiples of 32; all but the finest look at "
        "the words",
    )
    layers: int = Field(1, ge=1, le=4, description="residual blocks of each level, 1 to 4")

    @model_validator(mode="after")
    def _fits(self) -> ModelSection:
        if wrong := [width for width in self.channels if width < 1 or width % GROUPS]:
            raise ValueError(f"channels: {wrong[0]} is no multiple of {GROUPS}")
        step = self.patch * 2 ** (len(self.channels) - 1)
        if self.size % step:
            raise ValueError(f"size: {self.size} pixels are no multiple of {step}, patch times 2 for each level below")
        return self


class TrainSection(Section):
    """The schedule of the teacher."""

    steps: int = Field(12_000, ge=1, le=10_000_000, description="updates, 1 to 1e7")
    batch: int = Field(64, ge=2, le=4096, description="pictures a step, 2 to 4096")
    learning_rate: float = Field(4e-4, gt=0, le=1, description="peak, above 0 to 1")
    weight_decay: float = Field(0.01, ge=0, le=10, description="of AdamW, 0 to 10")
    warmup: int = Field(200, ge=0, le=100_000, description="updates in which the rate rises, 0 to 1e5")
    decay: float = Field(0.4, ge=0, le=1, description="share of the updates, the last, in which the rate falls, 0 to 1")
    ema: float = Field(
        0.9995, ge=0, lt=1, description="largest decay of the moving average of the weights, 0 to below 1"
    )
    ema_power: float = Field(
        0.8, gt=0, le=1, description="the average's decay rises as 1 - (1 + step) ** -power, above 0 to 1"
    )
    drop: float = Field(
        0.1, ge=0, le=1, description="share of the draws without words, for classifier-free guidance, 0 to 1"
    )
    tags: float = Field(0.4, ge=0, le=1, description="share of the draws whose words are name and tags, 0 to 1")
    min_snr: float = Field(
        5.0, gt=0, le=1000, description="gamma of min-SNR weighting; 1000 is next to none, above 0 to 1000"
    )
    checkpoint: float = Field(
        5.0, ge=0, le=1440, description="between two writings of the state, to go on after a stop [minutes], 0 to 1440"
    )
    compile: bool = Field(False, description="whether the network is compiled, which takes a minute and a C++ compiler")


class SampleSection(Section):
    """How pictures are drawn."""

    sampler: Sampler = Field("dpm++", description="the scheduler, from diffusers")
    steps: int = Field(20, ge=1, le=1000, description="steps of the sampler, 1 to 1000")
    guidance: float = Field(
        4.0, ge=1, le=50, description="weight of classifier-free guidance; 1 = none and half the evaluations, 1 to 50"
    )
    batch: int = Field(64, ge=1, le=4096, description="pictures drawn together, which changes none of them, 1 to 4096")


class EvaluationSection(Section):
    """What is measured."""

    prompts: int = Field(400, ge=16, le=400, description="held-out names that are drawn, 16 to 400")
    bootstrap: int = Field(1000, ge=100, le=1_000_000, description="resamples behind each interval, 100 to 1e6")


class DiffusionConfig(DemoConfig):
    """All settings of `diffusion`."""

    model: ModelSection = Field(default_factory=ModelSection, description="which model draws")
    train: TrainSection = Field(default_factory=TrainSection, description="the schedule of the teacher")
    sample: SampleSection = Field(default_factory=SampleSection, description="how pictures are drawn")
    evaluation: EvaluationSection = Field(default_factory=EvaluationSection, description="what is measured")

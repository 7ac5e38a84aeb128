"""The typed config of `diffusion`: every field with unit, range and a sentence.

trendlab config diffusion
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from shared.config import DemoConfig, Section, different
from shared.openmoji.families import CELLS

Sampler = Literal["ddim", "dpm++", "dpm++karras", "dpm++sde", "dpm++sdekarras", "euler", "heun", "lcm"]
PartName = Literal["quality", "samplers", "student", "clip", "memory", "composition", "training"]
TIMES = 1000  # of the noise in training
CONSISTENCY_STEPS = 50  # that diffusers' LCMScheduler takes at most
GROUPS = 32  # of the normalisation: channels are a multiple


class ModelSection(Section):
    """Which model draws."""

    name: str = Field(
        "shipped",
        description="shipped = the repository's own; train = train now; local-dir:FOLDER = a pipeline's folder, as "
        "training leaves one in its run",
    )
    size: int = Field(
        64,
        ge=32,
        le=256,
        description="side of the pictures [pixels], a multiple of 16, 32 to 256; like what follows, of a new model",
    )
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
        if self.size % CELLS:
            raise ValueError(f"size: {self.size} pixels are no multiple of {CELLS}, at which pictures are compared")
        step = self.patch * 2 ** (len(self.channels) - 1)
        if self.size % step:
            raise ValueError(f"size: {self.size} pixels are no multiple of {step}, patch times 2 for each level below")
        return self


class Schedule(Section):
    """Of a training."""

    steps: int = Field(4_000, ge=1, le=10_000_000, description="updates, 1 to 1e7")
    batch: int = Field(64, ge=2, le=4096, description="pictures a step, 2 to 4096")
    optimizer: Literal["muon", "adamw"] = Field("muon", description="the optimizer, from timm")
    learning_rate: float = Field(3e-3, gt=0, le=1, description="peak, above 0 to 1")
    weight_decay: float = Field(0.01, ge=0, le=10, description="of all but gains and biases, 0 to 10")
    warmup: int = Field(200, ge=0, le=100_000, description="updates in which the rate rises, 0 to 1e5")
    decay: float = Field(0.4, ge=0, le=1, description="share of the updates, the last, in which the rate falls, 0 to 1")
    ema: float = Field(
        0.9995, ge=0, lt=1, description="largest decay of the moving average of the weights, 0 to below 1"
    )
    ema_power: float = Field(
        0.8, gt=0, le=1, description="the average's decay rises as 1 - (1 + step) ** -power, above 0 to 1"
    )
    checkpoint: float = Field(
        5.0, ge=0, le=1440, description="between two writings of the state, to go on after a stop [minutes], 0 to 1440"
    )
    compile: bool = Field(False, description="whether the network is compiled, which takes a minute and a C++ compiler")


class TrainSection(Schedule):
    """The training of the teacher."""

    steps: int = Field(
        4_000,
        ge=1,
        le=10_000_000,
        description="updates, 1 to 1e7; beside a model that is opened, up to 100 from scratch are run and shown, and "
        "more are not",
    )
    balance: float = Field(
        0.5,
        ge=0,
        le=1,
        description="power of its size by which a family of pictures is drawn: 1 = each picture alike, so that half "
        "of all draws are people in their skin tones; 0 = each family alike, 0 to 1",
    )
    drop: float = Field(
        0.1, ge=0, le=1, description="share of the draws without words, for classifier-free guidance, 0 to 1"
    )
    tags: float = Field(0.4, ge=0, le=1, description="share of the draws whose words are name and tags, 0 to 1")
    min_snr: float = Field(
        5.0, gt=0, le=1000, description="gamma of min-SNR weighting; 1000 is next to none, above 0 to 1000"
    )


class StudentSection(Schedule):
    """The training of the student, which draws in a few steps what its teacher draws in many."""

    name: Literal["train", "beside", "none"] = Field(
        "beside", description="train = train now; beside = the one in the teacher's folder; none = no student"
    )
    steps: int = Field(300, ge=1, le=10_000_000, description="updates, 1 to 1e7")
    batch: int = Field(16, ge=2, le=4096, description="pictures a step, each learned from at all its draws, 2 to 4096")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="peak, above 0 to 1")
    warmup: int = Field(20, ge=0, le=100_000, description="updates in which the rate rises, 0 to 1e5")
    ema: float = Field(0.99, ge=0, lt=1, description="largest decay of the moving average of the weights, 0 to below 1")
    draws: int = Field(
        4,
        ge=1,
        le=CONSISTENCY_STEPS,
        description=f"steps in which it draws, each one evaluation, 1 to {CONSISTENCY_STEPS}",
    )
    guidance: float = Field(4.0, ge=1, le=50, description="of the teacher that it learns from, 1 to 50")
    imitate: int = Field(
        100,
        ge=0,
        le=1_000_000,
        description="first updates, in which it learns what its guided teacher sees; then its pictures are matched, 0 "
        "to 1e6",
    )
    critic_rate: float = Field(
        2e-3, gt=0, le=1, description="learning rate of the critic, which learns what the student draws, above 0 to 1"
    )
    rank: int = Field(32, ge=1, le=1024, description="of the LoRA adapter that makes a teacher a student, 1 to 1024")
    peer: bool = Field(
        False,
        description="whether a peer is trained beside it by latent consistency distillation, with as many evaluations "
        "of the network",
    )
    peer_rate: float = Field(3e-4, gt=0, le=1, description="peak of the peer's learning rate, above 0 to 1")


class OwnSection(Schedule):
    """Fine-tuning on your own captioned pictures."""

    folder: str | None = Field(
        None,
        description="your pictures with a .txt or .json beside each, or a metadata.jsonl as Hugging Face's imagefolder "
        "has; null = none, and the model itself is judged",
    )
    follow_links: bool = Field(False, description="whether what links out of the folder lead to is read too")
    held_out: float = Field(
        0.1, gt=0, le=0.5, description="share of the pictures that is not trained on, above 0 to 0.5"
    )
    rank: int = Field(16, ge=1, le=1024, description="of the LoRA adapter, 1 to 1024")
    steps: int = Field(500, ge=1, le=10_000_000, description="updates, 1 to 1e7")
    batch: int = Field(32, ge=2, le=4096, description="pictures a step, 2 to 4096")
    warmup: int = Field(20, ge=0, le=100_000, description="updates in which the rate rises, 0 to 1e5")


class SampleSection(Section):
    """How pictures are drawn."""

    sampler: Sampler = Field(
        "dpm++sde",
        description="the scheduler, from diffusers; karras = with Karras' noise levels, better from about ten steps; "
        "sde takes fresh noise at each step, and so does lcm, with which a student draws, in at most "
        f"{CONSISTENCY_STEPS} steps; the others take none",
    )
    steps: int = Field(20, ge=1, le=1000, description="steps of the sampler, 1 to 1000")
    guidance: float = Field(
        4.0, ge=1, le=50, description="weight of classifier-free guidance; 1 = none and half the evaluations, 1 to 50"
    )
    batch: int = Field(64, ge=1, le=4096, description="pictures drawn together, which changes none of them, 1 to 4096")
    mixed: bool = Field(
        False,
        description="whether the network multiplies in bfloat16 where the hardware does: faster, and then a picture "
        "does depend a little on those that are drawn with it",
    )

    @model_validator(mode="after")
    def _few_enough(self) -> SampleSection:
        if self.sampler == "lcm" and self.steps > CONSISTENCY_STEPS:
            raise ValueError(f"steps: lcm takes at most {CONSISTENCY_STEPS}, not {self.steps}")
        return self


class GuideSection(Section):
    """How CLIP guides."""

    strength: float = Field(
        0.4, ge=0, le=2, description="largest root mean square of the move at a step, of pictures in -1 to 1, 0 to 2"
    )
    moves: int = Field(1, ge=1, le=100, description="small moves that make the move of a step, 1 to 100")
    steps: int = Field(
        20, ge=1, le=500, description="of the sampler, where CLIP guides the teacher; twice as many unguided, 1 to 500"
    )
    draws: int = Field(
        8,
        ge=1,
        le=CONSISTENCY_STEPS,
        description=f"steps of the student, where CLIP guides it, 1 to {CONSISTENCY_STEPS}",
    )


class EvaluationSection(Section):
    """What is measured."""

    parts: Annotated[list[PartName], AfterValidator(different)] = Field(
        ["quality", "samplers", "student", "clip", "memory", "composition", "training"],
        min_length=1,
        description="which questions are answered",
    )
    families: Literal["test", "validation"] = Field(
        "test", description="whose names are drawn: the held-out 400, or the 214 on which settings are chosen"
    )
    prompts: int = Field(400, ge=16, le=400, description="held-out names that are drawn, 16 to 400")
    steps: Annotated[list[Annotated[int, Field(ge=1, le=1000)]], AfterValidator(different)] = Field(
        [4, 5, 10, 20], min_length=1, max_length=20, description="of the samplers that are compared, each 1 to 1000"
    )
    bootstrap: int = Field(1000, ge=100, le=1_000_000, description="resamples behind each interval, 100 to 1e6")
    repeats: int = Field(7, ge=3, le=1000, description="of each timing of the bench, 3 to 1000")


class DiffusionConfig(DemoConfig):
    """All settings of `diffusion`."""

    model: ModelSection = Field(default_factory=ModelSection, description="which model draws")
    train: TrainSection = Field(default_factory=TrainSection, description="the training of the teacher")
    student: StudentSection = Field(default_factory=StudentSection, description="the training of the student")
    own: OwnSection = Field(default_factory=OwnSection, description="fine-tuning on your own captioned pictures")
    sample: SampleSection = Field(default_factory=SampleSection, description="how pictures are drawn")
    guide: GuideSection = Field(default_factory=GuideSection, description="how CLIP guides")
    evaluation: EvaluationSection = Field(default_factory=EvaluationSection, description="what is measured")

    @model_validator(mode="after")
    def _student_of_this_teacher(self) -> DiffusionConfig:
        if self.model.name == "train" and self.student.name == "beside":
            raise ValueError("student.name: beside a teacher that is trained now there is none; train or none")
        if self.sample.sampler == "lcm" and 2 * self.guide.steps > CONSISTENCY_STEPS:
            raise ValueError(
                f"guide.steps: lcm takes at most {CONSISTENCY_STEPS}, and twice {self.guide.steps} are drawn"
            )
        if self.student.peer and self.student.name != "train":
            raise ValueError(f"student.peer: is trained beside a student, and student.name is {self.student.name}")
        return self

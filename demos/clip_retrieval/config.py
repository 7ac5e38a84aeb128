"""The typed config of `clip_retrieval`: every field with unit, range and a sentence.

trendlab config clip_retrieval
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from shared.config import DemoConfig, Section, different

TEXT_WIDTH = 384  # of MiniLM
Fold = Annotated[int, Field(ge=0, le=2)]
Caption = Literal["name", "tags", "subgroup"]
BenchPart = Literal["training", "search", "query"]
Peer = Literal["pixels", "hog", "efficientnet", "both", "oracle"]


class DataSection(Section):
    """Whose pictures are judged."""

    corpus: str | None = Field(
        None,
        description="your captioned pictures: a folder, a Hugging Face imagefolder or webdataset tars, as --corpus of "
        "`trendlab search` takes; null = the embedded OpenMoji",
    )
    follow_links: bool = Field(False, description="whether what links out of data.corpus lead to is read too")
    classes: str | None = Field(
        None,
        description="fact of your pictures that is their class, for zero-shot: `folder`, or a name in their metadata; "
        "null = no zero-shot. Only with data.corpus",
    )
    prompt: str = Field(
        "a photo of a {}", pattern=r"^[^{}]*\{\}[^{}]*$", description="text of a class in zero-shot; {} is its name"
    )

    @model_validator(mode="after")
    def _classes_of_a_corpus(self) -> DataSection:
        if self.classes is not None and self.corpus is None:
            raise ValueError("classes is a fact of your own pictures; give data.corpus too")
        return self


class SplitSection(Section):
    """How the embedded corpus is divided; by families of pictures, never by rows."""

    seed: int = Field(0, ge=0, description="orders the families before they are dealt out, from 0")
    folds: Annotated[list[Fold], AfterValidator(different)] = Field(
        [0, 1, 2],
        min_length=1,
        max_length=3,
        description="test folds to train and test on, of three disjoint ones with 400 families each",
    )
    compositional: bool = Field(
        True,
        description="whether a further model is trained without some combinations of role, gender and skin tone and "
        "asked for those; only with model.name=train",
    )


class ModelSection(Section):
    """Which CLIP."""

    name: str = Field(
        "shipped",
        description="shipped = the weights beside this demo; train = train now; local-dir:PATH = a folder with "
        "open_clip_config.json, or a tower file as training writes one; pretrained:ARCHITECTURE/TAG = a real "
        "checkpoint through open_clip, such as pretrained:ViT-B-32/laion2b_s34b_b79k",
    )
    image_tower: str = Field("resnet10t", description="timm architecture of the image tower that is trained")
    size: int = Field(64, ge=32, le=512, description="side of the pictures it sees [pixels], 32 to 512")
    dimension: int = Field(384, ge=16, le=2048, description="length of the vectors of the trained model, 16 to 2048")


class LossSection(Section):
    """What is minimised in training."""

    kind: Literal["clip", "siglip", "multipositive", "multipositive-siglip"] = Field(
        "multipositive",
        description="clip and siglip are open_clip's own; multipositive is clip, multipositive-siglip siglip, where "
        "pictures that share a caption are positives of each other",
    )
    batch: float = Field(
        1.0, ge=0, le=100, description="weight of the loss within the batch, which `kind` names, 0 to 100"
    )
    bank: float = Field(
        1.0, ge=0, le=100, description="weight of telling the caption among those of the whole training set, 0 to 100"
    )
    subgroup: float = Field(
        0.5, ge=0, le=100, description="weight of the subgroup among the captions of the bank, 0 to 100"
    )
    regression: float = Field(
        10.0, ge=0, le=100, description="weight of 1 - cosine to the text of name and tags, 0 to 100"
    )


class TrainSection(Section):
    """The schedule."""

    epochs: int = Field(12, ge=1, le=10_000, description="passes over the base emoji of the training part, 1 to 10000")
    batch: int = Field(32, ge=8, le=4096, description="pictures a step, 8 to 4096")
    optimizer: Literal["muon", "adamw"] = Field("muon", description="the optimizer, from timm")
    learning_rate: float = Field(3e-3, gt=0, le=1, description="peak, above 0 to 1")
    weight_decay: float = Field(1.0, ge=0, le=10, description="0 to 10; not on gains and biases")
    warmup: float = Field(0.05, ge=0, le=0.5, description="share of the steps in which the rate rises, 0 to 0.5")
    projection: bool = Field(
        False,
        description="whether the linear map behind the text tower learns, or stays the whitening it starts as",
    )
    captions: Annotated[list[Caption], AfterValidator(different)] = Field(
        ["name", "tags", "subgroup"], min_length=1, description="which captions of a picture are its positives"
    )
    skin_tones: float = Field(
        0.3, ge=0, le=1, description="share of the draws of a base emoji that take one of its skin tones, 0 to 1"
    )
    text_layers: int = Field(
        0,
        ge=0,
        le=6,
        description="layers of the text tower, from its end, that the first stage trains too; 0 = locked (LiT)",
    )


class AugmentSection(Section):
    """How training pictures vary as pixels; no mirror and no change of hue, since words name sides and colours."""

    rotation: float = Field(4.0, ge=0, le=180, description="largest turn either way [degrees], 0 to 180")
    zoom: float = Field(0.06, ge=0, le=1, description="largest change of size, natural logarithm, 0 to 1")
    shear: float = Field(0.02, ge=0, le=1, description="largest shear and change of aspect, 0 to 1")
    shift: float = Field(0.025, ge=0, le=0.5, description="largest shift, share of the side, 0 to 0.5")
    contrast: float = Field(
        0.1, ge=0, le=1, description="largest loss of contrast towards white, of each colour by itself, 0 to 1"
    )
    mixup: float = Field(0.2, ge=0, le=10, description="parameter of the Beta law by which two are mixed; 0 = none")


class VectorSection(Section):
    """How training pictures vary where they are drawn, as SVG."""

    count: int = Field(8, ge=0, le=64, description="variants of each neutral picture; 0 = none, 0 to 64")
    share: float = Field(1.0, ge=0, le=1, description="share of the draws that take a variant, 0 to 1")
    stroke: float = Field(0.6, ge=0, le=2, description="largest change of line width, natural logarithm, 0 to 2")
    left_out: float = Field(0.08, ge=0, le=0.5, description="mean share of shapes left out, 0 to 0.5")
    fills_alone: float = Field(0.12, ge=0, le=0.5, description="share of variants without outlines, 0 to 0.5")
    lines_alone: float = Field(0.1, ge=0, le=0.5, description="share of variants without fills, 0 to 0.5")
    least_ink: float = Field(
        0.4, ge=0, le=1, description="a variant that keeps less of what is not white is the picture itself, 0 to 1"
    )


class CompositeSection(Section):
    """Pictures without a name, made of the shapes of training pictures."""

    count: int = Field(60_000, ge=0, le=10_000_000, description="how many are made; 0 = none, 0 to 1e7")
    pairs: float = Field(0.55, ge=0, le=1, description="share made of two pictures, not of one, 0 to 1")
    recoloured: float = Field(0.6, ge=0, le=1, description="share of their parts in other colours, 0 to 1")


class TeacherSection(Section):
    """A kernel machine on HOG and colours that the tower learns from, beside the captions."""

    weight: float = Field(
        30.0, ge=0, le=1000, description="weight of 1 - cosine to what it says; 0 = no teacher, 0 to 1000"
    )
    gamma: float = Field(4.0, gt=0, le=100, description="of exp(-gamma d² / median d²), above 0 to 100")
    ridge: float = Field(0.03, gt=0, le=100, description="of kernel ridge regression, above 0 to 100")
    folds: int = Field(5, ge=2, le=20, description="it is asked about pictures of folds it did not train on, 2 to 20")


class DistilSection(Section):
    """The second stage: a kernel machine on what the tower sees, and on HOG and colours, is what the tower becomes."""

    epochs: int = Field(3, ge=0, le=1000, description="passes over all pictures; 0 = no second stage, 0 to 1000")
    head_epochs: int = Field(4, ge=1, le=1000, description="passes of the new head alone before, 1 to 1000")
    batch: int = Field(128, ge=8, le=4096, description="pictures a step, 8 to 4096")
    tone_repeats: int = Field(
        10, ge=0, le=1000, description="times a pass shows each picture with a skin tone, 0 to 1000"
    )
    learning_rate: float = Field(1e-3, gt=0, le=1, description="peak of the whole tower's, above 0 to 1")
    weight_decay: float = Field(0.1, ge=0, le=10, description="0 to 10; not on gains and biases")
    shapes: float = Field(
        0.7, ge=0, le=1, description="share of HOG and colours in the squared distance, the tower has the rest, 0 to 1"
    )
    gamma: float = Field(4.0, gt=0, le=100, description="of exp(-gamma d² / median d²), above 0 to 100")
    ridge: float = Field(0.3, gt=0, le=100, description="of kernel ridge regression, above 0 to 100")
    surest: float = Field(
        2.0, ge=1, le=100, description="largest weight of a picture, in those of the median one, 1 to 100"
    )


class EvaluationSection(Section):
    """What is measured."""

    peers: Annotated[list[Peer], AfterValidator(different)] = Field(
        ["pixels", "hog", "efficientnet", "both", "oracle"], description="whom the trained model is compared with"
    )
    bootstrap: int = Field(10_000, ge=100, le=1_000_000, description="resamples behind each interval, 100 to 1e6")


class BenchSection(Section):
    """What `trendlab bench` times."""

    parts: Annotated[list[BenchPart], AfterValidator(different)] = Field(
        ["training", "search", "query"], min_length=1, description="what is timed"
    )
    steps: int = Field(12, ge=1, le=1000, description="training steps in one timing, 1 to 1000")
    rounds: int = Field(7, ge=3, le=100, description="timings of each loop, in turns, 3 to 100")
    seeds: int = Field(2, ge=1, le=10, description="seeds over which the losses of the loops are compared, 1 to 10")
    loss_steps: int = Field(28, ge=4, le=10_000, description="training steps to the compared loss, 4 to 10000")
    compile: bool = Field(False, description="add a row with torch.compile; compiling takes minutes on a CPU")
    rows: int = Field(100_000, ge=1000, le=10_000_000, description="vectors that are searched, 1000 to 1e7")
    dimension: int = Field(256, ge=8, le=384, description="their length: leading principal axes of ours, 8 to 384")
    approximate_rows: int = Field(
        200_000, ge=0, le=10_000_000, description="vectors under the approximate indexes; 0 = leave them out"
    )
    threads: int = Field(1, ge=1, le=256, description="threads of everyone in the search, 1 to 256")
    repeats: int = Field(9, ge=3, le=1000, description="timings of each search, in turns, 3 to 1000")


class ClipConfig(DemoConfig):
    """Train or load a CLIP, index pictures, search them with words, judge the answers."""

    data: DataSection = Field(DataSection(), description="whose pictures are judged")
    split: SplitSection = Field(SplitSection(), description="training, validation and test families")
    model: ModelSection = Field(ModelSection(), description="which CLIP")
    loss: LossSection = Field(LossSection(), description="what is minimised")
    train: TrainSection = Field(TrainSection(), description="the schedule")
    augment: AugmentSection = Field(AugmentSection(), description="how training pictures vary as pixels")
    vector: VectorSection = Field(VectorSection(), description="how training pictures vary as drawings")
    composite: CompositeSection = Field(CompositeSection(), description="pictures made of the shapes of others")
    teacher: TeacherSection = Field(TeacherSection(), description="whom the tower learns from beside the captions")
    distil: DistilSection = Field(DistilSection(), description="the second stage of training")
    evaluation: EvaluationSection = Field(EvaluationSection(), description="what is measured")
    bench: BenchSection = Field(BenchSection(), description="what is timed")

    @model_validator(mode="after")
    def _known_model(self) -> ClipConfig:
        name = self.model.name
        if name not in ("shipped", "train") and not name.startswith(("local-dir:", "pretrained:")):
            raise ValueError(f"model.name is {name!r}; allowed: shipped, train, local-dir:FOLDER, pretrained:NAME/TAG")
        if name == "train" and self.data.corpus is not None:
            raise ValueError(
                "model.name=train with data.corpus: training on your own pictures is not offered; judge them with "
                "model.name=shipped, local-dir:FOLDER or pretrained:NAME/TAG"
            )
        if self.train.text_layers and (self.loss.bank or self.teacher.weight):
            raise ValueError(
                "loss.bank and teacher.weight must be 0 where train.text_layers is not: both know the texts from before"
            )
        if self.model.dimension != TEXT_WIDTH and not self.train.projection:
            raise ValueError(
                f"model.dimension other than {TEXT_WIDTH}, the width of the text tower, needs train.projection=true: "
                "the map between them starts at random"
            )
        return self

"""The typed config of `coevolution`. Shown by `trendlab config coevolution`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from shared.config import DemoConfig, Section, different

ChapterName = Literal["texts", "down", "deploy", "cascade", "up", "weak", "link", "participants", "pictures"]
LargeName = Literal["MiniLM", "MPNet"]
StudentName = Literal["edge", "device"]
Policy = Literal["random", "hard", "diverse", "states", "pseudo-labels", "shuffled", "coin"]
SHARES_OFF = 1e-3
Rate = Annotated[float, Field(gt=0, le=1)]
Steps = Annotated[int, Field(ge=1, le=100_000)]


class CourseSection(Section):
    """How one model is trained."""

    steps: Steps = Field(description="Steps of its training. From 1 to 100000.")
    batch: int = Field(default=32, ge=1, le=4096, description="Texts in a step. From 1 to 4096.")
    rate: Rate = Field(description="Highest learning rate. Above 0, at most 1.")


class TaughtSection(CourseSection):
    """How one is trained that learns from a teacher's answers."""

    temperature: float = Field(default=2.0, ge=0.1, le=20, description="Of a teacher's answers. From 0.1 to 20.")


class EdgeSection(TaughtSection):
    """How one is trained whose states are as wide as its teacher's."""

    state_weight: float = Field(
        default=0.0, ge=0, le=1000, description="Of the loss by the teacher's states; 0 without. From 0 to 1000."
    )


class ModelsSection(Section):
    """The models that all chapters begin with, trained at home."""

    source: Literal["trained", "shipped"] = Field(
        default="trained", description="Trained anew, or those of this repository, which are one seed."
    )
    seeds: int = Field(
        default=3, ge=1, le=100, description="Repeats, each with its own labelled texts and start. From 1 to 100."
    )
    large: LargeName = Field(
        default="MiniLM", description="The large model before its training; MPNet, of 110 million numbers, for a GPU."
    )
    labelled: int = Field(default=2100, ge=50, le=6000, description="Labelled texts at home. From 50 to 6000.")
    unlabelled: int | None = Field(
        default=None, ge=50, description="Most unlabelled texts of a scene; null: all. An integer from 50, or null."
    )
    test: int | None = Field(
        default=None,
        ge=50,
        description="Most texts of a scene that test, and that calibrate; null: all. An integer from 50, or null.",
    )
    stretches: int = Field(
        default=3,
        ge=0,
        le=20,
        description="Stretches cut from each text, of which the device's model learns too. From 0 to 20.",
    )
    cloud: CourseSection = Field(
        default=CourseSection(steps=200, rate=5e-5), description="The large model, on the labels."
    )
    edge: EdgeSection = Field(
        default=EdgeSection(steps=1000, rate=3e-4, state_weight=5.0), description="Two of its layers."
    )
    device: TaughtSection = Field(
        default=TaughtSection(steps=3200, batch=64, rate=3e-3), description="Vectors of word pieces."
    )
    upper_layers: int = Field(
        default=2, ge=1, le=5, description="Last layers of the large model that learn from feedback. From 1 to 5."
    )


class DownSection(Section):
    """What the large model hands to the small ones."""

    students: Annotated[list[StudentName], AfterValidator(different)] = Field(
        default=["edge", "device"], min_length=1, description="Small models that are trained."
    )


class UpSection(Section):
    """What the small models send to the large one."""

    seeds: int = Field(
        default=10, ge=2, le=100, description="Streams, each with its own texts, raters and lots. From 2 to 100."
    )
    whole: int = Field(
        default=3, ge=0, le=100, description="Streams that are tested after each round, not the last. From 0 to 100."
    )
    policies: Annotated[list[Policy], AfterValidator(different)] = Field(
        default=["random", "hard", "diverse", "states", "pseudo-labels", "shuffled"],
        min_length=1,
        description="Who is sent up, and as what; the first is what the others are compared with.",
    )
    rounds: int = Field(default=6, ge=1, le=50, description="From 1 to 50.")
    stream: int = Field(default=1000, ge=10, le=5000, description="Texts that come in a round. From 10 to 5000.")
    uploads: int = Field(default=100, ge=1, le=1000, description="Of these, sent up and rated. From 1 to 1000.")
    asked: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="Share of what calibrates that would go up as a question, the least sure. From 0 to 1.",
    )
    shares: dict[Literal["product", "editorial", "tweet"], Annotated[float, Field(ge=0, le=1)]] = Field(
        default={"product": 1 / 3, "editorial": 1 / 3, "tweet": 1 / 3},
        description="Share of each new scene in a round, from 0 to 1.",
    )
    replay: int = Field(
        default=1200,
        ge=0,
        le=6000,
        description="Texts at home that the large model sees again. From 0 to 6000.",
    )
    rehearsed: int = Field(
        default=800,
        ge=0,
        le=10000,
        description="Texts at home that the small model sees again. From 0 to 10000.",
    )
    tolerated: float = Field(
        default=1.0,
        ge=0,
        le=100,
        description="Points that a new scene may lose for a version to go out. From 0 to 100.",
    )
    tolerated_at_home: float = Field(
        default=0.5, ge=0, le=100, description="Points that home may lose for a version to go out. From 0 to 100."
    )
    cloud: CourseSection = Field(
        default=CourseSection(steps=40, rate=1.5e-4), description="The large model's last layers, in a round."
    )
    device: TaughtSection = Field(
        default=TaughtSection(steps=300, batch=64, rate=1e-3), description="The device's model, in a round."
    )


class LinkSection(Section):
    """Cloud and device in two processes."""

    kilobits: Annotated[list[Annotated[float, Field(ge=1, le=1e7)]], AfterValidator(different)] = Field(
        default=[8, 32, 128, 1000, 10000], min_length=1, description="Rates of the link [kbit/s]. From 1 to 1e7."
    )
    texts: int = Field(default=200, ge=10, le=1500, description="Texts that are answered. From 10 to 1500.")
    share: float = Field(
        default=0.1, gt=0, le=1, description="Share of a core that the device has. Above 0, at most 1."
    )


class ParticipantsSection(Section):
    """More devices, each with a scene and a budget of its own."""

    seeds: int = Field(default=3, ge=2, le=100, description="Streams. From 2 to 100.")
    devices: Annotated[list[Annotated[int, Field(ge=1, le=64)]], AfterValidator(different)] = Field(
        default=[1, 2, 4, 8], min_length=1, description="Devices that take part. From 1 to 64."
    )
    rounds: int = Field(default=4, ge=1, le=50, description="From 1 to 50.")
    stream: int = Field(
        default=125, ge=5, le=5000, description="Texts that come to a device in a round. From 5 to 5000."
    )
    uploads: int = Field(default=12, ge=1, le=1000, description="Of these, sent up and rated. From 1 to 1000.")
    device: CourseSection = Field(
        default=CourseSection(steps=40, rate=3e-3), description="A device with its own words, between two averages."
    )


class WeakSection(Section):
    """The way up without labels: devices teach the large model."""

    seeds: int = Field(default=3, ge=2, le=100, description="Streams. From 2 to 100.")
    texts: int = Field(default=1500, ge=30, le=6000, description="Texts of new scenes. From 30 to 6000.")
    words: int = Field(
        default=60, ge=4, le=1000, description="Words of people that each device adapts by. From 4 to 1000."
    )
    own_share: float = Field(
        default=0.5, ge=0, le=1, description="Of a target that is the large model's own answer. From 0 to 1."
    )
    cloud: CourseSection = Field(
        default=CourseSection(steps=90, rate=1e-4), description="The large model's last layers."
    )
    device: CourseSection = Field(default=CourseSection(steps=40, rate=1e-3), description="A device, to its scene.")


class PicturesSection(Section):
    """The same loop on pictures: digits, in scenes that are simulated."""

    seeds: int = Field(default=3, ge=2, le=100, description="Streams, each with models of its own. From 2 to 100.")
    labelled: int = Field(default=400, ge=20, le=1000, description="Labelled pictures at home. From 20 to 1000.")
    wrong: float = Field(
        default=0.1, ge=0, le=1, description="How often the simulated person names another digit. From 0 to 1."
    )
    policies: Annotated[list[Policy], AfterValidator(different)] = Field(
        default=["random", "hard", "shuffled"],
        min_length=1,
        description="How it is chosen who is sent up; the first is what the others are compared with.",
    )
    rounds: int = Field(default=4, ge=1, le=10, description="From 1 to 10.")
    stream: int = Field(default=360, ge=30, le=1500, description="Pictures that come in a round. From 30 to 1500.")
    uploads: int = Field(default=60, ge=1, le=500, description="Of these, sent up and named. From 1 to 500.")
    cloud: CourseSection = Field(
        default=CourseSection(steps=200, batch=64, rate=1e-3), description="The large model, at home."
    )
    device: TaughtSection = Field(
        default=TaughtSection(steps=600, batch=64, rate=2e-3), description="The device's model, at home."
    )
    cloud_again: CourseSection = Field(
        default=CourseSection(steps=60, batch=64, rate=3e-4), description="The large model, in a round."
    )
    device_again: TaughtSection = Field(
        default=TaughtSection(steps=200, batch=64, rate=1e-3), description="The device's model, in a round."
    )


class OwnSection(Section):
    """Your own texts in the place of those of the demo: the way down, files, and who answers."""

    csv: Path | None = Field(default=None, description="A CSV in UTF-8, its first row the names of its columns.")
    checkpoint: Path | None = Field(
        default=None, description="Folder of a checkpoint of transformers, BERT's kind, in the place of MiniLM."
    )
    text: str = Field(default="text", min_length=1, description="Its column of texts.")
    label: str = Field(
        default="label", min_length=1, description="Its column of labels: positive or negative, 1 or 0, or nothing."
    )


class CoevolutionConfig(DemoConfig):
    """All of `coevolution`."""

    chapters: Annotated[list[ChapterName], AfterValidator(different)] = Field(
        default=["texts", "down", "deploy", "cascade", "up", "weak", "link", "participants", "pictures"],
        min_length=1,
        description="Chapters of the report, in order.",
    )
    models: ModelsSection = Field(default=ModelsSection(), description="The models, before anything is sent up.")
    down: DownSection = Field(default=DownSection(), description="From the large model to the small ones.")
    up: UpSection = Field(default=UpSection(), description="From the small models to the large one.")
    link: LinkSection = Field(default=LinkSection(), description="Cloud and device in two processes.")
    participants: ParticipantsSection = Field(default=ParticipantsSection(), description="More devices.")
    weak: WeakSection = Field(default=WeakSection(), description="The way up without labels.")
    pictures: PicturesSection = Field(default=PicturesSection(), description="The same loop on pictures.")
    own: OwnSection = Field(default=OwnSection(), description="Your own texts.")

    @model_validator(mode="after")
    def _shipped_are_one(self) -> Self:
        if self.models.source == "shipped" and self.models.seeds != 1:
            raise ValueError("models.source=shipped goes with models.seeds=1: one of each is shipped")
        if self.models.source == "shipped" and self.models.large != "MiniLM":
            raise ValueError("models.source=shipped goes with models.large=MiniLM, of which one is shipped")
        if self.models.source == "shipped" and "down" in self.chapters:
            raise ValueError("models.source=shipped has no chapter down, which trains")
        if self.own.checkpoint is not None and self.own.csv is None:
            raise ValueError("own.checkpoint goes with own.csv, the texts that it learns from")
        if self.own.csv is not None and self.models.large != "MiniLM":
            raise ValueError("own.csv takes another large model by own.checkpoint, not by models.large")
        if self.up.uploads > self.up.stream:
            raise ValueError("up.uploads must not be more than up.stream")
        if abs(sum(self.up.shares.values()) - 1) > SHARES_OFF:
            raise ValueError("up.shares must sum to 1")
        if "down" in self.chapters and self.models.seeds < 2:
            raise ValueError("the chapter down needs models.seeds of 2 or more, for its intervals")
        return self

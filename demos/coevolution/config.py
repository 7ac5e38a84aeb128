"""The typed config of `coevolution`. Shown by `trendlab config coevolution`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from shared.config import DemoConfig, Section, different

ChapterName = Literal["texts", "down"]
StudentName = Literal["edge", "device"]
Rate = Annotated[float, Field(gt=0, le=1)]
Steps = Annotated[int, Field(ge=1, le=100_000)]


class CourseSection(Section):
    """How one model is trained."""

    steps: Steps = Field(description="Steps of its training. From 1 to 100000.")
    batch: int = Field(default=32, ge=1, le=4096, description="Texts in a step. From 1 to 4096.")
    rate: Rate = Field(description="Highest learning rate. Above 0, at most 1.")
    temperature: float = Field(default=2.0, ge=0.1, le=20, description="Of a teacher's answers. From 0.1 to 20.")
    state_weight: float = Field(
        default=0.0, ge=0, le=1000, description="Of the loss by the teacher's states; 0 without. From 0 to 1000."
    )


class DownSection(Section):
    """What the large model hands to the small ones."""

    seeds: int = Field(
        default=3, ge=2, le=100, description="Repeats, each with its own labelled texts and start. From 2 to 100."
    )
    labelled: int = Field(default=2100, ge=50, le=6000, description="Labelled texts at home. From 50 to 6000.")
    unlabelled: int | None = Field(
        default=None, ge=50, description="Most unlabelled texts of a scene; null: all. An integer from 50, or null."
    )
    test: int | None = Field(
        default=None, ge=50, description="Most texts of a scene that test; null: all. An integer from 50, or null."
    )
    students: Annotated[list[StudentName], AfterValidator(different)] = Field(
        default=["edge", "device"], min_length=1, description="Small models that are trained."
    )
    cloud: CourseSection = Field(
        default=CourseSection(steps=200, rate=5e-5), description="The large model, on the labels."
    )
    edge: CourseSection = Field(
        default=CourseSection(steps=800, rate=1e-4, state_weight=5.0), description="Two of its layers."
    )
    device: CourseSection = Field(
        default=CourseSection(steps=1600, batch=64, rate=3e-3), description="Vectors of word pieces."
    )


class CoevolutionConfig(DemoConfig):
    """All of `coevolution`."""

    chapters: Annotated[list[ChapterName], AfterValidator(different)] = Field(
        default=["texts", "down"], min_length=1, description="Chapters of the report, in order."
    )
    down: DownSection = Field(default=DownSection(), description="From the large model to the small ones.")

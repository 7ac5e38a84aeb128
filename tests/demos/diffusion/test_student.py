"""The student: what it is taught leads where its teacher went, and its adapter says the same when it is read back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator

from demos.diffusion.config import DiffusionConfig, SampleSection, StudentSection
from demos.diffusion.model.build import STUDENT, opened, with_student
from demos.diffusion.model.pipeline import PictogramPipeline, picture_of
from demos.diffusion.model.schedulers import scheduler_of
from demos.diffusion.sampling.draw import draw
from demos.diffusion.training import train_student as module
from demos.diffusion.training.captions import Captions
from demos.diffusion.training.consistency import ConsistencyObjective
from demos.diffusion.training.distil import StudentObjective, add_adapter, equal_updates
from demos.diffusion.training.lessons import Lessons, lessons
from demos.diffusion.training.train_student import train_student
from shared.device import precision
from shared.errors import UserError
from shared.openmoji.records import Emoji
from shared.seed import generator

SETTINGS = StudentSection(steps=3, batch=4, draws=4, teacher=2, lessons=16, rank=4, warmup=1)


def taught(
    pipeline: PictogramPipeline, emojis: list[Emoji], settings: StudentSection = SETTINGS, folder: Path | None = None
) -> tuple[Lessons, Captions]:
    captions = Captions(pipeline, emojis, generator(0, "tags"))
    odds = np.full(len(emojis), 1 / len(emojis))
    return lessons(pipeline, captions, odds, settings, tags=0.4, seed=5, folder=folder), captions


def test_the_lessons_are_the_teachers_own_way(tiny_pipeline: PictogramPipeline, some_emojis: list[Emoji]) -> None:
    learned, captions = taught(tiny_pipeline, some_emojis)
    assert learned.states.shape == (16, 5, 48, 8, 8)
    assert learned.times.tolist() == [999, 749, 499, 249]
    sampler = scheduler_of("ddim", tiny_pipeline.scheduler)
    sampler.set_timesteps(4)
    assert learned.times.tolist() == sampler.timesteps.tolist()
    assert learned.signal[0] < 1e-6
    assert learned.signal[-1] == 1
    tiny_pipeline.scheduler = scheduler_of("dpm++", tiny_pipeline.scheduler)
    number = 3
    tiny_pipeline.mixed = precision("cpu") == "bf16"
    expected = tiny_pipeline(
        captions.texts[learned.texts[number]],
        8,
        SETTINGS.guidance,
        torch.Generator().manual_seed(5 + number),
        output_type="np",
    ).images[0]
    last = torch.from_numpy(learned.states[number, -1].astype(np.float32))
    found = torch.nn.functional.pixel_shuffle(last, 4).permute(1, 2, 0).clamp(-1, 1).numpy() / 2 + 0.5
    # Kept in half precision.
    assert np.abs(found - expected).mean() < 0.02


def test_the_picture_that_is_taught_leads_to_the_end_of_the_part(
    tiny_pipeline: PictogramPipeline, some_emojis: list[Emoji]
) -> None:
    learned, captions = taught(tiny_pipeline, some_emojis)
    objective = StudentObjective(learned, captions, SETTINGS, 0)
    sampler = scheduler_of("ddim", tiny_pipeline.scheduler)
    sampler.set_timesteps(4)
    rows = np.arange(16)
    for part, time in enumerate(sampler.timesteps):
        begins, picture = objective.lesson(rows, np.full(16, part))
        ends = sampler.step(picture, time, begins).prev_sample
        wanted = torch.from_numpy(learned.states[:, part + 1].astype(np.float32))
        inside = picture.abs() < 1 - 1e-4
        # What leads beyond black and white is cut, as it is when the student draws.
        assert inside.float().mean() > 0.3
        torch.testing.assert_close(ends[inside], wanted[inside], atol=1e-5, rtol=1e-5)


def test_lessons_go_on_after_a_stop(
    tiny_pipeline: PictogramPipeline, some_emojis: list[Emoji], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demos.diffusion.training.lessons.BATCH", 4)
    whole, captions = taught(tiny_pipeline, some_emojis)

    def stopped(_: str, batches: Iterable[int]) -> Iterator[int]:
        for number, batch in enumerate(batches):
            if number == 2:
                raise KeyboardInterrupt
            yield batch

    odds = np.full(len(some_emojis), 1 / len(some_emojis))
    with pytest.raises(KeyboardInterrupt):
        lessons(tiny_pipeline, captions, odds, SETTINGS, tags=0.4, seed=5, folder=tmp_path, track=stopped)
    assert sorted(file.name for file in tmp_path.glob("*/*")) == ["0.npy", "4.npy"]
    again, _ = taught(tiny_pipeline, some_emojis, folder=tmp_path)
    assert (again.states == whole.states).all()


def test_an_adapter_begins_without_effect_and_alone_is_trained(
    tiny_pipeline: PictogramPipeline, some_emojis: list[Emoji]
) -> None:
    learned, captions = taught(tiny_pipeline, some_emojis)
    objective, accelerator = (
        StudentObjective(learned, captions, SETTINGS, 0),
        Accelerator(cpu=True, mixed_precision=precision("cpu")),
    )
    unet = tiny_pipeline.unet
    before = float(objective(unet, 0, accelerator).detach())
    add_adapter(unet, 4)
    assert float(objective(unet, 0, accelerator).detach()) == pytest.approx(before, rel=1e-5)
    trained = {name for name, weight in unet.named_parameters() if weight.requires_grad}
    assert trained == {name for name, _ in unet.named_parameters() if "lora" in name}
    adapted = {name.split(".lora_")[0] for name in trained}
    mixing = {
        name.replace(".base_layer", "")
        for name, part in unet.named_modules()
        if isinstance(part, torch.nn.Linear | torch.nn.Conv2d) and "lora" not in name
    }
    assert adapted == mixing


def test_a_student_is_read_back_as_it_was_trained(
    tiny_pipeline: PictogramPipeline,
    tiny_config: DiffusionConfig,
    some_emojis: list[Emoji],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "training_records", lambda: np.arange(len(some_emojis)))
    monkeypatch.setattr(module, "records", lambda: some_emojis)
    monkeypatch.setattr(module, "checkpoint_file", lambda *_, **__: tmp_path / "state.pt")
    folder = tmp_path / "pipeline"
    tiny_pipeline.save_pretrained(folder)
    before = {name: tensor.clone() for name, tensor in tiny_pipeline.unet.state_dict().items()}
    sample = tiny_config.sample.model_copy(update={"sampler": "ddim", "guidance": 1.0})
    with pytest.raises(UserError, match="no student"):
        with_student(tiny_pipeline, folder)
    config = tiny_config.model_copy(update={"student": SETTINGS.model_copy(update={"steps": 20})})
    found = train_student(tiny_pipeline, config, folder, "a teacher")
    assert all(torch.equal(tensor, before[name]) for name, tensor in tiny_pipeline.unet.state_dict().items())
    teachers = draw(tiny_pipeline, ["dog"], [0], sample)
    students = draw(found.pipeline, ["dog"], [0], sample)
    assert (teachers != students).any()
    again = with_student(opened(folder), folder)
    assert not [name for name in again.unet.state_dict() if "lora" in name]
    assert np.abs(draw(again, ["dog"], [0], sample).astype(int) - students).max() <= 1
    assert (tmp_path / "state.lessons").is_dir()
    found.forget()
    assert [file.name for file in tmp_path.iterdir()] == ["pipeline"]
    weights = next((folder / STUDENT).glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(UserError, match="cannot be opened as a student"):
        with_student(tiny_pipeline, folder)


class Sure(torch.nn.Module):
    """A network that always means the same picture."""

    def __init__(self, pipeline: PictogramPipeline) -> None:
        super().__init__()
        self.config, self.dtype, self.device = pipeline.unet.config, torch.float32, torch.device("cpu")
        self.kept = pipeline.scheduler.alphas_cumprod
        self.picture = torch.linspace(-0.8, 0.8, 48 * 64).reshape(1, 48, 8, 8)
        self.looks = 0

    def forward(self, state: torch.Tensor, time: torch.Tensor, **_: torch.Tensor) -> object:
        self.looks += len(state)
        kept = self.kept[time.long()].reshape(-1, 1, 1, 1)
        # Linear in the answer: from two answers, the one that means the picture.
        none, one = (picture_of(torch.full_like(state, value), state, kept) for value in (0.0, 1.0))
        return type("Answer", (), {"sample": (self.picture - none) / (one - none)})


def test_a_consistency_model_that_is_sure_has_nothing_to_learn(
    tiny_pipeline: PictogramPipeline, some_emojis: list[Emoji], some_pictures: np.ndarray
) -> None:
    sure = Sure(tiny_pipeline)
    tiny_pipeline.unet, accelerator = sure, Accelerator(cpu=True, mixed_precision=precision("cpu"))
    captions = Captions(tiny_pipeline, some_emojis, generator(0, "tags"))
    odds = np.full(len(some_emojis), 1 / len(some_emojis))
    objective = ConsistencyObjective(tiny_pipeline, some_pictures, captions, odds, SETTINGS, tags=0.4, seed=0)
    losses = [float(objective(sure, step, accelerator)) for step in range(8)]
    # At the earliest time of all the state itself is the answer, and it is no part of what the network is sure of.
    assert np.median(losses) < 0.02
    assert sure.looks == 8 * SETTINGS.batch * 4  # the teacher twice, the target, the student
    sure.picture = -sure.picture
    other = Sure(tiny_pipeline)
    assert float(objective(other, 0, accelerator)) < 0.02  # the student alone is asked at both times
    made = draw(tiny_pipeline, ["dog"], [0], SampleSection(steps=4, guidance=1.0).model_copy(update={"sampler": "lcm"}))
    expected = (torch.nn.functional.pixel_shuffle(sure.picture, 4)[0].permute(1, 2, 0).numpy() + 1) * 127.5
    assert np.abs(made[0] - expected).max() < 2


def test_the_peer_has_as_many_evaluations() -> None:
    settings = StudentSection(steps=100, batch=8, draws=4, teacher=6, lessons=64, guidance=4.0)
    ours = 64 * 24 * 2 + 3 * 100 * 8
    assert equal_updates(settings) * 6 * 8 == pytest.approx(ours, rel=0.02)

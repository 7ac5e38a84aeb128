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
from demos.diffusion.training.lessons import Lessons, School
from demos.diffusion.training.train_student import train_student
from shared.device import precision
from shared.errors import UserError
from shared.openmoji.records import Emoji
from shared.seed import generator

SETTINGS = StudentSection(steps=3, batch=4, draws=4, teacher=2, lessons=16, rank=4, warmup=1)


def school(pipeline: PictogramPipeline, emojis: list[Emoji], settings: StudentSection = SETTINGS) -> School:
    captions = Captions(pipeline, emojis, generator(0, "tags"))
    return School(pipeline, captions, np.full(len(emojis), 1 / len(emojis)), settings, tags=0.4, seed=5)


def objective_of(pipeline: PictogramPipeline, emojis: list[Emoji], learned: Lessons) -> StudentObjective:
    captions = Captions(pipeline, emojis, generator(0, "tags"))
    return StudentObjective(learned, captions, SETTINGS, 0, lambda lessons, _: lessons)


def states_of(pipeline: PictogramPipeline, prompt: str, steps: int, guidance: float, seed: int) -> list[torch.Tensor]:
    """Where the pipeline is after each step."""
    found: list[torch.Tensor] = []
    noise = torch.Generator().manual_seed(seed)
    pipeline(prompt, steps, guidance, noise, callback_on_step_end=lambda *told: found.append(told[3]["latents"][0]))
    return found


def test_the_lessons_are_the_teachers_own_way(tiny_pipeline: PictogramPipeline, some_emojis: list[Emoji]) -> None:
    learned = school(tiny_pipeline, some_emojis).first()
    captions = Captions(tiny_pipeline, some_emojis, generator(0, "tags"))
    assert learned.begins.shape == learned.ends.shape == (16, 4, 48, 8, 8)
    assert (learned.begins[:, 1:] == learned.ends[:, :-1]).all()
    assert learned.times.tolist() == [999, 749, 499, 249]
    sampler = scheduler_of("ddim", tiny_pipeline.scheduler)
    sampler.set_timesteps(4)
    assert learned.times.tolist() == sampler.timesteps.tolist()
    assert learned.signal[0] < 1e-6
    assert learned.signal[-1] == 1
    # Of the whole way the first part alone is the pipeline's: there no step remembers one of the part before.
    tiny_pipeline.scheduler = scheduler_of("dpm++", tiny_pipeline.scheduler)
    tiny_pipeline.mixed = precision("cpu") == "bf16"
    number = 3
    wanted = states_of(tiny_pipeline, captions.texts[learned.texts[number]], 8, SETTINGS.guidance, 5 + number)[1]
    # Kept in half precision.
    assert np.abs(learned.ends[number, 0].astype(np.float32) - wanted.numpy()).mean() < 0.02


def test_later_lessons_begin_where_the_student_is(tiny_pipeline: PictogramPipeline, some_emojis: list[Emoji]) -> None:
    teaching = school(tiny_pipeline, some_emojis)
    captions = Captions(tiny_pipeline, some_emojis, generator(0, "tags"))
    first = teaching.first()
    unet = tiny_pipeline.unet.train()
    later = teaching.again(first, unet, None)
    assert unet.training
    assert (later.begins[:, 0] == first.begins[:, 0]).all()
    assert (later.ends[:, 0] == first.ends[:, 0]).all()
    tiny_pipeline.unet.eval()
    tiny_pipeline.scheduler = scheduler_of("ddim", tiny_pipeline.scheduler)
    tiny_pipeline.mixed = precision("cpu") == "bf16"
    number = 6
    ways = states_of(tiny_pipeline, captions.texts[first.texts[number]], 4, 1.0, 5 + number)
    for part in (1, 2, 3):
        off = np.abs(later.begins[number, part].astype(np.float32) - ways[part - 1].numpy())
        assert off.mean() < 0.02
    # From there the teacher goes on as if nothing had been before.
    sampler = scheduler_of("dpm++", tiny_pipeline.scheduler)
    sampler.set_timesteps(8)
    last = sampler.timesteps[-2:].tolist()
    sampler.set_timesteps(timesteps=last)
    state = torch.from_numpy(later.begins[number : number + 1, 3].astype(np.float32))
    words = tiny_pipeline.encode([captions.texts[first.texts[number]], ""])
    with torch.no_grad():
        for time in sampler.timesteps:
            picture = tiny_pipeline.picture(state, time, words, SETTINGS.guidance)
            state = sampler.step(picture, time, state).prev_sample
    # Half precision, which guidance amplifies.
    off, other = (np.abs(of - state[0].numpy()).mean() for of in (later.ends[number, 3], first.ends[number, 3]))
    assert off < 0.08
    assert other > 3 * off


def test_the_picture_that_is_taught_leads_to_the_end_of_the_part(
    tiny_pipeline: PictogramPipeline, some_emojis: list[Emoji]
) -> None:
    learned = school(tiny_pipeline, some_emojis).first()
    objective = objective_of(tiny_pipeline, some_emojis, learned)
    sampler = scheduler_of("ddim", tiny_pipeline.scheduler)
    sampler.set_timesteps(4)
    rows = np.arange(16)
    for part, time in enumerate(sampler.timesteps):
        begins, picture = objective.lesson(rows, np.full(16, part))
        ends = sampler.step(picture, time, begins).prev_sample
        wanted = torch.from_numpy(learned.ends[:, part].astype(np.float32))
        inside = picture.abs() < 1 - 1e-4
        # What leads beyond black and white is cut, as it is when the student draws.
        assert inside.float().mean() > 0.3
        torch.testing.assert_close(ends[inside], wanted[inside], atol=1e-5, rtol=1e-5)


def test_lessons_go_on_after_a_stop(
    tiny_pipeline: PictogramPipeline, some_emojis: list[Emoji], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demos.diffusion.training.lessons.BATCH", 4)
    teaching = school(tiny_pipeline, some_emojis)
    whole = teaching.first()

    def stopped(_: str, batches: Iterable[int]) -> Iterator[int]:
        for number, batch in enumerate(batches):
            if number == 2:
                raise KeyboardInterrupt
            yield batch

    with monkeypatch.context() as during:
        during.setattr(teaching, "_track", stopped)
        with pytest.raises(KeyboardInterrupt):
            teaching.first(tmp_path)
    assert sorted(file.name for file in tmp_path.glob("*/*")) == ["0.npy", "4.npy"]
    again = teaching.first(tmp_path)
    assert (again.ends == whole.ends).all()


def test_rounds_come_at_equal_distances_and_once_each(
    tiny_pipeline: PictogramPipeline, some_emojis: list[Emoji]
) -> None:
    learned = school(tiny_pipeline, some_emojis).first()
    captions = Captions(tiny_pipeline, some_emojis, generator(0, "tags"))
    asked: list[tuple[int, int]] = []
    settings = SETTINGS.model_copy(update={"steps": 7, "rounds": 2})

    def objective() -> StudentObjective:
        return StudentObjective(
            learned, captions, settings, 0, lambda lessons, number: asked.append((number, step)) or lessons
        )

    accelerator, going = Accelerator(cpu=True, mixed_precision=precision("cpu")), objective()
    with torch.no_grad():
        for step in range(7):
            going(tiny_pipeline.unet, step, accelerator)
        assert asked == [(1, 3), (2, 5)]
        # A training that goes on asks for the lessons of its round alone.
        step = 6
        objective()(tiny_pipeline.unet, step, accelerator)
    assert asked[2:] == [(2, 6)]


def test_an_adapter_begins_without_effect_and_alone_is_trained(
    tiny_pipeline: PictogramPipeline, some_emojis: list[Emoji]
) -> None:
    objective = objective_of(tiny_pipeline, some_emojis, school(tiny_pipeline, some_emojis).first())
    accelerator = Accelerator(cpu=True, mixed_precision=precision("cpu"))
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
    settings = StudentSection(steps=100, batch=8, draws=4, teacher=6, lessons=64, guidance=4.0, rounds=2)
    ours = 64 * (24 * 2 + 2 * 3 * (6 * 2 + 1)) + 3 * 100 * 8
    assert equal_updates(settings) * 6 * 8 == pytest.approx(ours, rel=0.02)

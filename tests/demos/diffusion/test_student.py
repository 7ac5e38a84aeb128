"""The student: it walks as it draws, is moved to where the teacher is and the critic is not, and its adapter says the
same when it is read back."""

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
from demos.diffusion.training import match
from demos.diffusion.training import train_student as module
from demos.diffusion.training.adapter import add_adapter
from demos.diffusion.training.captions import Captions
from demos.diffusion.training.consistency import ConsistencyObjective
from demos.diffusion.training.fit import fit
from demos.diffusion.training.match import FIRST, MatchingObjective, equal_updates
from demos.diffusion.training.train_student import train_student
from shared import device
from shared.errors import UserError
from shared.openmoji.records import Emoji
from shared.seed import generator

SETTINGS = StudentSection(steps=3, batch=4, draws=4, rank=4, warmup=1, imitate=1)


def objective_of(
    pipeline: PictogramPipeline, emojis: list[Emoji], settings: StudentSection = SETTINGS
) -> tuple[MatchingObjective, Accelerator]:
    captions = Captions(pipeline, emojis, generator(0, "tags"))
    odds = np.full(len(emojis), 1 / len(emojis))
    objective = MatchingObjective(pipeline, captions, odds, settings, tags=0.4, min_snr=5.0, seed=0)
    made = device.accelerator("cpu", device.precision("cpu"))
    objective.begin(made)
    return objective, made


def test_the_student_walks_as_it_draws(tiny_pipeline: PictogramPipeline, some_emojis: list[Emoji]) -> None:
    objective, accelerator = objective_of(tiny_pipeline, some_emojis, SETTINGS.model_copy(update={"batch": 1}))
    random = generator(3, "walk")
    twin, unet = generator(3, "walk"), tiny_pipeline.unet
    with torch.no_grad():
        walk = objective._walk(unet, random, accelerator)
    noise = torch.Generator().manual_seed(int(twin.integers(2**31)))
    rows = twin.choice(len(some_emojis), 1, p=np.full(len(some_emojis), 1 / len(some_emojis)))
    captions = Captions(tiny_pipeline, some_emojis, generator(0, "tags"))
    prompt = captions.texts[captions.draw(rows, 0.4, 0.0, twin)[0]]
    tiny_pipeline.scheduler = scheduler_of("lcm", tiny_pipeline.scheduler)
    tiny_pipeline.mixed = device.precision("cpu") == "bf16"
    found: list[torch.Tensor] = []
    tiny_pipeline(prompt, 4, 1.0, noise, callback_on_step_end=lambda *told: found.append(told[3]["latents"]))
    assert walk.times.tolist() == tiny_pipeline.scheduler.timesteps.tolist() == [999, 759, 499, 259]
    # Captions are kept in half precision, and the network may multiply in one.
    for part in (1, 2, 3):
        assert (walk.states[part] - found[part - 1][0]).abs().mean() < 0.03
    assert (walk.shown[3] - found[3][0].clamp(-1, 1)).abs().mean() < 0.03
    assert (walk.states[3] - walk.states[2]).abs().mean() > 0.3


def test_a_student_like_its_teacher_has_nothing_to_learn(
    tiny_pipeline: PictogramPipeline, some_emojis: list[Emoji], monkeypatch: pytest.MonkeyPatch
) -> None:
    unguided = SETTINGS.model_copy(update={"guidance": 1.0, "imitate": 1})
    objective, accelerator = objective_of(tiny_pipeline, some_emojis, unguided)
    student = tiny_pipeline.unet.requires_grad_(False)
    # Imitated, and then matched by a critic that has learned nothing, which is its teacher still.
    assert float(objective(student, 0, accelerator)) < 1e-5
    monkeypatch.setattr(match, "FIRST", 0)
    losses = [float(objective(student, step, accelerator)) for step in range(1, 8)]
    # But for half precision, and the parts of attention. By and by it learns.
    assert losses[0] < 0.05
    assert losses[-1] > 5 * losses[0]
    # Guidance is another teacher.
    guided, accelerator = objective_of(tiny_pipeline, some_emojis)
    assert float(guided(student, 0, accelerator)) > 1e-3


def test_a_picture_is_moved_to_the_teacher_and_away_from_the_critic(
    tiny_pipeline: PictogramPipeline, some_emojis: list[Emoji]
) -> None:
    objective, accelerator = objective_of(tiny_pipeline, some_emojis)
    student, teacher, critic = (Sure(tiny_pipeline) for _ in range(3))
    student.picture = torch.zeros_like(student.picture).requires_grad_()
    teacher.picture = torch.full_like(student.picture, 0.5)
    critic.picture = torch.full_like(student.picture, -0.25).requires_grad_()
    objective._teacher, objective._critic = teacher, critic
    loss = objective(student, 2, accelerator)
    # The difference of the two over how far the picture is from the teacher's.
    assert float(loss.detach()) == pytest.approx(0.5 * (0.75 / 0.5) ** 2, rel=0.02)
    loss.backward()
    assert (student.picture.grad < 0).all()


def test_the_critic_learns_what_the_student_draws(tiny_pipeline: PictogramPipeline, some_emojis: list[Emoji]) -> None:
    objective, accelerator = objective_of(tiny_pipeline, some_emojis, SETTINGS.model_copy(update={"batch": 8}))
    student = Sure(tiny_pipeline)
    student.picture.clamp_(-0.8, -0.3)

    def missed() -> float:
        with torch.no_grad():
            walk = objective._walk(student, generator(0, "walk"), accelerator)
        _, _, theirs = objective._criticise(walk, generator(0, "times"), accelerator)
        return float((theirs - walk.shown).square().mean())

    before = missed()
    for _ in range(30):
        after = missed()
    assert after < 0.5 * before


def test_a_student_that_is_stopped_goes_on(
    tiny_pipeline: PictogramPipeline, some_emojis: list[Emoji], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(match, "FIRST", 2)
    settings = SETTINGS.model_copy(update={"steps": 6, "imitate": 2, "checkpoint": 0.0})
    start = {name: tensor.clone() for name, tensor in tiny_pipeline.unet.state_dict().items()}

    def student() -> PictogramPipeline:
        unet = type(tiny_pipeline.unet).from_config(tiny_pipeline.unet.config)
        unet.load_state_dict(start)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            add_adapter(unet, 4)
        return unet

    def stopped(_: str, steps: Iterable[int]) -> Iterator[int]:
        for step in steps:
            if step == 4:
                raise KeyboardInterrupt
            yield step

    def weights(unet: object) -> list[torch.Tensor]:
        return [weight.detach() for weight in unet.parameters() if weight.requires_grad]  # type: ignore[attr-defined]

    whole, file = student(), tmp_path / "state.pt"
    objective, _ = objective_of(tiny_pipeline, some_emojis, settings)
    told, _ = fit(whole, objective, settings, "cpu", begin=objective.begin)
    objective, _ = objective_of(tiny_pipeline, some_emojis, settings)
    with pytest.raises(KeyboardInterrupt):
        fit(student(), objective, settings, "cpu", file=file, track=stopped, begin=objective.begin)
    # A new process knows nothing of the critic but what was kept.
    objective, _ = objective_of(tiny_pipeline, some_emojis, settings)
    again = student()
    found, _ = fit(again, objective, settings, "cpu", file=file, begin=objective.begin)
    assert found.losses == told.losses
    assert all(torch.equal(one, other) for one, other in zip(weights(whole), weights(again), strict=True))


def test_an_adapter_begins_without_effect_and_alone_is_trained(
    tiny_pipeline: PictogramPipeline, some_emojis: list[Emoji]
) -> None:
    objective, accelerator = objective_of(tiny_pipeline, some_emojis)
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


@pytest.mark.slow
def test_a_student_is_read_back_as_it_was_trained(
    tiny_pipeline: PictogramPipeline,
    tiny_config: DiffusionConfig,
    some_emojis: list[Emoji],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "training_records", lambda: np.arange(len(some_emojis)))
    monkeypatch.setattr(module, "records", lambda: some_emojis)
    monkeypatch.setattr(module, "checkpoint_file", lambda *_: tmp_path / "state.pt")
    folder = tmp_path / "pipeline"
    tiny_pipeline.save_pretrained(folder)
    before = {name: tensor.clone() for name, tensor in tiny_pipeline.unet.state_dict().items()}
    sample = tiny_config.sample.model_copy(update={"sampler": "lcm", "guidance": 1.0})
    with pytest.raises(UserError, match="no student"):
        with_student(tiny_pipeline, folder)
    config = tiny_config.model_copy(update={"student": SETTINGS.model_copy(update={"steps": 20, "checkpoint": 0.0})})
    found = train_student(tiny_pipeline, config, folder, "a teacher")
    assert all(torch.equal(tensor, before[name]) for name, tensor in tiny_pipeline.unet.state_dict().items())
    teachers = draw(tiny_pipeline, ["dog"], [0], sample)
    students = draw(found.pipeline, ["dog"], [0], sample)
    assert (teachers != students).any()
    again = with_student(opened(folder), folder)
    # As it is, without a word of how.
    alone = again("dog", SETTINGS.draws, 1.0, torch.Generator().manual_seed(0)).images[0]
    few = sample.model_copy(update={"steps": SETTINGS.draws})
    assert np.abs(np.asarray(alone).astype(int) - draw(again, ["dog"], [0], few)[0]).max() <= 1
    assert not [name for name in again.unet.state_dict() if "lora" in name]
    assert np.abs(draw(again, ["dog"], [0], sample).astype(int) - students).max() <= 1
    assert (tmp_path / "state.pt").is_file()
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
    tiny_pipeline.unet, accelerator = sure, device.accelerator("cpu", device.precision("cpu"))
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
    settings = StudentSection(steps=100, batch=8, draws=4, imitate=40)
    ours = 32 * (100 * 3 + 100 * 2 + 60 * 3 + FIRST * 4)
    assert equal_updates(settings) * 6 * 32 == pytest.approx(ours, rel=0.02)
    assert equal_updates(StudentSection(steps=40, imitate=100)) == 40 * 5 // 6


def test_the_samplers_of_few_steps_are_told_their_most() -> None:
    with pytest.raises(ValueError, match="lcm takes at most 50, not 51"):
        SampleSection(sampler="lcm", steps=51)

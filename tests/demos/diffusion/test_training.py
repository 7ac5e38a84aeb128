"""Training: captions as drawn, losses that fall, the same numbers for the same seed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from demos.diffusion.config import DiffusionConfig
from demos.diffusion.data import held_out, training_records, validation
from demos.diffusion.model.pipeline import PictogramPipeline
from demos.diffusion.training.captions import Captions
from demos.diffusion.training.checkpoint import Checkpoint, checkpoint_file
from demos.diffusion.training.fit import fit, rate
from demos.diffusion.training.objective import Objective, missed, odds_of
from shared.errors import UserError
from shared.openmoji.families import families
from shared.openmoji.records import Emoji
from shared.pretrained.words import cleaned
from shared.seed import generator


def test_no_family_is_on_both_sides() -> None:
    family = families()
    trained = set(family[training_records()].tolist())
    assert trained.isdisjoint(family[held_out()].tolist())
    assert trained.isdisjoint(family[validation()].tolist())
    assert len(held_out()) == 400


def test_captions_are_names_names_with_tags_or_nothing(
    tiny_pipeline: PictogramPipeline, some_emojis: list[Emoji]
) -> None:
    captions = Captions(tiny_pipeline, some_emojis, generator(0, "tags"))
    rows, random = np.arange(len(some_emojis)), generator(0, "draw")
    names = [captions.texts[place] for place in captions.draw(rows, 0.0, 0.0, random)]
    assert names == [cleaned(emoji.name) for emoji in some_emojis]
    listed = [captions.texts[place] for place in captions.draw(rows, 1.0, 0.0, random)]
    for text, emoji in zip(listed, some_emojis, strict=True):
        assert text.startswith(cleaned(emoji.name))
        assert set(text.removeprefix(cleaned(emoji.name)).removeprefix(", ").split(", ")) <= {*emoji.tags, ""}
    assert set(captions.draw(rows, 0.4, 1.0, random)) == {0}
    words = captions.words(captions.draw(rows, 0.0, 0.0, random))
    expected = tiny_pipeline.encode(names)
    assert torch.equal(words.mask, expected.mask)
    torch.testing.assert_close(words.states, expected.states, atol=2e-3, rtol=2e-3)


def objective_of(
    pipeline: PictogramPipeline, emojis: list[Emoji], pictures: np.ndarray, config: DiffusionConfig
) -> Objective:
    captions = Captions(pipeline, emojis, generator(0, "tags"))
    odds = np.full(len(emojis), 1 / len(emojis))
    return Objective(pictures, captions, odds, config.train, patch=config.model.patch, seed=3)


def trained(pipeline: PictogramPipeline, emojis: list[Emoji], pictures: np.ndarray, config: DiffusionConfig) -> list:
    objective = objective_of(pipeline, emojis, pictures, config)
    history, _ = fit(pipeline.unet, objective, config.train, "cpu")
    return [*history.losses, *(float(weight.detach().sum()) for weight in pipeline.unet.parameters())]


def test_the_same_seed_gives_the_same_weights(
    tiny_pipeline: PictogramPipeline, some_emojis: list[Emoji], some_pictures: np.ndarray, tiny_config: DiffusionConfig
) -> None:
    start = {name: tensor.clone() for name, tensor in tiny_pipeline.unet.state_dict().items()}
    first = trained(tiny_pipeline, some_emojis, some_pictures, tiny_config)
    tiny_pipeline.unet.load_state_dict(start)
    assert trained(tiny_pipeline, some_emojis, some_pictures, tiny_config) == first


def test_a_training_that_is_stopped_goes_on(
    tiny_pipeline: PictogramPipeline,
    some_emojis: list[Emoji],
    some_pictures: np.ndarray,
    tiny_config: DiffusionConfig,
    tmp_path: Path,
) -> None:
    longer = tiny_config.train.model_copy(update={"steps": 25, "checkpoint": 0.0})
    config, file = tiny_config.model_copy(update={"train": longer}), tmp_path / "state.pt"
    start = {name: tensor.clone() for name, tensor in tiny_pipeline.unet.state_dict().items()}
    whole = trained(tiny_pipeline, some_emojis, some_pictures, config)

    def stopped(_: str, steps: Iterable[int]) -> Iterator[int]:
        for step in steps:
            if step == 13:
                raise KeyboardInterrupt
            yield step

    tiny_pipeline.unet.load_state_dict(start)
    objective = objective_of(tiny_pipeline, some_emojis, some_pictures, config)
    with pytest.raises(KeyboardInterrupt):
        fit(tiny_pipeline.unet, objective, config.train, "cpu", file=file, track=stopped)
    seen: list[int] = []

    def watched(_: str, steps: Iterable[int]) -> Iterator[int]:
        for step in steps:
            seen.append(step)
            yield step

    tiny_pipeline.unet.load_state_dict(start)  # what the new process starts with does not matter
    objective = objective_of(tiny_pipeline, some_emojis, some_pictures, config)  # which has read nothing
    history, _ = fit(tiny_pipeline.unet, objective, config.train, "cpu", file=file, track=watched)
    assert seen[0] == 12
    again = [*history.losses, *(float(weight.detach().sum()) for weight in tiny_pipeline.unet.parameters())]
    assert again == whole
    # What comes after the training may fail: the state of its end is there, and nothing is trained again.
    seen.clear()
    fit(tiny_pipeline.unet, objective, config.train, "cpu", file=file, track=watched)
    assert seen == []
    assert list(tmp_path.iterdir()) == [file]


def test_a_state_that_cannot_be_read_is_no_state(tiny_pipeline: PictogramPipeline, tmp_path: Path) -> None:
    file = tmp_path / "state.pt"
    torch.save({"step": 3}, file)
    for content in (file.read_bytes(), file.read_bytes()[:100], b"", b"no state"):
        file.write_bytes(content)
        assert Checkpoint(file, 1.0, network=tiny_pipeline.unet).restore() == (0, [])


def test_a_training_without_numbers_ends_in_one_line(
    tiny_pipeline: PictogramPipeline,
    some_emojis: list[Emoji],
    some_pictures: np.ndarray,
    tiny_config: DiffusionConfig,
    tmp_path: Path,
) -> None:
    objective = objective_of(tiny_pipeline, some_emojis, some_pictures, tiny_config)
    settings = tiny_config.train.model_copy(update={"steps": 20, "checkpoint": 0.0})
    file = tmp_path / "state.pt"
    with pytest.raises(UserError, match="training: the loss is no number after 4 updates; try a lower learning_rate"):
        fit(
            tiny_pipeline.unet,
            lambda network, step, accelerator: objective(network, step, accelerator) * (1 if step < 3 else torch.nan),
            settings,
            "cpu",
            file=file,
        )
    # The last state with numbers is kept.
    assert Checkpoint(file, 1.0).restore()[0] == 2


def test_the_loss_falls(
    tiny_pipeline: PictogramPipeline,
    some_emojis: list[Emoji],
    some_pictures: np.ndarray,
    tiny_config: DiffusionConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("demos.diffusion.training.fit.NUMBERS", 2)
    longer = tiny_config.model_copy(update={"train": tiny_config.train.model_copy(update={"steps": 60})})
    objective = objective_of(tiny_pipeline, some_emojis, some_pictures, longer)
    history, average = fit(tiny_pipeline.unet, objective, longer.train, "cpu")
    assert len(history.losses) == 2
    assert history.losses[1] < 0.9 * history.losses[0]
    assert average.cur_decay_value == pytest.approx(1 - 60**-0.8, abs=1e-2)


def test_a_family_has_the_root_of_its_size_of_the_draws() -> None:
    family = np.array([7, 7, 7, 7, 2, 9, 9, 9, 9, 9, 9, 9, 9, 9])
    odds = odds_of(family, 0.5)
    assert odds.sum() == pytest.approx(1)
    shares = [odds[family == one].sum() for one in (2, 7, 9)]
    assert shares == pytest.approx([1 / 6, 2 / 6, 3 / 6])
    assert odds_of(family, 1.0) == pytest.approx(np.full(14, 1 / 14))
    assert odds_of(family, 0.0)[family == 9] == pytest.approx(np.full(9, 1 / 27))


def test_beyond_white_is_white_and_beyond_black_black() -> None:
    wanted = torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0, 0.5, 0.5])
    found = torch.tensor([1.5, 1.0, 0.75, -1.25, -0.5, 1.5, 0.25], requires_grad=True)
    off = missed(found, wanted)
    assert off.tolist() == [0, 0, -0.25, 0, 0.5, 1, -0.25]
    off.square().sum().backward()  # type: ignore[no-untyped-call]
    assert found.grad is not None
    assert (found.grad != 0).tolist() == [False, False, True, False, True, True, True]


def test_the_weight_is_that_of_min_snr(
    tiny_pipeline: PictogramPipeline, some_emojis: list[Emoji], some_pictures: np.ndarray, tiny_config: DiffusionConfig
) -> None:
    objective = objective_of(tiny_pipeline, some_emojis, some_pictures, tiny_config)
    kept = tiny_pipeline.scheduler.alphas_cumprod.double()
    ratio = kept / (1 - kept)
    torch.testing.assert_close(objective.weight.double(), torch.minimum(ratio, torch.tensor(5.0)))


def test_the_rate_rises_stays_and_falls() -> None:
    settings = DiffusionConfig().train
    assert rate(0, settings) == pytest.approx(1 / settings.warmup)
    assert rate(settings.warmup, settings) == rate(settings.steps // 2, settings) == 1
    assert 0 < rate(settings.steps - 1, settings) < 1e-4


def test_other_code_goes_on_from_no_state_of_this(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demos.diffusion.training.checkpoint.work_folder", lambda: tmp_path)
    (tmp_path / "objective.py").write_text("loss = velocity")
    monkeypatch.setattr("demos.diffusion.training.checkpoint.CODE", [tmp_path / "objective.py"])
    before = checkpoint_file("teacher")
    assert checkpoint_file("teacher") == before
    (tmp_path / "objective.py").write_text("loss = picture")
    assert checkpoint_file("teacher") != before


def test_states_that_nobody_came_back_for_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demos.diffusion.training.checkpoint.work_folder", lambda: tmp_path)
    folder = checkpoint_file("teacher").parent
    for name in ("old.pt", "new.pt"):
        (folder / name).write_bytes(b"state")
    os.utime(folder / "old.pt", (0, 0))
    assert checkpoint_file("teacher").parent == folder
    assert [file.name for file in folder.iterdir()] == ["new.pt"]

"""The rows of the training bench are what they say, and the bank of texts that training is fed from."""

from __future__ import annotations

import gc
import math
import re
import unicodedata
from collections.abc import Callable
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from demos.clip_retrieval.config import AugmentSection, BenchSection, ClipConfig
from demos.clip_retrieval.emoji.descriptors import normalised
from demos.clip_retrieval.model.build import build
from demos.clip_retrieval.training import bench_train
from demos.clip_retrieval.training.bench_train import (
    Loop,
    Task,
    Variant,
    flops_a_pair,
    ladder,
    make_task,
    measure_training,
    pairs_a_second,
)
from demos.clip_retrieval.training.text_bank import text_bank
from shared.openmoji.records import captions, records
from shared.openmoji.render import pictures
from shared.pretrained.minilm import MiniLM, minilm_folder
from shared.progress import Progress
from shared.run import RunFolder

STILL = AugmentSection(rotation=0, zoom=0, shear=0, shift=0, contrast=0)
PLAIN = Variant("plain")


@pytest.fixture(scope="module")
def config(tiny_config: ClipConfig) -> ClipConfig:
    bench = BenchSection(steps=1, rounds=3, seeds=2, loss_steps=8, parts=["training"])
    return tiny_config.model_copy(update={"bench": bench})


@pytest.fixture(scope="module")
def rows(tiny_train: np.ndarray) -> np.ndarray:
    """48 records. Their names are ASCII: typographic marks are not read alike by MiniLM's and open_clip's tokenizer."""
    return tiny_train[[records()[row].name.isascii() for row in tiny_train]][:48]


@pytest.fixture(scope="module")
def task(config: ClipConfig, rows: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Task:
    return make_task(config, rows, tmp_path_factory.mktemp("pictures"))


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither crop nor map."""
    monkeypatch.setattr(bench_train, "LIKE_CROP", STILL)
    monkeypatch.setattr(bench_train, "CROP", 1.0)


def losses(variant: Variant, task: Task, config: ClipConfig, steps: int = 2, seed: int = 0) -> list[float]:
    loop = Loop(variant, task, config, seed)
    torch.manual_seed(0)
    found = loop.steps(steps)
    loop.close()
    return found


def check_same(found: list[float], expected: list[float]) -> None:
    """Equal at the first step; rounding differs, and AdamW makes something of it in the second."""
    assert found[0] == pytest.approx(expected[0], abs=1e-3)
    assert found == pytest.approx(expected, abs=0.01)


def plain(name: str) -> str:
    """In lower case without accents, as the tokenizer reads it."""
    return "".join(letter for letter in unicodedata.normalize("NFD", name.lower()) if not unicodedata.combining(letter))


def means(variant: Variant) -> set[str]:
    """The means that a row has."""
    return {field.name for field in fields(variant) if getattr(variant, field.name) is True}


def quiet(make: Callable[..., Any]) -> Callable[..., Any]:
    """Build models whose text tower drops nothing."""

    def built(*arguments: Any) -> Any:
        model = make(*arguments)
        for module in model.text.transformer.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        return model

    return built


@pytest.mark.parametrize("native", ["bf16", "no"])
@pytest.mark.parametrize("compiled", [True, False])
def test_each_row_adds_one_means_and_bfloat16_only_where_hardware_has_it(
    native: str, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_train.devices, "precision", lambda device: native)
    rows = ladder(2, compiled)
    assert means(rows[0]) == set()
    added = [means(after) - means(before) for before, after in pairwise(rows)]
    assert all(means(before) < means(after) for before, after in pairwise(rows))
    assert {len(new) for new in added} == {1}
    expected = {"in_memory", "trimmed", "cached_text", "channels_last"}
    expected |= {"bfloat16"} if native == "bf16" else set()
    assert set().union(*added) == expected | ({"compiled"} if compiled else set())
    assert {row.workers for row in rows} == {2}
    assert len({row.name for row in rows}) == len(rows)
    # A row is called by what it adds.
    for row, new in zip(rows[1:], added, strict=True):
        word = {"in_memory": "memory", "cached_text": "text", "compiled": "compile"}.get(min(new), min(new))
        assert row.name.startswith("+ ")
        assert word.replace("_", " ") in row.name


def test_the_task_is_the_training_part_in_all_its_forms(task: Task, config: ClipConfig, rows: np.ndarray) -> None:
    from PIL import Image

    np.testing.assert_array_equal(task.pixels.numpy(), np.asarray(pictures(config.model.size)[rows]))
    for file, picture in zip(task.files, task.pixels.numpy(), strict=True):
        with Image.open(file) as image:
            assert image.format == "PNG"
            np.testing.assert_array_equal(np.asarray(image), picture)
    names = [records()[row].name for row in rows]
    vocabulary = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    for name, ids in zip(names, task.tokens.tolist(), strict=True):
        assert re.findall(r"[a-z0-9]+", vocabulary.decode(ids)) == re.findall(r"[a-z0-9]+", plain(name))
    np.testing.assert_allclose(normalised(task.texts.numpy()), MiniLM()(names), atol=1e-5)


def test_pictures_from_files_and_from_memory_give_the_same_loss(
    still: None, task: Task, config: ClipConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The crop takes random numbers too, so that the text tower would drop out other ones.
    monkeypatch.setattr(bench_train, "build", quiet(build))
    files, memory = (losses(replace(PLAIN, in_memory=memory), task, config) for memory in (False, True))
    check_same(memory, files)
    assert losses(PLAIN, task, config, seed=1)[0] != pytest.approx(files[0], abs=0.01)


def test_trimmed_texts_and_memory_formats_change_nothing_but_time(
    still: None, task: Task, config: ClipConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = replace(PLAIN, in_memory=True, cached_text=True)
    expected = losses(base, task, config)
    for other in (replace(base, trimmed=True), replace(base, channels_last=True)):
        check_same(losses(other, task, config), expected)
    half = losses(replace(base, bfloat16=True), task, config)[0]
    assert half == pytest.approx(expected[0], abs=0.1)
    assert half != expected[0], "bfloat16 rounds"


def test_the_cached_text_is_what_the_locked_tower_gives(
    still: None, task: Task, config: ClipConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_train, "build", quiet(build))
    base = replace(PLAIN, in_memory=True)
    whole = losses(base, task, config)
    for other in (replace(base, trimmed=True), replace(base, trimmed=True, cached_text=True)):
        check_same(losses(other, task, config), whole)


def test_all_rows_start_at_the_same_loss(still: None, task: Task, config: ClipConfig) -> None:
    rows = [row for row in ladder(0, compiled=False) if not row.bfloat16]
    first = [losses(row, task, config, steps=1)[0] for row in rows]
    assert first == pytest.approx([first[0]] * len(first), abs=1e-3)


def test_the_rows_see_the_same_pairs_in_the_same_order(still: None, task: Task, config: ClipConfig) -> None:
    loops = [Loop(replace(PLAIN, in_memory=memory), task, config, 3) for memory in (False, True)]
    for _ in range(5):
        (files, tokens, _), (memory, others, _) = (next(loop.batches) for loop in loops)
        np.testing.assert_allclose(files.numpy(), memory.numpy(), atol=1e-5)
        np.testing.assert_array_equal(tokens.numpy(), others.numpy())
        assert files.shape == (config.train.batch, 3, 32, 32)
        assert files.abs().max() <= 1
    for loop in loops:
        loop.close()


def test_an_epoch_has_each_pair_at_most_once(task: Task, config: ClipConfig) -> None:
    loop = Loop(replace(PLAIN, in_memory=True), task, config, 0)
    for _ in range(2):
        drawn = [next(loop.rows) for _ in range(48)]
        assert sorted(drawn) == list(range(48))
    loop.close()


def test_training_lowers_the_loss_and_leaves_the_text_tower_alone(task: Task, config: ClipConfig) -> None:
    loop = Loop(replace(PLAIN, in_memory=True, cached_text=True), task, config, 0)
    before = {name: weight.clone() for name, weight in loop.model.named_parameters()}
    found = loop.steps(30)
    assert np.mean(found[-3:]) < found[0] - 0.05
    after = dict(loop.model.named_parameters())
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert not any(name.startswith("text.transformer") for name in moved)
    assert any(name.startswith("visual") for name in moved)
    loop.close()


class Counted:
    """A loop that notes its steps; each costs what is said on the clock."""

    def __init__(self, name: str, seconds: float, clock: SimpleNamespace, log: list[tuple[str, int]]) -> None:
        self.name, self.seconds, self.clock, self.log = name, seconds, clock, log

    def steps(self, count: int) -> list[float]:
        self.log.append((self.name, count))
        self.clock.now += self.seconds * count
        return [0.0] * count


def test_rates_are_pairs_over_time_in_turns_after_a_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0)
    log: list[tuple[str, int]] = []
    monkeypatch.setattr(bench_train, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    loops: dict[str, Any] = {"slow": Counted("slow", 0.5, clock, log), "fast": Counted("fast", 0.1, clock, log)}
    rates = pairs_a_second(loops, steps=4, rounds=3, batch=32)
    assert {name: values.tolist() for name, values in rates.items()} == {
        "slow": pytest.approx([64.0] * 3),
        "fast": pytest.approx([320.0] * 3),
    }
    warm, timed = log[:2], log[2:]
    assert {name for name, _ in warm} == {"slow", "fast"}
    assert timed == [(name, 4) for name in ("slow", "fast", "fast", "slow", "slow", "fast")]


def test_operations_are_three_times_those_of_a_forward_pass() -> None:
    """A convolution of known size: twice its multiplications, and as much again for each of the two gradients."""
    tower = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3, padding=1), torch.nn.Conv2d(3, 5, 3, padding=1))
    loop: Any = SimpleNamespace(
        task=SimpleNamespace(shape=SimpleNamespace(size=16)), model=SimpleNamespace(visual=tower)
    )
    first, second = (2 * 16 * 16 * 3 * 3 * 3 * channels for channels in (3, 5))
    # No gradient to the pictures themselves.
    assert flops_a_pair(loop) == 2 * first + 3 * second


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch, rows: np.ndarray) -> None:
    """The bench on 48 pictures, and a small product for the peak."""

    def split(seed: int) -> Any:
        return SimpleNamespace(train=lambda fold, neutral_only: rows)

    peak = bench_train.gemm_peak
    monkeypatch.setattr(bench_train, "group_split", split)
    monkeypatch.setattr(bench_train, "gemm_peak", lambda dtype: peak(dtype, side=128, repeats=2))


@pytest.mark.slow
def test_a_whole_bench_on_a_few_pictures(little: None, config: ClipConfig, tmp_path: Path) -> None:
    result = measure_training(config, RunFolder(tmp_path, Progress(quiet=True), workers=1))
    check(*result, config=config)
    assert list(tmp_path.iterdir()) == []
    gc.collect()


def check(headlines: list[Any], metrics: list[Any], tables: list[Any], *, config: ClipConfig) -> None:
    (first,), (share,), (rungs, equal) = headlines, metrics, tables
    names = [row.name for row in ladder(0, compiled=False)]
    assert [row[0] for row in rungs.rows] == names
    rates = {str(row[0]): row[1] for row in rungs.rows}
    assert (first.value, first.peer, first.peer_value) == (rates[names[-1]], names[0], rates[names[0]])
    assert rungs.rows[0][2] == 1
    assert rungs.rows[0][3] == "1.00 to 1.00"
    assert share.value == rungs.rows[-1][4]
    assert all(row[4] > 0 for row in rungs.rows)
    assert [row[0] for row in equal.rows] == [names[0], names[-1]]
    for _, mean, each in equal.rows:
        values = [float(value) for value in each.split(", ")]
        assert len(values) == config.bench.seeds
        assert mean == pytest.approx(np.mean(values), abs=1e-3)
        assert 0 < mean < 3 * math.log(config.train.batch)
    assert f"batch {config.train.batch}" in rungs.caption
    assert f"{config.bench.loss_steps} steps" in equal.caption


@pytest.mark.parametrize("native", [False, True])
def test_the_report_is_made_of_what_was_measured(
    native: bool, little: None, config: ClipConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rates and losses that are known: everything that is shown follows from them. native: bfloat16 in hardware."""
    monkeypatch.setattr(bench_train.devices, "precision", lambda device: "bf16" if native else "no")
    monkeypatch.setattr(bench_train, "gemm_peak", lambda dtype: 1e9 if dtype == torch.float32 else 1e12)
    monkeypatch.setattr(bench_train, "flops_a_pair", lambda loop: 1e6)
    monkeypatch.setattr(Loop, "__init__", lambda self, variant, *_: setattr(self, "variant", variant))
    monkeypatch.setattr(Loop, "close", lambda self: None)
    monkeypatch.setattr(Loop, "steps", lambda self, count: [9.0] * (count - 2) + [2.0 + self.variant.in_memory] * 2)

    def rates(loops: dict[str, Loop], steps: int, rounds: int, batch: int) -> dict[str, np.ndarray]:
        # The plain loop is fastest with one worker; on the ladder each row is 10 pairs a second faster.
        if all(name.isdigit() for name in loops):
            return {name: np.array([3.0, 100.0 if name == "1" else 5.0, 90.0]) for name in loops}
        return {name: np.array([90.0, 100.0, 110.0]) + 10 * place for place, name in enumerate(loops)}

    monkeypatch.setattr(bench_train, "pairs_a_second", rates)
    (first,), (share,), (rungs, equal) = measure_training(config, RunFolder(tmp_path, Progress(quiet=True), workers=1))
    last = 50.0 if native else 40.0
    expected = [100.0, 110.0, 120.0, 130.0, 140.0, *([150.0] if native else [])]
    assert [row[1] for row in rungs.rows] == expected
    assert [row[2] for row in rungs.rows] == pytest.approx([rate / 100 for rate in expected])
    # A million operations a pair, at a peak of a thousand millions a second, or a thousand times that in bfloat16.
    used = [10.0, 11.0, 12.0, 13.0, 14.0, *([0.015] if native else [])]
    assert [row[4] for row in rungs.rows] == pytest.approx(used)
    assert (first.value, first.peer_value) == (100.0 + last, 100.0)
    assert share.value == pytest.approx(used[-1])
    ratios = np.array([(90 + last) / 90, (100 + last) / 100, (110 + last) / 110])
    low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    assert f"ratio {middle:.2f} (quartiles {low:.2f} to {high:.2f})" in first.note
    assert "1 loader worker(s)" in rungs.caption
    # Of 8 steps the last two: all else is left out.
    assert [row[1:] for row in equal.rows] == [[2.0, "2.000, 2.000"], [3.0, "3.000, 3.000"]]


@pytest.fixture
def pool() -> tuple[list[list[str]], Callable[[list[str]], np.ndarray]]:
    """A text tower that gives the length of a text and its first letter, and what it was asked."""
    asked: list[list[str]] = []

    def read(texts: list[str]) -> np.ndarray:
        asked.append(texts)
        return np.array([[len(text), ord(text[0])] for text in texts], np.float32)

    return asked, read


def test_every_record_gets_its_own_captions(pool: Any) -> None:
    asked, read = pool
    emojis = [records()[row] for row in range(0, 4495, 9)]
    bank = text_bank(emojis, ("name", "tags", "subgroup"), read)
    for kind in ("name", "tags", "subgroup"):
        for emoji, row, vector in zip(emojis, bank.rows[kind], bank.of(kind), strict=True):
            (caption,) = captions(emoji, [kind])
            assert bank.texts[row] == caption
            assert vector.tolist() == [len(caption), ord(caption[0])]
    # Each text is read once.
    assert asked == [bank.texts]
    assert len(set(bank.texts)) == len(bank.texts) == len(bank.pooled)


def test_equal_captions_are_one_row_and_different_ones_are_not(pool: Any) -> None:
    _, read = pool
    emojis = records()[:300]
    bank = text_bank(emojis, ("subgroup", "name"), read)
    for one in range(0, 300, 7):
        for other in range(0, 300, 11):
            same = emojis[one].subgroup == emojis[other].subgroup
            assert (bank.rows["subgroup"][one] == bank.rows["subgroup"][other]) == same
    # Also across kinds: a picture without tags is called by its name.
    first = emojis[0]
    twice = text_bank([replace(first, tags=()), first], ("name", "tags"), read)
    assert twice.rows["name"][0] == twice.rows["name"][1] == twice.rows["tags"][0] != twice.rows["tags"][1]


def test_only_the_kinds_that_are_asked_are_read(pool: Any) -> None:
    _, read = pool
    bank = text_bank(records()[:50], ("subgroup",), read)
    assert set(bank.rows) == {"subgroup"}
    assert set(bank.texts) == {f"an icon of {emoji.subgroup}" for emoji in records()[:50]}
    with pytest.raises(ValueError, match="no such caption"):
        text_bank(records()[:2], ("colour",), read)

"""Generators are independent and stable; a device that is not there is said to be not there."""

import random
import types

import numpy as np
import pytest

from shared import device
from shared.errors import UserError
from shared.seed import generator, seed_all


def test_each_purpose_has_numbers_of_its_own() -> None:
    draws = {tuple(generator(*key).random(4)) for key in [(0,), (1,), (0, "a"), (0, "b"), (0, "a", "b"), (0, "ab")]}
    assert len(draws) == 6


def test_the_numbers_are_the_same_on_every_machine() -> None:
    assert generator(7, "day", 3).integers(0, 1000, 5).tolist() == [536, 509, 370, 644, 312]


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        generator(-1)


def test_seed_all_reaches_the_global_generators() -> None:
    seed_all(2**40)
    first = (random.random(), np.random.random())
    seed_all(2**40)
    assert first == (random.random(), np.random.random())


def fake_torch(cuda: bool, mps: bool) -> types.SimpleNamespace:
    return types.SimpleNamespace(
        __version__="9.9",
        cuda=types.SimpleNamespace(
            is_available=lambda: cuda, device_count=lambda: 1, get_device_name=lambda index: "Card"
        ),
        backends=types.SimpleNamespace(mps=types.SimpleNamespace(is_available=lambda: mps)),
    )


@pytest.mark.parametrize(("cuda", "mps", "best"), [(True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_auto_takes_the_best(monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, best: str) -> None:
    monkeypatch.setattr(device, "_torch", lambda: fake_torch(cuda, mps))
    assert device.resolve("auto") == best
    assert device.resolve("cpu") == "cpu"


def test_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_torch", lambda: None)
    assert device.resolve("auto") == "cpu"
    assert device.devices() == ["cpu"]
    with pytest.raises(UserError, match=r"device=cuda needs torch.*use device=cpu"):
        device.resolve("cuda")


def test_without_the_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_torch", lambda: fake_torch(False, False))
    with pytest.raises(UserError, match=r"device=cuda is not available to torch 9.9"):
        device.resolve("cuda")


def test_devices_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_torch", lambda: fake_torch(True, True))
    assert device.devices() == ["cpu", "cuda:0 Card", "mps"]


def test_an_unknown_device() -> None:
    with pytest.raises(UserError, match="allowed: auto, cpu, cuda, mps"):
        device.resolve("tpu")


@pytest.mark.parametrize(("tiles", "vectors"), [(True, True), (False, True), (True, False), (False, False)])
def test_precision_is_what_the_hardware_multiplies(tiles: bool, vectors: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    native = tiles or vectors
    torch = types.SimpleNamespace(
        cuda=types.SimpleNamespace(is_bf16_supported=lambda: native),
        cpu=types.SimpleNamespace(_is_amx_tile_supported=lambda: tiles, _is_avx512_bf16_supported=lambda: vectors),
    )
    monkeypatch.setattr(device, "_torch", lambda: torch)
    expected = "bf16" if native else "no"
    assert [device.precision(name) for name in ("cpu", "cuda", "mps")] == [expected, expected, "no"]
    torch.cpu = types.SimpleNamespace()  # an older torch
    assert device.precision("cpu") == "no"
    monkeypatch.setattr(device, "_torch", lambda: None)
    assert device.precision("cpu") == "no"


def test_a_training_has_the_precision_it_asks_for_whatever_was_before() -> None:
    asked = ["bf16", "no", "bf16"]
    assert [device.accelerator("cpu", precision).mixed_precision for precision in asked] == asked
    assert device.accelerator("cpu").mixed_precision == "no"

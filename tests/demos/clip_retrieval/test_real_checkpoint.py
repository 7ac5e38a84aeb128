"""The path of a real checkpoint, on a ViT-B-32 of random weights as open_clip saves one; nothing is downloaded."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from demos.clip_retrieval.model.encoder import EncoderSpec, _load
from demos.clip_retrieval.model.torch_encoder import FITS, TorchEncoder, fit_of, load_open_clip, open_folder
from demos.clip_retrieval.search import open_collection
from shared.corpus.pictures import fitted
from shared.errors import UserError
from shared.openmoji.render import pictures

NAME = "ViT-B-32"
VISION = {"image_size": 64, "layers": 1, "width": 64, "head_width": 32, "patch_size": 32}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1}
TINY: dict[str, Any] = {"vision_cfg": VISION, "text_cfg": TEXT, "embed_dim": 64}
CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"


def saved(folder: Path, preprocess: dict[str, Any] | None = None, **smaller: Any) -> Path:
    """A random model of an architecture that open_clip knows, as `local-dir:` takes it."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = open_clip.create_model(NAME, **smaller)
    config = {**open_clip.get_model_config(NAME), **smaller}
    folder.mkdir()
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, folder / WEIGHTS)
    settings = {"mean": model.visual.image_mean, "std": model.visual.image_std, **(preprocess or {})}
    (folder / CONFIG).write_text(json.dumps({"model_cfg": config, "preprocess_cfg": settings}))
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("tiny") / "vit", **TINY)


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    """A small model that a test may spoil."""
    return shutil.copytree(tiny, tmp_path / "model")


def opened(folder: Path) -> TorchEncoder:
    return load_open_clip(f"local-dir:{folder}", "cpu")


def refused(name: str | Path) -> str:
    with pytest.raises(UserError) as told:
        load_open_clip(f"local-dir:{name}" if isinstance(name, Path) else name, "cpu")
    assert "\n" not in str(told.value)
    return str(told.value)


def photo() -> Image.Image:
    """Smooth, wide and in colours."""
    ramp = np.linspace(0, 255, 150)
    grey = np.stack(
        [
            np.tile(ramp, (97, 1)),
            np.tile(ramp[:97, None], (1, 150)),
            127 + 90 * np.sin(ramp / 9)[None] ** 2 * np.ones((97, 1)),
        ],
        axis=-1,
    )
    return Image.fromarray(grey.astype(np.uint8))


def album(folder: Path) -> Path:
    folder.mkdir()
    for row in range(5):
        Image.fromarray(np.asarray(pictures(96)[row * 700])).resize((120, 80)).save(folder / f"{row}.jpg")
    return folder


def searched(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demos.clip_retrieval.corpus.corpora.work_folder", lambda: tmp_path)
    model = f"local-dir:{folder}"
    collection = open_collection(album(tmp_path / "album"), model=model, device="cpu", engine="serial")
    assert len(collection) == 5
    hits = collection.search("a photo of a red bicycle", k=5).hits
    assert sorted(hit.key for hit in hits) == [f"{row}.jpg" for row in range(5)]
    assert collection.search(tmp_path / "album" / "3.jpg", k=1).hits[0].key == "3.jpg"
    encoder = EncoderSpec(model, "cpu").load()
    assert encoder.fit == "crop"
    assert encoder.size == 224
    _load.cache_clear()


def test_a_smaller_vit_goes_all_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vision = {**VISION, "image_size": 224}
    searched(saved(tmp_path / "vit", **{**TINY, "vision_cfg": vision}), tmp_path, monkeypatch)


@pytest.mark.slow
def test_the_whole_vit_b_32_goes_all_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    searched(saved(tmp_path / "vit"), tmp_path, monkeypatch)


def test_offline_a_checkpoint_is_one_line_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))

    def no_network(*_: object, **__: object) -> None:
        logging.getLogger("huggingface_hub").warning("Retrying in 8s [Retry 5/5].")
        raise RuntimeError("Failed to download weights for tag 'laion2b_s34b_b79k': no network\nmore lines")

    monkeypatch.setattr("open_clip.factory.download_pretrained", no_network)
    with pytest.raises(UserError) as told:
        EncoderSpec("pretrained:ViT-B-32/laion2b_s34b_b79k", "cpu").load()
    assert "local-dir:FOLDER" in str(told.value)
    assert "\n" not in str(told.value)
    assert not caplog.records


def test_without_weights_that_open_clip_loads_nothing_is_made_up(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    assert refused(folder).endswith("has no weights that open_clip loads (*.safetensors, *.bin or *.pth)")
    with pytest.raises(UserError, match="has no weights"):
        open_folder(folder)


def test_a_checkpoint_of_training_is_named_with_the_way_out_which_works(folder: Path) -> None:
    import torch
    from safetensors.torch import load_file

    expected = opened(folder).texts(["a red apple"])
    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    kept = {"epoch": 32, "name": "a run", "state_dict": {f"module.{name}": of for name, of in tensors.items()}}
    torch.save(kept, folder / "epoch_32.pt")
    assert refused(folder).endswith("; rename epoch_32.pt to open_clip_pytorch_model.bin")
    (folder / "epoch_32.pt").rename(folder / "open_clip_pytorch_model.bin")
    np.testing.assert_array_equal(opened(folder).texts(["a red apple"]), expected)
    (folder / "open_clip_pytorch_model.bin").rename(folder / "anything.pth")
    np.testing.assert_array_equal(opened(folder).texts(["a red apple"]), expected)


def test_the_identity_is_that_of_the_weights_and_the_preprocessing_that_are_used(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    assert opened(folder).identity == opened(folder).identity
    found = [opened(folder).identity]
    tensors = load_file(folder / WEIGHTS)
    # As on the hub: the same model for transformers, whose name comes first, and which open_clip leaves alone.
    save_file({name: 0 * tensor for name, tensor in tensors.items()}, folder / "model.safetensors")
    found.append(opened(folder).identity)
    assert found[0] == found[1]
    save_file(tensors | {"logit_scale": tensors["logit_scale"] + 1}, folder / WEIGHTS)
    found.append(opened(folder).identity)
    settings = json.loads((folder / CONFIG).read_text())
    settings["preprocess_cfg"]["resize_mode"] = "squash"
    (folder / CONFIG).write_text(json.dumps(settings))
    found.append(opened(folder).identity)
    assert len(set(found)) == 3


def test_faults_of_a_folder_are_one_line(folder: Path) -> None:
    settings = json.loads((folder / CONFIG).read_text())
    settings["model_cfg"]["text_cfg"] = {**TEXT, "hf_tokenizer_name": "someone/some-tokenizer"}
    whole = (folder / CONFIG).read_text()
    (folder / CONFIG).write_text(json.dumps(settings))
    assert f"open_clip cannot load {folder} from local files alone" in refused(folder)
    (folder / CONFIG).write_text(whole)
    (folder / WEIGHTS).unlink()
    (folder / "open_clip_pytorch_model.bin").write_bytes(b"version https://git-lfs.github.com/spec/v1")
    assert f"open_clip cannot load {folder} from local files alone" in refused(folder)


@pytest.mark.parametrize(("resize_mode", "interpolation"), [*FITS, ("shortest", "random")])
@pytest.mark.parametrize("turned", [False, True])
def test_pictures_are_prepared_as_open_clip_does(resize_mode: str, interpolation: str, turned: bool) -> None:
    from dataclasses import asdict

    from open_clip.transform import PreprocessCfg, image_transform_v2

    plain = {"mean": (0.0,) * 3, "std": (1.0,) * 3, "fill_color": 255}
    settings = PreprocessCfg(size=48, resize_mode=resize_mode, interpolation=interpolation, **plain)
    picture = photo().transpose(Image.Transpose.ROTATE_90) if turned else photo()
    expected = 255 * image_transform_v2(settings, is_train=False)(picture).permute(1, 2, 0).numpy()
    size, fit = fit_of(asdict(settings))
    difference = np.abs(fitted(np.asarray(picture), size, fit) - expected)
    # Of a picture that is padded, both filters make nearly the same.
    assert difference.max() < 1e-3 if resize_mode != "longest" else difference.mean() < 0.5


@pytest.mark.parametrize(
    "settings",
    [
        {"resize_mode": "longest", "fill_color": 0},
        {"resize_mode": "longest", "fill_color": 255, "interpolation": "bilinear"},
        {"interpolation": "nearest"},
        {"resize_mode": "stretch"},
    ],
)
def test_preprocessing_that_is_not_supported_is_one_line(tmp_path: Path, settings: dict[str, Any]) -> None:
    folder = saved(tmp_path / "vit", settings, **TINY)
    told = refused(folder)
    for name, value in settings.items():
        assert f"{name}={value}" in told


def test_pictures_that_are_no_squares_are_one_line(tmp_path: Path) -> None:
    folder = saved(tmp_path / "vit", **{**TINY, "vision_cfg": {**VISION, "image_size": [64, 96]}})
    assert "size=" in refused(folder)
    assert "possible are squares" in refused(folder)


def test_squashed_pictures_have_the_vectors_of_open_clip(tmp_path: Path) -> None:
    import open_clip
    import torch

    folder = saved(tmp_path / "vit", {"resize_mode": "squash", "mean": 0.5, "std": [0.25] * 3}, **TINY)
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    with torch.inference_mode():
        expected = model.eval().encode_image(preprocess(photo())[None], normalize=True).numpy()
    encoder = opened(folder)
    assert (encoder.size, encoder.fit) == (64, "squash")
    found = encoder.images(fitted(np.asarray(photo()), encoder.size, encoder.fit)[None])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_checkpoint_has_the_activation_and_the_identity_of_its_tag(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """openai's ViT-B-32 was trained with QuickGELU, laion2b's with GELU; both tags are of one architecture."""
    import open_clip
    from open_clip.transformer import QuickGELU

    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, NAME, TINY)
    monkeypatch.setattr("open_clip.factory.download_pretrained", lambda *_, **__: str(tiny / WEIGHTS))
    quick, plain = (load_open_clip(f"pretrained:{NAME}/{tag}", "cpu") for tag in ("openai", "laion2b_s34b_b79k"))
    assert any(isinstance(part, QuickGELU) for part in quick._model.modules())
    assert not any(isinstance(part, QuickGELU) for part in plain._model.modules())
    assert (quick.texts(["a red apple"]) * plain.texts(["a red apple"])).sum() < 1 - 1e-6
    assert quick.identity != plain.identity
    # The preprocessing that open_clip lists for a tag may be mended; vectors of before do not meet those of after.
    listed = open_clip.get_pretrained_cfg(NAME, "openai")
    monkeypatch.setitem(listed, "resize_mode", "squash")
    mended = load_open_clip(f"pretrained:{NAME}/openai", "cpu")
    assert (quick.fit, mended.fit) == ("crop", "squash")
    assert mended.identity != quick.identity

"""The path of a real checkpoint, on a ViT-B-32 of random weights as open_clip saves one; nothing is downloaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from demos.clip_retrieval.emoji.render import pictures
from demos.clip_retrieval.model.encoder import EncoderSpec, _load
from demos.clip_retrieval.search import open_collection
from shared.errors import UserError

NAME = "ViT-B-32"


def saved(folder: Path, **smaller: Any) -> Path:
    """A random model of an architecture that open_clip knows, as `local-dir:` takes it."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = open_clip.create_model(NAME, **smaller)
    config = {**open_clip.get_model_config(NAME), **smaller}
    folder.mkdir()
    save_file(
        {name: tensor.contiguous() for name, tensor in model.state_dict().items()},
        folder / "open_clip_model.safetensors",
    )
    settings = {"mean": model.visual.image_mean, "std": model.visual.image_std}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": settings}))
    return folder


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
    vision = {"image_size": 224, "layers": 1, "width": 64, "head_width": 32, "patch_size": 32}
    text = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1}
    searched(saved(tmp_path / "vit", vision_cfg=vision, text_cfg=text, embed_dim=64), tmp_path, monkeypatch)


@pytest.mark.slow
def test_the_whole_vit_b_32_goes_all_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    searched(saved(tmp_path / "vit"), tmp_path, monkeypatch)


def test_offline_a_checkpoint_is_one_line_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))

    def no_network(*_: object, **__: object) -> None:
        raise RuntimeError("Failed to download weights for tag 'laion2b_s34b_b79k': no network\nmore lines")

    monkeypatch.setattr("open_clip.factory.download_pretrained", no_network)
    with pytest.raises(UserError) as told:
        EncoderSpec("pretrained:ViT-B-32/laion2b_s34b_b79k", "cpu").load()
    assert "local-dir:FOLDER" in str(told.value)
    assert "\n" not in str(told.value)

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import onnx
import open_clip
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from demos.clip_retrieval.model.build import build, export
from demos.clip_retrieval.model.encoder import EncoderSpec, OnnxEncoder, ready
from demos.clip_retrieval.model.onnx_export import _quantize
from demos.clip_retrieval.model.shape import CONFIG, ONNX_IMAGE, ONNX_TEXT, Shape, is_at_home
from demos.clip_retrieval.model.torch_encoder import load_open_clip, trimmed
from demos.clip_retrieval.model.weights import assembled, digest, read_header, save_tower
from shared.errors import UserError
from shared.openmoji.render import pictures
from shared.pretrained.minilm import minilm_folder
from shared.pretrained.quiet import quiet_and_offline

QUERIES = ["a red apple", "clock", "woman firefighter: medium-dark skin tone"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work folder of its own; the data stay in the user's cache."""
    monkeypatch.setattr("demos.clip_retrieval.model.weights.work_folder", lambda: tmp_path)
    return tmp_path


def test_open_clip_itself_loads_what_is_assembled_and_gives_the_same_vectors(tiny_tower: Path, cache: Path) -> None:
    folder = assembled(tiny_tower)
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    model.eval()
    with torch.inference_mode():
        text = model.encode_text(tokenizer(QUERIES), normalize=True).numpy()
    ours = load_open_clip(f"local-dir:{folder}", "cpu")
    np.testing.assert_allclose(ours.texts(QUERIES), text, atol=1e-6)
    assert "Resize" in str(preprocess)


def test_a_saved_model_comes_back_a_tower_in_half_precision(tmp_path: Path, cache: Path) -> None:
    shape = Shape("test_resnet", 32, 64, (0.9, 0.8, 0.7), (0.3, 0.2, 0.1), siglip=True)
    torch.manual_seed(0)
    model = build(shape, minilm_folder())
    save_tower(model, shape, {"fold": "1"}, tmp_path / "tower.safetensors")
    assert read_header(tmp_path / "tower.safetensors")["fold"] == "1"
    loaded = open_clip.create_model(f"local-dir:{assembled(tmp_path / 'tower.safetensors')}")
    exported = open_clip.create_model(f"local-dir:{export(model, shape, minilm_folder(), tmp_path / 'whole')}")
    before = model.state_dict()
    assert all(torch.equal(before[name], tensor) for name, tensor in exported.state_dict().items())
    for name, tensor in loaded.state_dict().items():
        trained = before[name].ndim > 1 and not name.startswith("text.transformer")
        assert torch.equal(before[name].half().float() if trained else before[name], tensor), name
    assert loaded.visual.preprocess_cfg["mean"] == [0.9, 0.8, 0.7]


def test_a_moved_cache_is_mended(tiny_tower: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = assembled(tiny_tower)
    moved = cache / "elsewhere"
    shutil.move(cache / "models", moved / "models")
    monkeypatch.setattr("demos.clip_retrieval.model.weights.work_folder", lambda: moved)
    assert not is_at_home(moved / "models" / folder.name)
    again = assembled(tiny_tower)
    assert is_at_home(again)
    assert load_open_clip(f"local-dir:{again}", "cpu").dimension == 384


def test_onnx_gives_the_vectors_of_torch_alone_and_in_padded_batches(tiny_tower: Path, cache: Path) -> None:
    folder = ready(assembled(tiny_tower))
    fast, eager = OnnxEncoder(folder, threads=1), load_open_clip(f"local-dir:{folder}", "cpu")
    together, alone = fast.texts(QUERIES), np.concatenate([fast.texts([query]) for query in QUERIES])
    expected = eager.texts(QUERIES)
    # What rounding to 8 bits does to a text does not depend on the texts beside it.
    assert (together * alone).sum(1).min() > 0.99999
    assert (together * expected).sum(1).min() > 0.999
    pixels = np.asarray(pictures(32)[:5])
    assert (fast.images(pixels) * eager.images(pixels)).sum(1).min() > 0.99999
    assert fast.scale == pytest.approx(eager.scale)
    assert (fast.size, fast.dimension, fast.fit) == (eager.size, eager.dimension, eager.fit)
    assert fast.images(pixels[:0]).shape == fast.texts([]).shape == (0, 384)
    with pytest.raises(ValueError, match="pictures must be"):
        fast.images(np.zeros((1, 16, 16, 3), np.uint8))


def test_a_tower_file_is_known_by_its_hash(tiny_tower: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demos.clip_retrieval.model.torch_encoder.SHIPPED", tiny_tower)
    before = assembled(tiny_tower)
    assert before.name == digest(tiny_tower)
    for name in ("shipped", f"local-dir:{tiny_tower}"):
        assert load_open_clip(name, "cpu").identity == before.name
    assert OnnxEncoder(before).identity == before.name


def test_an_upgraded_cache_loses_the_text_tower_of_the_version_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export_towers(folder: Path) -> None:
        assert (folder / "text.onnx").is_file()  # until there is another
        (folder / ONNX_TEXT).touch()

    monkeypatch.setattr("demos.clip_retrieval.model.onnx_export.export_towers", export_towers)
    for name in ("text.onnx", ONNX_IMAGE):
        (tmp_path / name).touch()
    assert ready(tmp_path) == tmp_path
    assert sorted(file.name for file in tmp_path.iterdir()) == [ONNX_IMAGE, ONNX_TEXT]


def test_eight_bits_are_refused_where_the_products_to_keep_are_not_found(tmp_path: Path) -> None:
    """Two layers of one product each, called as torch and transformers call them, or otherwise."""
    for scopes in (["query", "value"], ["key", "keys"], ["value", "value", "value"]):
        nodes = []
        for number, scope in enumerate(scopes):
            node = helper.make_node("MatMul", [f"x{number}", f"w{number}"], [f"x{number + 1}"], name=f"product{number}")
            node.metadata_props.add(key="namespace", value=f"text.layer.{number}.attention.self.{scope}: Linear/matmul")
            nodes.append(node)
        ends = [helper.make_tensor_value_info(f"x{end}", TensorProto.FLOAT, [1, 16]) for end in (0, len(scopes))]
        weights = [numpy_helper.from_array(np.eye(16, dtype=np.float32), f"w{n}") for n in range(len(scopes))]
        graph = helper.make_graph(nodes, "tower", ends[:1], ends[1:], weights)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), tmp_path / "text.onnx")
        before = digest(tmp_path / "text.onnx")
        with pytest.raises(RuntimeError, match="in a text tower of 2 layers"):
            _quantize(tmp_path / "text.onnx", layers=2)
        assert digest(tmp_path / "text.onnx") == before


def test_nothing_is_logged_nor_asked_of_the_hub_while_a_folder_is_read(caplog: pytest.LogCaptureFixture) -> None:
    before = huggingface_hub.is_offline_mode()
    with quiet_and_offline():
        assert huggingface_hub.is_offline_mode()
        with pytest.raises(huggingface_hub.errors.OfflineModeIsEnabled):
            huggingface_hub.get_session().get("https://huggingface.co/api/models")
        logging.getLogger("open_clip").critical("all is lost")
    assert huggingface_hub.is_offline_mode() is before
    assert not caplog.records


def test_padding_is_what_the_text_tower_calls_so() -> None:
    """XLM-R begins a text with 0 and pads with 1."""
    tokens = torch.tensor([[0, 35378, 8999, 2, 1, 1], [0, 9, 2, 1, 1, 1]])
    text = SimpleNamespace(pooler=None, config=SimpleNamespace(pad_token_id=1))
    assert torch.equal(trimmed(tokens, SimpleNamespace(text=text)), tokens[:, :4])
    assert torch.equal(trimmed(tokens, SimpleNamespace(text=SimpleNamespace())), tokens)


def test_a_killed_assembly_leaves_nothing_half(tiny_tower: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("demos.clip_retrieval.model.weights.write_config", stop)
    with pytest.raises(KeyboardInterrupt):
        assembled(tiny_tower)
    assert list((cache / "models").iterdir()) == []


def test_faults_of_a_user_are_one_line(tmp_path: Path) -> None:
    foreign = tmp_path / "tower.safetensors"
    foreign.write_bytes(b"no tensors")
    with pytest.raises(UserError, match="is not a safetensors file"):
        read_header(foreign)
    with pytest.raises(UserError, match=f"has no {CONFIG}"):
        EncoderSpec(f"local-dir:{tmp_path}", "cpu").load()
    with pytest.raises(UserError, match="open_clip knows these tags"):
        EncoderSpec("pretrained:ViT-B-32/no-such-tag", "cpu").load()
    (tmp_path / CONFIG).write_text(json.dumps({"model_cfg": {"embed_dim": 8}}))
    with pytest.raises(UserError, match="open_clip cannot load"):
        EncoderSpec(f"local-dir:{tmp_path}", "cpu").load()

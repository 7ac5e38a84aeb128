"""Another encoder in the place of MiniLM."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from onnxruntime import InferenceSession
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2Model,
    MPNetConfig,
    MPNetModel,
    RobertaConfig,
    RobertaModel,
)

from demos.coevolution.deploy.export import INPUT, OUTPUT, export
from demos.coevolution.models.batches import padded
from demos.coevolution.models.device import WIDTH, from_vectors, static_vectors
from demos.coevolution.models.encoder import fresh, inherited
from demos.coevolution.models.top import Top, read_through
from demos.coevolution.models.words import TOKENIZER, Words, words
from demos.coevolution.training.fit import Course, Lesson, fit, judged
from shared.errors import UserError

SIZES = {"hidden_size": 144, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
TEXTS = ["a fine film", "not good", "it is, I must say, the longest and the dullest of all his films"]


@pytest.fixture(params=["bert", "roberta", "mpnet"])
def checkpoint(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if request.param == "bert":
            model = BertModel(BertConfig(vocab_size=words().size, **SIZES))
        elif request.param == "mpnet":
            model = MPNetModel(MPNetConfig(vocab_size=words().size, max_position_embeddings=514, **SIZES))
            # It begins with the same for all distances, near and far, which would tell nothing.
            torch.nn.init.normal_(model.encoder.relative_attention_bias.weight, std=0.5)
        else:
            model = RobertaModel(RobertaConfig(vocab_size=words().size, max_position_embeddings=514, **SIZES))
    model.save_pretrained(tmp_path)
    (tmp_path / TOKENIZER).write_bytes(words().file.read_bytes())
    return tmp_path


def test_another_encoder_is_trained_cut_and_made_small(checkpoint: Path) -> None:
    vocabulary = Words(checkpoint / TOKENIZER)
    rows = vocabulary(TEXTS)
    cloud = fresh(None, 0, checkpoint)
    fit(cloud, Lesson(rows, torch.eye(2)[[1, 0, 0]]), Course(steps=2, batch=3, rate=1e-4), seed=0)
    with torch.inference_mode():
        alone = torch.cat([cloud(*padded([row])) for row in rows])
    torch.testing.assert_close(judged(cloud, rows, exact=True), alone, rtol=1e-4, atol=1e-5)
    edge = inherited(cloud)
    assert len(edge.body.encoder.layer) == 2
    assert torch.equal(edge.body.encoder.layer[1].output.dense.weight, cloud.body.encoder.layer[2].output.dense.weight)
    vectors = static_vectors(cloud, vocabulary=vocabulary)
    assert vectors.shape == (vocabulary.size, WIDTH)
    assert judged(from_vectors(vectors, 0, vocabulary).eval(), rows).shape == (3, 2)


def test_cut_in_two_and_as_a_file_it_says_what_it_says_whole(checkpoint: Path, tmp_path: Path) -> None:
    rows = Words(checkpoint / TOKENIZER)(TEXTS)
    cloud = fresh(None, 0, checkpoint).eval()
    with torch.inference_mode():
        states = [cloud.body(input_ids=torch.tensor([row])).last_hidden_state.mean(1) for row in rows]
        whole = cloud.head(torch.cat(states))
    torch.testing.assert_close(judged(cloud, rows, exact=True), whole, rtol=1e-4, atol=1e-5)
    below, pooled = read_through(cloud, rows, layers=1)
    torch.testing.assert_close(pooled, torch.cat(states), rtol=0.05, atol=0.05)
    torch.testing.assert_close(judged(Top(cloud, 1), below.of([0, 1, 2]), exact=True), whole, rtol=0.05, atol=0.01)
    export(cloud, tmp_path / "model.onnx", bits=32)
    session = InferenceSession(tmp_path / "model.onnx")
    said = np.concatenate([session.run([OUTPUT], {INPUT: np.array([row])})[0] for row in rows])
    np.testing.assert_allclose(said, whole.numpy(), atol=1e-4)


def test_it_reads_the_word_pieces_of_another_vocabulary(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = BertModel(BertConfig(vocab_size=words().size, **SIZES))
    # The same pieces, numbered from the end.
    plain = json.loads(words().tokenizer.to_str())
    last = words().size - 1
    plain["model"]["vocab"] = {piece: last - number for piece, number in plain["model"]["vocab"].items()}
    for sign in plain["added_tokens"]:
        sign["id"] = last - sign["id"]
    for sign in plain["post_processor"]["special_tokens"].values():
        sign["ids"] = [last - number for number in sign["ids"]]
    model.save_pretrained(tmp_path)
    (tmp_path / TOKENIZER).write_text(json.dumps(plain))
    rows = words()(TEXTS)
    own = Words(tmp_path / TOKENIZER)(TEXTS)
    assert own[0] == [last - number for number in rows[0]]
    alone, given = fresh(None, 0, tmp_path), fresh(None, 0, tmp_path, words())
    torch.testing.assert_close(judged(given.eval(), rows), judged(alone.eval(), own))
    assert given.pieces == words().size
    torch.testing.assert_close(judged(inherited(given).eval(), rows), judged(inherited(alone).eval(), own))
    del plain["model"]["vocab"]["film"]
    (tmp_path / TOKENIZER).write_text(json.dumps(plain))
    with pytest.raises(UserError, match="knows no piece 'film'"):
        fresh(None, 0, tmp_path, words())


def test_the_signs_of_a_vocabulary_are_known() -> None:
    assert (words().opens, words().closes, words().unread, words().first) == (101, 102, 103, 104)
    assert words()(["good"]) == [[101, 2204, 102]]


def test_what_is_no_checkpoint_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be opened as a checkpoint") as error:
        fresh(None, 0, tmp_path / "nothing")
    assert "\n" not in str(error.value)
    GPT2Model(GPT2Config(vocab_size=50, n_embd=8, n_layer=1, n_head=1)).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="is a gpt2; taken are: bert, roberta"):
        fresh(None, 0, tmp_path)


def test_a_checkpoint_whose_parts_do_not_fit_is_told_in_one_line(tmp_path: Path) -> None:
    def kept(model: torch.nn.Module) -> Path:
        model.save_pretrained(tmp_path)  # type: ignore[operator]
        return tmp_path

    few = kept(BertModel(BertConfig(vocab_size=words().size - 1, **SIZES)))
    with pytest.raises(UserError, match="tokenizer knows 30,522 pieces, its model 30,521"):
        fresh(None, 0, few).must_read(words())
    short = kept(RobertaModel(RobertaConfig(vocab_size=words().size, max_position_embeddings=128, **SIZES)))
    with pytest.raises(UserError, match="reads 126 pieces of a text; 128 are needed"):
        fresh(None, 0, short).must_read(words())
    half = kept(BertModel(BertConfig(vocab_size=words().size, **SIZES)).half())
    assert {part.dtype for part in fresh(None, 0, half).parameters()} == {torch.float32}
    weights = half / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(UserError, match="cannot be opened as a checkpoint") as error:
        fresh(None, 0, half)
    assert "\n" not in str(error.value)


def test_what_is_no_tokenizer_is_told_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / TOKENIZER
    file.write_text("{")
    with pytest.raises(UserError, match="is no tokenizer"):
        Words(file)
    plain = json.loads(words().tokenizer.to_str())
    file.write_text(json.dumps({**plain, "post_processor": None}))
    with pytest.raises(UserError, match="encoder"):
        Words(file)

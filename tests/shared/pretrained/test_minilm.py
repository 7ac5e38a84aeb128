"""The text model gives the published vectors, whatever it is asked beside them, and says nothing."""

import numpy as np
import pytest

from shared.pretrained import minilm
from shared.pretrained.minilm import DIMENSION, MiniLM, minilm_folder


@pytest.fixture(scope="module")
def words() -> MiniLM:
    return MiniLM()


def test_vectors_have_length_one_and_keep_the_order(words: MiniLM) -> None:
    found = words(["a red apple", "ship", "a red apple"])
    assert found.shape == (3, DIMENSION)
    assert found.dtype == np.float32
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
    assert (found[0] == found[2]).all()
    assert words([]).shape == (0, DIMENSION)


def test_a_text_does_not_depend_on_the_texts_beside_it(words: MiniLM) -> None:
    alone = words(["flag of Norway"])
    beside = MiniLM()(["flag of Norway", "a very much longer text that makes the batch longer by a good deal"])
    assert (alone[0] @ beside[0]) == pytest.approx(1, abs=1e-5)


def test_meaning_is_near(words: MiniLM) -> None:
    ship, boat, brain = words(["ship", "a boat on the sea", "human brain"])
    assert ship @ boat > ship @ brain + 0.2


def test_each_text_is_encoded_once(words: MiniLM, monkeypatch: pytest.MonkeyPatch) -> None:
    words(["known"])
    monkeypatch.setattr(words, "_encode", lambda texts: pytest.fail(f"encoded again: {texts}"))
    words(["known", "known"])


def test_loading_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    minilm._load()
    assert capfd.readouterr() == ("", "")


def test_the_weights_are_the_published_ones() -> None:
    # fetch_member checks the hash each time: another file in its place is refused.
    assert (minilm_folder() / "model.safetensors").stat().st_size == 90_868_376


def test_the_model_is_one_folder() -> None:
    assert {file.name for file in minilm_folder().iterdir() if not file.name.startswith(".")} == set(minilm.FILES)

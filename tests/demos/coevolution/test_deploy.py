"""Files of models: they say what their models say, and what they cannot read they refuse."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from demos.coevolution.data import HOME, texts
from demos.coevolution.deploy.export import export
from demos.coevolution.deploy.folded import NOTHING, Folded
from demos.coevolution.deploy.gate import Parity, judging, parity, send
from demos.coevolution.deploy.measure import latencies, ratio
from demos.coevolution.deploy.runtime import LONGEST, MODEL, Student, usable
from demos.coevolution.models.device import Device, by_chance
from demos.coevolution.models.encoder import fresh, inherited
from demos.coevolution.models.words import pieces, words
from demos.coevolution.splits import frozen
from demos.coevolution.training.fit import judged
from demos.coevolution.training.jobs import Answers
from demos.coevolution.versions.store import Store
from shared.errors import UserError

TEXTS = ["a fine film", "not good", "it is, I must say, the longest and the dullest of all his films", "!"]


def outspoken(words: int) -> Device:
    """A device's model that has an opinion on each text."""
    device = by_chance(words, 0).eval()
    with torch.no_grad():
        device.vectors.weight.mul_(5)
        device.weights.weight.normal_(0, 0.5, generator=torch.Generator().manual_seed(0))
    return device


@pytest.fixture(scope="module")
def device() -> Device:
    return outspoken(words().size)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, device: Device) -> Store:
    found = Store(tmp_path_factory.mktemp("students"))
    places = frozen().calibration[HOME][:40]
    answers = Answers(torch.as_tensor(places), judged(device, pieces([texts()[place].text for place in places])))
    send(found, "device", device, judging(answers, places), heat=1.0, data="00", scores={}, note="for a test")
    return found


@settings(max_examples=40, deadline=None)
@given(row=st.lists(st.integers(1, 299), min_size=1, max_size=12))
def test_a_folded_model_says_what_it_was_folded_from(row: list[int]) -> None:
    device = outspoken(300)
    ids = torch.tensor([row])
    with torch.inference_mode():
        meant = device(ids, torch.ones_like(ids, dtype=torch.bool))
        torch.testing.assert_close(Folded(device, bits=32)(ids), meant, rtol=1e-4, atol=1e-4)
        # Eight bits of a column are 1 in 254 of its range; of a text of a few pieces little of that is left.
        assert float((Folded(device)(ids) - meant).abs().max()) < 0.1
    assert not Folded(device).table[NOTHING].any()


def test_a_file_of_a_device_says_what_its_model_says(store: Store, device: Device) -> None:
    student = Student(store.deployed("device"))
    meant = judged(device, pieces(TEXTS)).numpy()
    said = np.array([student.logits(student.pieces(text)) for text in TEXTS])
    assert np.abs(said - meant).max() < 0.1
    answer = student(TEXTS[0])
    assert list(answer) == ["negative", "positive"]
    assert sum(answer.values()) == pytest.approx(1)
    assert (answer["positive"] > 0.5) == (said[0, 1] > said[0, 0])


@pytest.mark.slow
@pytest.mark.parametrize("bits", [32, 8])
def test_a_file_of_an_encoder_says_what_its_model_says(tmp_path: Path, bits: int) -> None:
    import onnxruntime

    edge = inherited(fresh(None, 0)).eval()
    export(edge, tmp_path / MODEL, bits)
    session = onnxruntime.InferenceSession(str(tmp_path / MODEL), providers=["CPUExecutionProvider"])
    rows = pieces(TEXTS)
    said = np.array([session.run(None, {"pieces": np.array([row])})[0][0] for row in rows])
    np.testing.assert_allclose(said, judged(edge, rows, exact=True).numpy(), atol=2e-4 if bits == 32 else 0.1)
    assert (tmp_path / MODEL).stat().st_size < {32: 64e6, 8: 17e6}[bits]


def test_a_file_that_says_something_else_does_not_go_out(tmp_path: Path, device: Device) -> None:
    places = frozen().calibration[HOME][:40]
    logits = judged(device, pieces([texts()[place].text for place in places]))
    # What another model is said to have meant: on a quarter of the texts the opposite.
    wrong = torch.where(torch.arange(40)[:, None] % 4 == 0, -logits, logits)
    by = judging(Answers(torch.as_tensor(places), wrong), places)
    store = Store(tmp_path)
    with pytest.raises(UserError, match=r"file of the device does not say what its model says.*agreement=0.75"):
        send(store, "device", device, by, heat=1.0, data="", scores={})
    assert store.current() == {}


def test_where_8_bits_say_something_else_32_go_out(
    tmp_path: Path, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = frozen().calibration[HOME][:40]
    logits = judged(device, pieces([texts()[place].text for place in places]))
    by = judging(Answers(torch.as_tensor(places), logits), places)
    found = iter([Parity(0.01, 0.97, 0.3), Parity(0.0, 1.0, 0.0)])
    monkeypatch.setattr("demos.coevolution.deploy.gate.parity", lambda _student, _by: next(found))
    store = Store(tmp_path)
    sent = send(store, "device", device, by, heat=1.0, data="", scores={})
    assert (sent.version.note, store.current()) == ("32 bits", {"device": sent.version.name})


def test_parity_counts_what_is_lost_and_not_what_is_gained(store: Store, device: Device) -> None:
    places = frozen().calibration[HOME][:40]
    logits = judged(device, pieces([texts()[place].text for place in places]))
    labels = torch.tensor([texts()[place].label for place in places])
    right = torch.nn.functional.one_hot(labels, 2).float()
    student = Student(store.deployed("device"))
    perfect = parity(student, judging(Answers(torch.as_tensor(places), right), places))
    own = parity(student, judging(Answers(torch.as_tensor(places), logits), places))
    assert perfect.lost == pytest.approx(1 - float((logits.argmax(1) == labels).float().mean()))
    assert own == Parity(0.0, 1.0, pytest.approx(0, abs=0.05))
    assert own.holds
    assert not perfect.holds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the text is empty"),
        (" \n\t", "the text is empty"),
        ("good " * 20_000, "the text has 100,000 bytes; at most 20,000"),
        ("caf\udce9", "the text is not in UTF-8"),
    ],
)
def test_a_text_that_is_none_is_told_in_one_line(store: Store, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        Student(store.deployed("device"))(text)
    assert "\n" not in str(error.value)


def test_a_text_that_is_long_is_read_as_far_as_it_goes() -> None:
    assert usable("é" * (LONGEST // 2)) == "é" * (LONGEST // 2)
    with pytest.raises(UserError, match="20,002 bytes"):
        usable("é" * (LONGEST // 2 + 1))


def test_a_file_that_is_no_model_is_told_in_one_line(tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        (folder / MODEL).write_bytes(b"no model")
        (folder / "tokenizer.json").write_text(words().tokenizer.to_str())

    version = Store(tmp_path).add("device", write, data="00", scores={})
    with pytest.raises(UserError, match="is no model that ONNX Runtime can open") as error:
        Student(tmp_path / version.name)
    assert "\n" not in str(error.value)


def test_files_are_timed_in_turns(store: Store) -> None:
    folder = store.deployed("device")
    found = latencies({"one": folder, "two": folder}, TEXTS, ())
    assert {name: len(each.seconds) for name, each in found.items()} == {"one": 4, "two": 4}
    assert found["one"].size == (folder / MODEL).stat().st_size
    middle, low, high = ratio(found["one"].seconds, found["one"].seconds)
    assert (low, middle, high) == (1, 1, 1)


@pytest.mark.slow
def test_a_device_needs_no_torch(store: Store) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from demos.coevolution.deploy.runtime import Student; "
        f"Student(Path({str(store.deployed('device'))!r}))('a good film'); "
        "print(sorted(name for name in ('torch', 'transformers', 'pydantic', 'scipy') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"

"""Two processes and a link that may be slow or cut: nothing that a person said is lost, or counted twice."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from demos.coevolution.deploy.gate import written
from demos.coevolution.link.bucket import Bucket, Proxy
from demos.coevolution.link.device import OnDevice
from demos.coevolution.link.feedback import Kept, Queue, Said
from demos.coevolution.link.report import _ways
from demos.coevolution.link.trial import Task, cloud_process, may_shape, shaped
from demos.coevolution.models.device import by_chance
from demos.coevolution.models.words import words
from demos.coevolution.versions.store import Store
from shared.errors import UserError

NOBODY = 1  # a port at which nobody listens
WORDS = [(f"text {number}", number % 9 - 4) for number in range(120)]


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model for both sides: here only the link matters."""
    device = by_chance(words().size, 0).eval()
    with torch.no_grad():
        device.vectors.weight.mul_(5)
    store = Store(tmp_path_factory.mktemp("students"))
    return store.folder / store.add("device", written(device, 8), data="00", scores={}).name


def all_kept(file: Path) -> list[Said]:
    with contextlib.closing(Kept(file)) as kept:
        return kept.all()


@pytest.fixture
def on_device(version: Path, tmp_path: Path) -> Iterator[Callable[..., OnDevice]]:
    with contextlib.ExitStack() as stack:
        yield lambda *how: stack.enter_context(contextlib.closing(OnDevice(version, tmp_path / "queue", *how)))


def test_the_cloud_keeps_each_word_once(tmp_path: Path) -> None:
    words = [Said("a", "text", 1), Said("b", "another", -2)]
    with contextlib.closing(Kept(tmp_path / "kept")) as kept:
        assert kept.keep(words) == ["a", "b"]
        assert kept.keep([*words, Said("c", "text", 1)]) == ["a", "b", "c"]
    assert [word.identity for word in all_kept(tmp_path / "kept")] == ["a", "b", "c"]


def test_a_word_stays_with_the_device_until_it_has_arrived(tmp_path: Path) -> None:
    with contextlib.closing(Queue(tmp_path / "queue")) as queue:
        names = [queue.put(*word) for word in WORDS[:5]]
        queue.forget(names[:2])
    with contextlib.closing(Queue(tmp_path / "queue")) as queue:
        assert [word.identity for word in queue.oldest()] == names[2:]
        assert [(word.text, word.rating) for word in queue.oldest(1)] == [WORDS[2]]


def test_long_words_go_in_as_many_messages_as_they_need(
    version: Path, on_device: Callable[..., OnDevice], tmp_path: Path
) -> None:
    with cloud_process(version, tmp_path) as (port, _):
        device = on_device(port, "cloud", 1.0)
        for number in range(60):
            device.say(f"{number} " + "x" * 19_000, 1)
        with pytest.raises(UserError, match="at most 20,000"):
            device.say("x" * 30_000, 1)
        assert device.send_feedback() == 60
    assert len(device.queue) == 0


def test_without_a_link_the_device_goes_on_alone(on_device: Callable[..., OnDevice]) -> None:
    device = on_device(NOBODY, "cloud", 1.0)
    answer = device.answer("a good film")
    assert (answer.by, answer.bytes) == ("device", 0)
    device.say("a good film", 3)
    assert device.send_feedback() == 0
    assert len(device.queue) == 1


def test_who_has_a_share_of_a_core_takes_longer(
    on_device: Callable[..., OnDevice], monkeypatch: pytest.MonkeyPatch
) -> None:
    device = on_device(NOBODY, "device", 1.0, 1.0, 0.25)
    computed = iter([5.0, 5.01])
    monkeypatch.setattr("time.thread_time", lambda: next(computed))
    whole = device.answer("a good film").seconds
    assert whole >= 0.01 * (1 / 0.25 - 1)


def test_a_cut_link_loses_no_word(
    version: Path, on_device: Callable[..., OnDevice], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demos.coevolution.link.device.PAUSE", 0.0)
    with cloud_process(version, tmp_path) as (port, process):
        device = on_device(port, "cascade", 1.01)
        assert device.answer("a good film").by == "cloud"
        for word in WORDS[:60]:
            device.say(*word)
        assert device.send_feedback() == 60
        process.kill()
        process.wait()
        assert device.answer("a good film").by == "device"
        for word in WORDS[60:]:
            device.say(*word)
        assert device.send_feedback() == 0
        assert len(device.queue) == 60
    with cloud_process(version, tmp_path, port):
        assert device.send_feedback() == 60
        assert device.answer("a good film").by == "cloud"
    assert len(device.queue) == 0
    assert [(word.text, word.rating) for word in all_kept(tmp_path / "kept.sqlite")] == WORDS


def test_a_word_whose_receipt_was_lost_counts_once(
    version: Path, on_device: Callable[..., OnDevice], tmp_path: Path
) -> None:
    with cloud_process(version, tmp_path) as (port, _):
        device = on_device(port, "device", 1.0)
        device.say("a good film", 3)
        # The cloud keeps it, but the device is cut off before it hears so.
        device.queue.forget = lambda identities: None  # type: ignore[method-assign]
        words = device.queue.oldest()
        wire = device._connected()
        assert wire is not None
        for _ in range(2):
            wire.send({"said": [[word.identity, word.text, word.rating] for word in words]})
            assert wire.receive() == {"kept": [words[0].identity]}
    assert len(all_kept(tmp_path / "kept.sqlite")) == 1


SPEAKING = """
import sys
from pathlib import Path
from demos.coevolution.link.feedback import Queue
queue = Queue(Path(sys.argv[1]))
for number in range(100000):
    queue.put(f"text {number}", 1)
    print(number, flush=True)
"""


def test_a_device_that_is_killed_has_kept_all_that_it_said_it_had(tmp_path: Path) -> None:
    speaking = subprocess.Popen([sys.executable, "-c", SPEAKING, str(tmp_path / "queue")], stdout=subprocess.PIPE)
    assert speaking.stdout is not None
    with speaking.stdout as stdout:
        said = [int(stdout.readline()) for _ in range(25)]
        os.kill(speaking.pid, signal.SIGKILL)
        said += [int(line) for line in stdout.read().split()]
    speaking.wait()
    with contextlib.closing(Queue(tmp_path / "queue")) as queue:
        kept = [word.text for word in queue.oldest(100_000)]
    # One more may be on the disk than it came to tell.
    assert kept[: len(said)] == [f"text {number}" for number in said]
    assert len(kept) - len(said) in (0, 1)


STARTING = """
import sys, time
from pathlib import Path
from demos.coevolution.link.trial import cloud_process
with cloud_process(Path(sys.argv[1]), Path(sys.argv[2])) as (port, process):
    print(process.pid, flush=True)
    time.sleep(60)
"""


def test_a_cloud_ends_with_who_started_it(version: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTING, str(version), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as starting:
        assert starting.stdout is not None
        cloud = int(starting.stdout.readline())
        os.kill(starting.pid, signal.SIGKILL)
    until = time.monotonic() + 10
    while time.monotonic() < until and _runs(cloud):
        time.sleep(0.05)
    assert not _runs(cloud)


def _runs(process: int) -> bool:
    # One that has ended and whom nobody asked how is a zombie.
    stat = Path(f"/proc/{process}/stat")
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_what_is_no_message_ends_a_connection_and_nothing_else(
    version: Path, on_device: Callable[..., OnDevice], tmp_path: Path
) -> None:
    import socket

    with cloud_process(version, tmp_path) as (port, process):
        for junk in (b"GET / HTTP/1.1\r\n\r\n", b"\x00\x00\x00\x02[]", b"\x00\x00\x00\x05{bad}"):
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(junk)
                connection.shutdown(socket.SHUT_WR)
                assert connection.recv(10) == b""
        device = on_device(port, "cloud", 1.0)
        assert device.answer("a good film").by == "cloud"
        assert process.poll() is None


def test_a_bucket_lets_through_as_much_as_its_rate() -> None:
    bucket = Bucket(rate=10_000, burst=1000)
    start = time.monotonic()
    for _ in range(4):
        bucket.take(1000)
    # The first thousand are free; sleeping is never too short.
    assert 0.3 <= time.monotonic() - start < 2


def test_who_knows_when_to_ask_asks_where_it_helps() -> None:
    def said(positive: list[float], seconds: float, count: int) -> list[dict[str, float]]:
        return [{"positive": each, "seconds": seconds, "bytes": count} for each in positive]

    # Right are: both; the cloud alone; the device alone; neither.
    labels = np.array([1, 1, 0, 0])
    answers = {"device": said([0.9, 0.1, 0.1, 0.9], 1.0, 0), "cloud": said([0.9, 0.9, 0.9, 0.9], 10.0, 7)}
    way = _ways(answers, labels)["oracle"]
    assert way.seconds.tolist() == [1, 11, 1, 1]
    assert way.bytes.tolist() == [0, 7, 0, 0]
    assert way.right.tolist() == [True, True, True, False]


def test_a_proxy_passes_on_what_is_said(version: Path, on_device: Callable[..., OnDevice], tmp_path: Path) -> None:
    with cloud_process(version, tmp_path) as (port, _):
        proxy = Proxy(port, Bucket(1e6, 4096))
        device = on_device(proxy.port, "cloud", 1.0)
        answer = device.answer("a good film")
        assert answer.by == "cloud"
        assert 40 < answer.bytes < 80
        proxy.close()


@pytest.mark.slow
@pytest.mark.parametrize("proxy", [True, False])
def test_a_slow_link_is_slow_for_who_uses_it(version: Path, tmp_path: Path, proxy: bool) -> None:
    if not proxy and not may_shape():
        pytest.skip("the system does not let a link be shaped")
    # Twenty texts of 500 bytes over 8 kB/s, of which the first 4 kB are free.
    task = Task(str(version), str(version), 0.0, 64_000, 1.0, ["good " * 100] * 20, proxy)
    found = shaped(task, tmp_path)
    seconds = {mode: sum(answer["seconds"] for answer in answers) for mode, answers in found.items()}
    assert seconds["cloud"] > 0.7
    assert seconds["device"] < 0.5
    assert {answer["by"] for answer in found["cascade"]} == {"device"}

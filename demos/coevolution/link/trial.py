"""One link of one rate: a process of the cloud, one of the device, and the same texts through each way to answer.

    python -m demos.coevolution.link.trial TASK.json RESULT.json

It is started inside a private network whose loopback is shaped, where the system allows that.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from demos.coevolution.link.bucket import Bucket, Proxy
from demos.coevolution.link.device import Mode, OnDevice
from demos.coevolution.link.parent import child, end_with_parent

BURST = 4096  # bytes
READY = 60.0  # seconds until the cloud is there, and that an answer may take
MTU = 1500
SHAPE = (
    f"ip link set lo mtu {MTU} up && tc qdisc add dev lo root tbf rate {{rate}}bit burst {BURST} latency 5s"
    ' && exec "$@"'
)


@dataclass(frozen=True)
class Task:
    """cloud, device: folders of versions; border: of the cascade; rate: of the link [bit/s]; share: of a core
    that the device has; proxy: the link is a process of ours, not the system's."""

    cloud: str
    device: str
    border: float
    rate: float
    share: float
    texts: list[str]
    proxy: bool


def shaped(task: Task, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Answers of each way, in a process of its own."""
    task_file, result_file = folder / "task.json", folder / "result.json"
    task_file.write_text(json.dumps(asdict(task)), encoding="utf-8")
    command = [sys.executable, "-m", __name__, str(task_file), str(result_file)]
    if not task.proxy:
        command = ["unshare", "-rn", "bash", "-c", SHAPE.format(rate=int(task.rate)), "link", *command]
    with child(command, stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"}) as process:
        if process.wait():
            raise RuntimeError(f"the link's process ended with {process.returncode}")
    return dict(json.loads(result_file.read_text(encoding="utf-8")))


def may_shape() -> bool:
    """Whether the system lets us have a private network and shape it."""
    command = ["unshare", "-rn", "bash", "-c", SHAPE.format(rate=1_000_000), "link", "true"]
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def cloud_process(version: Path, folder: Path, port: int = 0) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A process of the cloud that is ready, and its port; it is ended afterwards."""
    port_file = folder / "port"
    port_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "demos.coevolution.link.cloud", str(version), str(folder / "kept.sqlite")]
    with child([*command, str(port_file), str(port)]) as process:
        until = time.monotonic() + READY
        while not port_file.is_file():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the cloud's process did not start")
            time.sleep(0.02)
        yield int(port_file.read_text()), process


def _trial(task: Task) -> dict[str, list[dict[str, Any]]]:
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    found: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with cloud_process(Path(task.cloud), folder) as (port, process):
            if len(cores) > 1:
                os.sched_setaffinity(process.pid, set(cores[1:]))
                os.sched_setaffinity(0, {cores[0]})
            proxy = Proxy(port, Bucket(task.rate / 8, BURST)) if task.proxy else None
            for mode in get_args(Mode):
                queue, to = folder / "queue.sqlite", proxy.port if proxy else port
                with contextlib.closing(
                    OnDevice(Path(task.device), queue, to, mode, task.border, READY, task.share)
                ) as device:
                    device.answer("a warm start")
                    found[mode] = [asdict(device.answer(text)) for text in task.texts]
            if proxy:
                proxy.close()
    return found


if __name__ == "__main__":
    end_with_parent()
    result = _trial(Task(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
    Path(sys.argv[2]).write_text(json.dumps(result), encoding="utf-8")

"""Rounds as messages of Flower: who sees what, how often, and that nobody else is called."""

import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from demos.private_training.learn.networks import linear
from demos.private_training.trust.backends import quiet_flower
from demos.private_training.trust.federate import trained_together
from demos.private_training.trust.owner import numbers
from shared.errors import UserError
from tests.demos.private_training.three_owners import RECIPE, plan, three, weights


def test_who_carries_the_messages_sees_no_owners_numbers() -> None:
    quiet_flower()
    from flwr.app import Context, Message, RecordDict

    from demos.private_training.trust.apps import coordinator_app, owners_app
    from demos.private_training.trust.grid import LocalGrid

    owners, seen = three(), list[Message]()

    class Watched(LocalGrid):
        def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
            sent = list(messages)
            answers = list(super().send_and_receive(sent))
            seen.extend([*sent, *answers])
            return answers

    agreed, start = plan(owners, 1.0), linear(5, 2)
    app = coordinator_app(start, agreed, lambda model: None)
    app(Watched(owners_app(owners, start, agreed), 3), Context(1, 1, {}, RecordDict(), {}))
    records = [record for message in seen for record in message.content.config_records.values()]
    values = [value for record in records for value in record.values() if isinstance(value, bytes)]
    secrets = [numbers(owner, start, agreed, 0) for owner in owners]
    assert len([value for value in values if len(value) == secrets[0].nbytes]) == 3 * RECIPE.steps
    assert not any(secret.tobytes() in value for secret in secrets for value in values)
    published = [record["sum"] for record in records if "sum" in record][:3]
    total = np.sum([np.frombuffer(part, np.uint64) for part in published], axis=0, dtype=np.uint64).view(np.int64)
    np.testing.assert_array_equal(total, np.sum(secrets, axis=0))


def test_an_owner_takes_part_in_each_round_once_and_in_no_more_than_were_paid_for() -> None:
    quiet_flower()
    from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict

    from demos.private_training.trust.apps import owners_app
    from demos.private_training.trust.grid import LocalGrid

    owners, start = three(), linear(5, 2)
    grid = LocalGrid(owners_app(owners, start, plan(owners, 1.0)), 3)
    node = next(iter(grid.get_node_ids()))
    (met,) = grid.send_and_receive([Message(RecordDict({"asked": ConfigRecord()}), node, "query.meet")])
    keys = [met.content["answer"]["key"]] * 3
    zeros = [parameter.detach().numpy() for parameter in start.parameters()]

    def ask(step: int) -> None:
        asked = {"weights": ArrayRecord(zeros), "asked": ConfigRecord({"step": step, "keys": keys})}
        grid.send_and_receive([Message(RecordDict(asked), node, "train.split")])

    ask(0)
    for step in (0, 2, -1):
        with pytest.raises(UserError, match="takes part in each round once"):
            ask(step)
    for step in range(1, RECIPE.steps):
        ask(step)
    with pytest.raises(UserError, match="takes part in each round once"):
        ask(RECIPE.steps)
    # Nor can a new meeting begin it all again.
    with pytest.raises(UserError, match="met before"):
        grid.send_and_receive([Message(RecordDict({"asked": ConfigRecord()}), node, "query.meet")])


def test_it_calls_nobody_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: Any) -> None:
    def refuse(*arguments: Any, **names: Any) -> None:
        raise AssertionError(f"a call to {arguments}")

    for name in ("connect", "connect_ex", "sendto", "bind"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    owners = three()
    trained_together(linear(5, 2), owners, plan(owners, 1.0))
    from flwr.supercore import telemetry

    assert telemetry.FLWR_TELEMETRY_ENABLED == "0"
    assert list(tmp_path.rglob("*")) == []
    assert "".join(capfd.readouterr()) == ""


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Ray's own
def test_flowers_simulation_on_ray_gives_the_same_model() -> None:
    pytest.importorskip("ray", reason='needs Ray: pip install -e ".[ray]"')
    owners = three()
    agreed = plan(owners, 1.0)
    here, there = (weights(trained_together(linear(5, 2), owners, agreed, name)) for name in ("process", "ray"))
    assert torch.equal(here, there)


def test_without_ray_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    owners = three()
    with pytest.raises(UserError, match=r'pip install -e "\.\[ray\]"'):
        trained_together(linear(5, 2), owners, plan(owners), "ray")

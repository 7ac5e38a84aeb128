"""The rounds as Flower's apps: owners are a ClientApp, the coordinator is a ServerApp, and Messages go between.

A round has two exchanges. In the first each owner turns its numbers into shares, keeps one and seals the others for
their receivers; in the second the coordinator has handed the letters on, and each owner answers with the sum of what it
was given. What an owner must remember between two messages is in its Context, which Flower keeps on the owner's side.
"""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp

from demos.private_training.learn.fit import take_into_mean, trained
from demos.private_training.step.bits import SystemBits
from demos.private_training.trust.owner import Owner, code_hash, load, numbers
from demos.private_training.trust.sealed import private_key, public_key, seal, unseal
from demos.private_training.trust.shares import added, joined, split
from shared.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flwr.app import Context
    from flwr.serverapp import Grid
    from numpy.typing import NDArray
    from torch import nn

    from demos.private_training.trust.plan import Plan

    Weights = list[NDArray[np.float32]]

PLACE = "partition-id"  # of an owner, in the configuration that Flower gives a node
MEET, SPLIT, ADD = "query.meet", "train.split", "train.add"
PATIENCE = 60.0  # for owners to come [s]


def owners_app(owners: Sequence[Owner], model: nn.Module, plan: Plan) -> ClientApp:
    """What each owner runs. model: gives the layers; weights come with every round."""
    app = ClientApp()

    def reply(message: Message, record: ConfigRecord) -> Message:
        return Message(RecordDict({"answer": record}), reply_to=message)

    @app.query("meet")
    def meet(message: Message, context: Context) -> Message:
        key, place = private_key(), _place(context)
        # Else all rounds could be had once more.
        if "own" in context.state:
            raise UserError(f"trust: {owners[place].name} met before in this training")
        context.state["own"] = ConfigRecord({"key": key, "step": -1})
        return reply(message, ConfigRecord({"place": place, "key": public_key(key), "code": code_hash()}))

    @app.train("split")
    def split_own(message: Message, context: Context) -> Message:
        place = _place(context)
        own, asked = _record(context.state, "own"), _record(message.content, "asked")
        step = int(asked["step"])
        # A second answer to the same round would have other noise, and the mean of both less of it.
        if step != own["step"] + 1 or step >= plan.recipe.steps:
            raise UserError(f"trust: {owners[place].name} takes part in each round once, and was asked for {step}")
        weights = message.content.array_records["weights"].to_numpy_ndarrays()
        secret = numbers(owners[place], load(copy.deepcopy(model), weights), plan, step)
        shares = split(secret, plan.owners, SystemBits())  # they cancel out: no seed is needed
        own.update({"step": step, "kept": shares[place].tobytes(), "keys": asked["keys"]})
        letters: dict[str, Any] = {
            str(other): seal(shares[other].tobytes(), own["key"], asked["keys"][other], _about(place, other, step))
            for other in range(plan.owners)
            if other != place
        }
        return reply(message, ConfigRecord(letters))

    @app.train("add")
    def add_given(message: Message, context: Context) -> Message:
        place = _place(context)
        own, letters = _record(context.state, "own"), _record(message.content, "letters")
        given = [
            unseal(letter, own["key"], own["keys"][int(sender)], _about(int(sender), place, own["step"]))
            for sender, letter in letters.items()
        ]
        if len(given) != plan.owners - 1:
            raise UserError(f"trust: {owners[place].name} was given {len(given)} shares of {plan.owners - 1}")
        published = added([np.frombuffer(part, np.uint64) for part in [own.pop("kept"), *given]])
        return reply(message, ConfigRecord({"sum": published.tobytes()}))

    return app


def coordinator_app(model: nn.Module, plan: Plan, done: Callable[[nn.Module], None]) -> ServerApp:
    """Who sends weights round and adds up what is published; it sees sums of all owners alone. done: gets the model."""
    app = ServerApp()

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        nodes, keys = _met(grid, plan.owners)
        done(_descended(model, plan, lambda weights, step: _total(grid, nodes, keys, weights, step)))

    return app


def _descended(model: nn.Module, plan: Plan, total: Callable[[Weights, int], NDArray[np.int64]]) -> nn.Module:
    """A copy of `model` after all rounds, as `learn.fit` goes. total: weights and round -> the sum of all owners, in
    steps of the lattice."""
    recipe, model = plan.recipe, copy.deepcopy(model)
    average = copy.deepcopy(model).requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum)
    first = recipe.steps - max(1, round(recipe.steps * recipe.averaged))
    size = sum(parameter.numel() for parameter in trained(model))
    for step in range(recipe.steps):
        weights = [parameter.detach().numpy().copy() for parameter in trained(model)]
        whole = torch.from_numpy(total(weights, step)).double().mul_(plan.step(size) / plan.parts)
        pieces = whole.float().split([parameter.numel() for parameter in trained(model)])
        for parameter, piece in zip(trained(model), pieces, strict=True):
            parameter.grad = piece.view_as(parameter)
        optimizer.step()
        take_into_mean(average, model, step - first)
    return average.requires_grad_(True).eval()


def _met(grid: Grid, owners: int) -> tuple[list[int], list[bytes]]:
    """Nodes and public keys of all owners, each at its place."""
    until = time.monotonic() + PATIENCE
    while len(found := list(grid.get_node_ids())) < owners and time.monotonic() < until:
        time.sleep(0.1)
    answers = _asked(grid, MEET, {node: {"asked": ConfigRecord()} for node in found})
    at = {int(answer["place"]): (node, answer) for node, answer in answers.items()}
    if sorted(at) != list(range(owners)):
        raise UserError(f"trust: {len(at)} of {owners} owners answered")
    # They run from one copy of the code here: that they could be different is what the hash would show.
    if any(answer["code"] != code_hash() for _, answer in at.values()):
        raise UserError("trust: an owner says that it runs other code than the coordinator expects")
    return [at[place][0] for place in range(owners)], [at[place][1]["key"] for place in range(owners)]


def _total(grid: Grid, nodes: list[int], keys: list[bytes], weights: Weights, step: int) -> NDArray[np.int64]:
    """The sum of all owners' numbers, of which no single one was seen here."""
    asked = ConfigRecord({"step": step, "keys": keys})
    letters = _asked(grid, SPLIT, {node: {"weights": ArrayRecord(weights), "asked": asked} for node in nodes})
    handed = {
        node: {
            "letters": ConfigRecord(
                {
                    str(sender): letters[other][str(place)]
                    for sender, other in enumerate(nodes)
                    if str(place) in letters[other]
                }
            )
        }
        for place, node in enumerate(nodes)
    }
    published = _asked(grid, ADD, handed)
    return joined([np.frombuffer(published[node]["sum"], np.uint64) for node in nodes])


def _asked(grid: Grid, kind: str, contents: dict[int, dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Send each node its records, and wait for all answers. Raises UserError with what an owner says is wrong."""
    messages = [Message(RecordDict(records), node, kind) for node, records in contents.items()]
    answers: dict[int, dict[str, Any]] = {}
    for answer in grid.send_and_receive(messages):
        if answer.has_error():
            raise UserError(f"trust: an owner cannot go on: {(answer.error.reason or '').strip()}")
        answers[answer.metadata.src_node_id] = dict(_record(answer.content, "answer"))
    return answers


def _record(content: RecordDict, name: str) -> Any:
    """A record of settings. Its values have a type of ours at each name, and of any kind for a checker."""
    return content.config_records[name]


def _place(context: Context) -> int:
    return int(context.node_config[PLACE])


def _about(sender: int, receiver: int, step: int) -> str:
    return f"round {step}, from {sender} to {receiver}"

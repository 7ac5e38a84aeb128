"""Flower's Grid in one process: its nodes are contexts here, each of which answers at once when it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flwr.app import Context, Message, RecordDict
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from demos.private_training.trust.apps import PLACE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flwr.clientapp import ClientApp

COORDINATOR = 1  # its number as a node; those of owners follow


class LocalGrid(Grid):
    """Runs `app` for each of `count` nodes; what goes wrong in it is raised as it is."""

    def __init__(self, app: ClientApp, count: int) -> None:
        self._app = app
        self._contexts = {
            COORDINATOR + 1 + place: Context(
                COORDINATOR, COORDINATOR + 1 + place, {PLACE: place, "num-partitions": count}, RecordDict(), {}
            )
            for place in range(count)
        }
        self._answers: dict[str, Message] = {}
        self._sent = 0
        self.set_run(Run.create_empty(COORDINATOR))

    def set_run(self, run: Run) -> None:
        """A message takes its sender from the run that is set."""
        self._run = run
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = run.run_id, COORDINATOR, COORDINATOR

    @property
    def run(self) -> Run:
        """What was set."""
        return self._run

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        """The same as `Message`."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """Of all owners."""
        return list(self._contexts)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Have each answered, and return names under which the answers are kept."""
        names = []
        for message in messages:
            self._sent += 1
            names.append(str(self._sent))
            self._answers[names[-1]] = self._app(message, self._contexts[message.metadata.dst_node_id])
        return names

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Answers, each of them once."""
        return [self._answers.pop(name) for name in message_ids if name in self._answers]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Iterable[Message]:
        """Answers to all messages, at once."""
        return self.pull_messages(self.push_messages(messages))

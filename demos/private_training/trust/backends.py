"""Who carries the messages: this process, or Flower's simulation on Ray. Both run the same apps.

Flower has no engine that runs apps in one process: its own needs Ray, and takes seconds to start and to answer.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from shared.errors import UserError

if TYPE_CHECKING:
    from flwr.clientapp import ClientApp
    from flwr.serverapp import ServerApp

Backend = Literal["process", "ray"]


def quiet_flower() -> None:
    """Flower shall call nobody and say nothing but errors; before its first import, or after."""
    os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
    from flwr.supercore import telemetry

    telemetry.FLWR_TELEMETRY_ENABLED = "0"
    logging.getLogger("flwr").setLevel(logging.ERROR)


def run_apps(coordinator: ServerApp, owners: ClientApp, count: int, backend: Backend) -> None:
    """Run the coordinator until it is done, with `count` owners. Raises UserError for a backend that is not there."""
    if backend == "ray":
        _on_ray(coordinator, owners, count)
    else:
        from flwr.app import Context, RecordDict

        from demos.private_training.trust.grid import COORDINATOR, LocalGrid

        coordinator(LocalGrid(owners, count), Context(COORDINATOR, COORDINATOR, {}, RecordDict(), {}))


def _on_ray(coordinator: ServerApp, owners: ClientApp, count: int) -> None:
    if importlib.util.find_spec("ray") is None:
        raise UserError('trust.backend=ray needs Ray, which is not installed: pip install -e ".[ray]"')
    from flwr.simulation import run_simulation

    # Flower would rather have it started by its own command line, which takes apps by their names in a project's file.
    with tempfile.TemporaryDirectory() as folder, _variables(FLWR_HOME=folder, RAY_USAGE_STATS_ENABLED="0"):
        run_simulation(
            server_app=coordinator,
            client_app=owners,
            num_supernodes=count,
            backend_config={
                "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
                "init_args": {"logging_level": logging.ERROR, "log_to_driver": False},
            },
        )


@contextmanager
def _variables(**values: str) -> Iterator[None]:
    """Variables of the environment, and afterwards all of them as they were: Flower leaves paths there for Ray."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)

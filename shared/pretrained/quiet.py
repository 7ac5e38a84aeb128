"""Libraries of models, kept off the network and off the terminal."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def silent_logs() -> Iterator[None]:
    """No library logs anything; what goes wrong is raised, and told once."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(disabled)


@contextlib.contextmanager
def quiet_and_offline() -> Iterator[None]:
    """Keep the hub libraries off the network and off the terminal while they read local folders."""
    from huggingface_hub import constants
    from transformers.utils import logging as transformers_logging

    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    # diffusers has bars of its own; where nobody imported it, it is not imported for this.
    others: Any = sys.modules.get("diffusers.utils.logging")
    shown = others is not None and others.is_progress_bar_enabled()
    if shown:
        others.disable_progress_bar()
    # The environment variable of this name is read once, when the library is imported.
    offline, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        with silent_logs():
            yield
    finally:
        constants.HF_HUB_OFFLINE = offline
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
        if shown:
            others.enable_progress_bar()

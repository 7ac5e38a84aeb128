"""Finds demos by name. The registry is read from the `demos` package at run time; nothing here imports it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from shared.demo import Demo
from shared.errors import UserError
from shared.names import did_you_mean


def entries() -> dict[str, str]:
    """slug -> "module:attribute", as registered."""
    return dict(importlib.import_module("demos").DEMOS)


def verbs() -> dict[str, Callable[..., Any]]:
    """The verbs that demos bring: name -> function with typer's annotations, whose docstring is its help."""
    found = {}
    for name, place in getattr(importlib.import_module("demos"), "VERBS", {}).items():
        module, attribute = place.split(":")
        found[name] = getattr(importlib.import_module(module), attribute)
    return found


def where(slug: str) -> str:
    """The "module:attribute" of a demo. Raises UserError, with the nearest name, when there is none of this name."""
    known = entries()
    if slug not in known:
        raise UserError(f"unknown demo {slug!r}{did_you_mean(slug, known)}")
    return known[slug]


def get(slug: str) -> Demo:
    """Import one demo. Raises UserError, with the nearest name, when there is none of this name."""
    module, attribute = where(slug).split(":")
    demo = getattr(importlib.import_module(module), attribute)
    if not isinstance(demo, Demo):
        raise TypeError(f"{module}:{attribute} is not a Demo")
    return demo

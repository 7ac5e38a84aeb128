"""A config as YAML that explains itself."""

from __future__ import annotations

import textwrap
from typing import Any

import yaml

from shared.config import DemoConfig, rule, walk


def to_yaml(config: DemoConfig, comments: bool = True) -> str:
    """The resolved config as YAML that `--config` reads back unchanged; with comments, one before each field."""
    docs = {path: _comment(schema) for path, schema in walk(type(config))} if comments else {}
    return "".join(_lines(config.model_dump(mode="json"), docs))


def _lines(data: dict[str, Any], docs: dict[str, str], at: str = "") -> list[str]:
    lines: list[str] = []
    indent = "  " * at.count(".") + ("  " if at else "")
    for key, value in data.items():
        path = f"{at}.{key}" if at else key
        if docs.get(path):
            wrapped = textwrap.wrap(docs[path], 110 - len(indent))
            lines += [f"{indent}# {line}\n" for line in wrapped]
        if isinstance(value, dict) and value:
            lines += [f"{indent}{key}:\n", *_lines(value, docs, path)]
        else:
            lines.append(f"{indent}{key}: {_dump(value)}\n")
    return lines


def _dump(value: Any) -> str:
    # Flow style: a list of numbers stays on one line.
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


def _comment(schema: dict[str, Any]) -> str:
    description = " ".join(str(schema.get("description", "")).split())
    limits = rule(schema)
    if not limits or limits in ("a section of keys", "string"):
        return description
    return f"{description} [{limits}]".strip()

"""YAML as people mean it: the 1.2 core scalars, no duplicate keys, errors with file and line.

YAML 1.1, which PyYAML reads by default, turns `07:00` into 420, `no` into False and leaves `1e-3` a string.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from shared.errors import UserError


class _Loader(yaml.SafeLoader):
    """The safe loader with YAML 1.2 core scalars and without duplicate keys."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML copies it per class

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.value in seen and isinstance(key.value, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is given twice, on lines {seen[key.value]} and {line}"
                )
            seen[str(key.value)] = line
        return super().construct_mapping(node, deep)


def _integer(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


_SCALARS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", list("-+.")),
    ("merge", r"<<", ["<"]),
)
for _tag, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)


def parse(text: str, source: str) -> Any:
    """Parse one YAML document; `source` names it in errors. Raises UserError on bad syntax and on duplicate keys.

    >>> parse("{open: 07:00, rate: 1e-3, wifi: no}", "example")
    {'open': '07:00', 'rate': 0.001, 'wifi': 'no'}
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{source}{line}: {error.problem or 'not valid YAML'}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{source}: not valid YAML: {' '.join(str(error).split())}") from None


def read_mapping(file: Path, source: str | None = None) -> dict[str, Any]:
    """Read a YAML file that holds a mapping; an empty file is an empty mapping. Raises UserError otherwise."""
    source = source or str(file)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{source}: no such file") from None
    except UnicodeDecodeError:
        raise UserError(f"{source}: not a text file in UTF-8") from None
    except OSError as error:
        raise UserError(f"{source}: cannot be read ({error.strerror})") from None
    data = parse(text, source)
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise UserError(f"{source}: must hold `key: value` lines, got a {type(data).__name__}")
    return data

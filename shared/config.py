"""Typed configs: defaults < base.yaml < <profile>.yaml < --config file < overrides, validated into one frozen model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from shared import ROOT
from shared.errors import UserError
from shared.names import did_you_mean
from shared.yaml12 import parse, read_mapping


class Section(BaseModel):
    """A group of config fields: immutable, no unknown keys, no NaN. Nested groups derive from it too."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


class DemoConfig(Section):
    """What every demo's config starts with."""

    seed: int = Field(
        default=0, ge=0, description="Seed of all random numbers; same seed, same metrics. Integer from 0."
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        default="auto", description="Where to compute; auto takes the best device present."
    )


V = TypeVar("V")


def different(values: list[V]) -> list[V]:
    """Of a list field, with pydantic's AfterValidator. Raises ValueError where something stands in it twice.

    >>> different([1, 2])
    [1, 2]
    """
    if twice := [value for place, value in enumerate(values) if value in values[:place]]:
        raise ValueError(f"{twice[0]!r} stands in it twice")
    return values


C = TypeVar("C", bound=DemoConfig)


def config_folder(slug: str) -> Path:
    """The folder of a demo's shipped YAML files, found from the package, never from the current directory."""
    return ROOT / "configs" / slug


def profiles(slug: str) -> list[str]:
    """Names of the profiles that a demo ships: its YAML files besides base."""
    order = {"smoke": 0, "cpu": 1, "gpu": 2}
    names = [file.stem for file in config_folder(slug).glob("*.yaml") if file.stem != "base"]
    return sorted(names, key=lambda name: (order.get(name, 3), name))


def load(model: type[C], slug: str, profile: str, file: str | Path | None = None, overrides: Sequence[str] = ()) -> C:
    """The validated config of one run.

    model: the demo's config model; slug: its folder under configs/; profile: one of `profiles(slug)`;
    file: the user's own YAML; overrides: `a.b.c=value` strings, the value in YAML.
    Raises UserError with one line: the field's full path, what was given, what is allowed, and where it came from.
    """
    merged: dict[str, Any] = {}
    origin: dict[tuple[str, ...], str] = {}
    for source, data in _layers(slug, profile, file, overrides):
        _merge(merged, data, origin, source)
    try:
        # JSON mode is strict about types (no "5" for 5, no true for 1) and still reads times, dates and tuples.
        return model.model_validate_json(json.dumps(merged, default=str), strict=True)
    except ValidationError as error:
        raise UserError(_message(model, error.errors(include_url=False), merged, origin)) from None


def _layers(
    slug: str, profile: str, file: str | Path | None, overrides: Sequence[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    folder, known = config_folder(slug), profiles(slug)
    if profile not in known:
        raise UserError(f"unknown profile {profile!r} of {slug}{did_you_mean(profile, known)}")
    for name in ("base", profile):
        path = folder / f"{name}.yaml"
        if path.exists():
            yield f"configs/{slug}/{name}.yaml", read_mapping(path, f"configs/{slug}/{name}.yaml")
    if file is not None:
        yield str(file), read_mapping(Path(file).expanduser())
    for text in overrides:
        yield f"override {text!r}", _override(text)


def _override(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    parts = key.split(".")
    if not equals or not all(part.strip() for part in parts):
        raise UserError(f"override {text!r}: must read key=value or section.key=value")
    data: Any = parse(value, f"override {text!r}")
    for part in reversed(parts):
        data = {part.strip(): data}
    return dict(data)


def _merge(
    into: dict[str, Any],
    data: Mapping[str, Any],
    origin: dict[tuple[str, ...], str],
    source: str,
    at: tuple[str, ...] = (),
) -> None:
    """Merge mappings deeply; anything else replaces. Notes for each path which source spoke last."""
    for raw, value in data.items():
        key = str(raw)
        origin[(*at, key)] = source
        if isinstance(value, Mapping):
            if not isinstance(into.get(key), dict):
                into[key] = {}
            _merge(into[key], value, origin, source, (*at, key))
        else:
            into[key] = value


def _message(
    model: type[BaseModel], errors: list[ErrorDetails], data: dict[str, Any], origin: Mapping[tuple[str, ...], str]
) -> str:
    # An unknown key first: it is most often the cause of the others.
    first = next((error for error in errors if error["type"] == "extra_forbidden"), errors[0])
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    location = first["loc"]
    names = tuple(str(part) for part in location)
    source = next((origin[names[:end]] for end in range(len(names), 0, -1) if names[:end] in origin), "")
    where = f" (from {source})" if source else ""
    path = _dotted(location, data)
    if first["type"] == "extra_forbidden":
        known = [name for name, _ in walk(model)]
        return f"unknown key {path!r}{where}{did_you_mean(path, known)}{more}"
    if first["type"] == "missing":
        path = ".".join(names)
        return f"{path}: must be given{where}; allowed: {allowed(model, path)}{more}"
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        return f"{path + ': ' if path else ''}{reason}{where}{more}"
    given = json.dumps(first["input"], default=str, ensure_ascii=False)
    rule = allowed(model, path) or reason[:1].lower() + reason[1:]
    return f"{path}: got {_short(given)}{where}; allowed: {rule}{more}"


def _dotted(location: tuple[int | str, ...], data: Any) -> str:
    """`a.b[0].c`: the parts that are keys and indices of what was given, without pydantic's names of union arms."""
    text = ""
    for part in location:
        if isinstance(data, dict) and part in data:
            text, data = f"{text}.{part}" if text else str(part), data[part]
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            text, data = f"{text}[{part}]", data[part]
    # A field that was not given at all: a missing one, or a default of ours that is wrong.
    return text or ".".join(map(str, location))


def _short(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def walk(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field of a config model, nested models included: (dotted path, its JSON schema)."""
    schema = model.model_json_schema()
    yield from _walk(schema, schema.get("$defs", {}), prefix)


def _walk(schema: dict[str, Any], definitions: dict[str, Any], prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, field in schema.get("properties", {}).items():
        resolved = _resolve(field, definitions)
        path = f"{prefix}.{name}" if prefix else name
        yield path, resolved
        for inner in [resolved, *resolved.get("anyOf", []), *resolved.get("oneOf", []), resolved.get("items", {})]:
            yield from _walk(_resolve(inner, definitions), definitions, path)


def _resolve(schema: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(schema, dict):
        return {}
    if "$ref" in schema:
        target = definitions[schema["$ref"].rsplit("/", 1)[-1]]
        # The description beside a reference is the field's own; the one inside is the section's docstring.
        return {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def allowed(model: type[BaseModel], path: str) -> str:
    """What a field takes, in words: choices, or type and range. Empty when the schema does not say."""
    plain = ".".join(part.split("[")[0] for part in path.split("."))
    schema = dict(walk(model)).get(plain)
    return rule(schema) if schema else ""


def rule(schema: dict[str, Any]) -> str:
    """A JSON schema in words, for example `integer, at least 0` or `"auto", "cpu"`."""
    if "enum" in schema:
        return ", ".join(json.dumps(choice) for choice in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " or ".join(filter(None, (rule(arm) for arm in schema[union])))
    kind = schema.get("type", "")
    words = [schema.get("format") or {"object": "a section of keys", "array": "list"}.get(kind, kind)]
    if kind == "array" and schema.get("items"):
        words[0] = f"list of {rule(schema['items']) or 'values'}"
    for key, text in _LIMITS.items():
        if key in schema:
            words.append(f"{text} {schema[key]}")
    return ", ".join(filter(None, words))


_LIMITS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
    "minItems": "items at least",
    "maxItems": "items at most",
    "minLength": "length at least",
    "maxLength": "length at most",
    "pattern": "matching",
}

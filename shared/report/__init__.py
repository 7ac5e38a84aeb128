"""result.json and the figures beside it -> one self-contained HTML page, without network and without scripts."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from shared.errors import UserError
from shared.result import SCHEMA_VERSION, Envelope
from shared.run import write_atomically

if TYPE_CHECKING:
    from jinja2 import Environment


def read_envelope(folder: Path) -> Envelope:
    """The record of a finished run. Raises UserError when there is none or its schema is another one."""
    file = folder / "result.json"
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        version = data.get("schema_version")
    except FileNotFoundError:
        raise UserError(f"{folder}: not a run folder (it has no result.json)") from None
    except (ValueError, AttributeError, OSError) as error:
        raise UserError(f"{file}: cannot be read ({error})") from None
    if version != SCHEMA_VERSION:
        raise UserError(
            f"{file}: has schema version {version}, this trendlab reads {SCHEMA_VERSION}; run the demo again"
        )
    try:
        return Envelope.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def write_report(folder: Path) -> Path:
    """Render `report.html` of one run folder and return its path."""
    return render_many([folder], folder / "report.html")


def render_many(folders: Sequence[Path], target: Path) -> Path:
    """Render several runs into one page: a table of all headlines first, then a section for each run."""
    runs = [_section(folder, index) for index, folder in enumerate(folders)]
    title = runs[0]["run"].title if len(runs) == 1 else "Results"
    return render("report.html.j2", target, runs=runs, title=title)


def render(template: str, target: Path, **values: Any) -> Path:
    """Render a template of this folder into `target`, atomically."""
    write_atomically(target, _environment().get_template(template).render(**values))
    return target


def _section(folder: Path, index: int) -> dict[str, Any]:
    run = read_envelope(folder)
    images = {figure.file: _image(folder / figure.file) for figure in run.result.figures}
    config = folder / "config.yaml"
    return {
        "run": run,
        "id": f"run{index}",
        "images": images,
        "config": config.read_text(encoding="utf-8") if config.is_file() else "",
    }


def _image(file: Path) -> dict[str, Any]:
    try:
        drawn = file.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{file}: the figure is missing from the run folder") from None
    width = re.search(rb'<svg[^>]* width="([0-9.]+)pt"', drawn)
    # As an image of its own: ids inside one SVG cannot clash with those of another.
    uri = f"data:image/svg+xml;base64,{base64.b64encode(drawn).decode()}"
    # A wide one scrolls on a phone, where it would else be too small to read.
    return {"uri": uri, "wide": width is not None and float(width[1]) > 430}


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from shared import format as text

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        number=text.number,
        cell=text.cell,
        with_unit=text.with_unit,
        beside_peer=text.beside_peer,
        interval_text=text.interval_text,
        is_text=text.is_text,
        best_rows=text.best_rows,
    )
    return environment

"""`trendlab report` and `trendlab compare`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shared import registry
from shared.commands.tables import headline_table, say, show, table
from shared.errors import UserError
from shared.format import number, with_unit
from shared.names import did_you_mean
from shared.report import read_envelope, render, render_many, write_report
from shared.result import Envelope, Metric
from shared.run import output_root


def finished_runs(root: Path, slug: str) -> list[Path]:
    """The finished run folders of a demo, oldest first; their names start with the time."""
    return sorted(file.parent for file in (root / slug).glob("[!.]*/result.json"))


def find_run(root: Path, text: str) -> Path:
    """The run folder of a path, a run id, or a demo (its latest). Raises UserError when there is none."""
    if (Path(text) / "result.json").is_file():
        return Path(text)
    if runs := finished_runs(root, text):
        return runs[-1]
    every = {folder.name: folder for file in root.glob("*/[!.]*/result.json") for folder in [file.parent]}
    if text in every:
        return every[text]
    raise UserError(f"no run {text!r} in {root}{did_you_mean(text, [*registry.entries(), *sorted(every)])}")


def report(texts: Sequence[str], out: Path | None) -> None:
    """Render the reports of runs again, and one page of all of them when there are several."""
    root = output_root(out)
    folders = [find_run(root, text) for text in texts]
    if not texts:
        folders = [runs[-1] for slug in registry.entries() if (runs := finished_runs(root, slug))]
    if not folders:
        raise UserError(f"no finished run in {root}; start with: trendlab run all")
    for folder in folders:
        write_report(folder)
    show(headline_table(read_envelope(folder) for folder in folders))
    page = render_many(folders, root / "report.html") if len(folders) > 1 else folders[0] / "report.html"
    say(str(page))


def compare(first: str, second: str, out: Path | None) -> None:
    """Print and render how run B differs from run A. Raises UserError when they are runs of different demos."""
    root = output_root(out)
    a, b = (read_envelope(find_run(root, text)) for text in (first, second))
    if a.demo != b.demo or a.verb != b.verb:
        raise UserError(f"{a.run_id} is a {a.verb} of {a.demo} and {b.run_id} a {b.verb} of {b.demo}: not comparable")
    rows = [_row(*pair) for pair in _pairs(a, b)]
    columns = ["metric", "A", "B", "B − A", "B / A", "B is"]
    say(f"{a.demo}: A is {a.run_id}, B is {b.run_id}")
    show(table(columns, rows, right=(1, 2, 3, 4)))
    root.mkdir(parents=True, exist_ok=True)
    target = root / f"compare-{a.run_id}-{b.run_id}.html"
    settings = _settings(a, b)
    title = f"{a.title}: two runs compared"
    say(str(render("compare.html.j2", target, title=title, a=a, b=b, columns=columns, rows=rows, settings=settings)))


def _pairs(a: Envelope, b: Envelope) -> list[tuple[Metric | None, Metric | None]]:
    # A metric of the same name as a headline is the same number.
    of_a, of_b = ({metric.name: metric for metric in _measured(run)} for run in (a, b))
    return [(of_a.get(name), of_b.get(name)) for name in dict.fromkeys([*of_a, *of_b])]


def _measured(run: Envelope) -> list[Metric]:
    """The headlines, then the metrics."""
    fields = ("name", "value", "unit", "direction", "interval")
    first = [Metric(**{field: getattr(headline, field) for field in fields}) for headline in run.result.headlines]
    return [*first, *run.result.metrics]


def _row(a: Metric | None, b: Metric | None) -> tuple[str, str, str, str, str, str]:
    known = b or a
    assert known is not None
    values = (with_unit(a.value, a.unit) if a else "–", with_unit(b.value, b.unit) if b else "–")
    if a is None or b is None or a.unit != b.unit:
        return known.name, *values, "–", "–", "only in A" if b is None else "only in B" if a is None else "other unit"
    share = number(b.value / a.value, 3) if a.value else "–"
    return known.name, *values, number(b.value - a.value), share, _verdict(a, b)


def _verdict(a: Metric, b: Metric) -> str:
    if a.value == b.value:
        return "the same"
    if b.direction == "none":
        return "different"
    better = "better" if (b.value < a.value) == (b.direction == "lower") else "worse"
    if a.interval and b.interval and a.interval.low <= b.interval.high and b.interval.low <= a.interval.high:
        return f"{better}, intervals overlap"
    return better


def _settings(a: Envelope, b: Envelope) -> list[tuple[str, str, str]]:
    """What differs between the two runs besides the metrics."""
    fields = ("profile", "command", "seed", "device", "git_commit", "git_dirty", "platform", "python", "wall_seconds")
    rows = [(name.replace("_", " "), str(getattr(a, name)), str(getattr(b, name))) for name in fields]
    for package in sorted({*a.packages, *b.packages}, key=str.lower):
        rows.append((package, a.packages.get(package, "–"), b.packages.get(package, "–")))
    return [row for row in rows if row[1] != row[2]]

"""The page is complete, stands alone, and quotes nothing that could break it."""

import base64
import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from shared.errors import UserError
from shared.format import beside_peer, best_rows, number
from shared.report import read_envelope, render_many, write_report
from shared.result import (
    Column,
    DataUse,
    Direction,
    Envelope,
    Figure,
    Headline,
    Interval,
    Metric,
    Part,
    Result,
    Table,
)

SVG = '<svg xmlns="http://www.w3.org/2000/svg" id="same"><circle r="5"/></svg>'
INTERVAL = Interval(low=0.7, high=0.9, unit="31 days, paired bootstrap")
RESULT = Result(
    headlines=[
        Headline(
            name="conflicts <per day>",
            value=0.8,
            unit="turns",
            direction="lower",
            peer="greedy & co",
            peer_value=1.6,
            interval=INTERVAL,
        )
    ],
    metrics=[Metric(name="pinball", value=1.5, unit="min", direction="lower", interval=INTERVAL)],
    tables=[
        Table(
            title="Methods",
            columns=[Column(name="method"), Column(name="cost", unit="min", direction="lower"), Column(name="note")],
            rows=[["ours", 1.25, "x"], ["greedy", 2.5, None], ["none", None, None]],
            caption="Cost of each method.",
        )
    ],
    figures=[Figure(file="cost.svg", title="Cost", caption="Cost by day.", alt="A falling line.")],
    data=[DataUse(name="flights", version="1", sha256="ab" * 32, licence="CC0-1.0", rows=336776)],
    notes=["Seats stand for passengers."],
)
IN_PARTS = RESULT.model_copy(
    update={
        "tables": [
            *RESULT.tables,
            Table(title="By <day>", columns=[Column(name="d")], rows=[["1"]] * 25, part="A & B"),
        ],
        "figures": [RESULT.figures[0].model_copy(update={"part": "A & B"})],
        "parts": [Part(title="A & B", intro="All of it is simulated.", notes=["Seen later."]), Part(title="Rest")],
    }
)


def run_folder(folder: Path, **changes: object) -> Path:
    folder.mkdir(parents=True)
    envelope = Envelope(
        demo="toy",
        title="Toy <b>",
        question="Why?",
        profile="smoke",
        run_id=folder.name,
        started_utc="2026-01-02T03:04:05+00:00",
        git_commit="0123456789abcdef",
        git_dirty=True,
        command="trendlab run toy 'name=a b'",
        python="3.11",
        platform="Linux",
        packages={"numpy": "2"},
        device="cpu",
        cpu_threads=2,
        seed=7,
        wall_seconds=1.0,
        cpu_seconds=2.0,
        peak_memory_mb=123.0,
        result=RESULT,
    )
    (folder / "result.json").write_text(envelope.model_copy(update=changes).model_dump_json())
    (folder / "cost.svg").write_text(SVG)
    (folder / "config.yaml").write_text("# <script>\nseed: 7\n")
    return folder


class Page(HTMLParser):
    """Collects what a test asks for, and refuses tags that do not close."""

    VOID = ("meta", "img", "br", "link")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_page_stands_alone_and_is_well_formed(tmp_path: Path) -> None:
    text = write_report(run_folder(tmp_path / "a")).read_text()
    page = Page(text)
    assert page.all("html") == [{"lang": "en"}]
    assert page.all("script") == page.all("link") == []
    addresses = [value for _, attrs in page.tags for name, value in attrs.items() if name in ("src", "href")]
    assert all(value and value.startswith(("data:", "#")) for value in addresses)
    assert "url(" not in text
    assert "@import" not in text
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")


def test_everything_that_was_measured_is_on_it(tmp_path: Path) -> None:
    text = write_report(run_folder(tmp_path / "a")).read_text()
    for words in (
        "Toy &lt;b&gt;",
        "Why?",
        "conflicts &lt;per day&gt;",
        "greedy &amp; co",
        "0.50 × (better)",
        "[0.7, 0.9] turns, 95 % interval over 31 days, paired bootstrap",
        'cost <span class="unit">[min]</span>',
        "<b>1.2</b>",
        "Cost by day.",
        "Seats stand for passengers.",
        "336,776",
        "abababababab",
        "trendlab run toy &#39;name=a b&#39;",
        "# &lt;script&gt;",
        "0123456789ab</code>, with local changes",
        "numpy 2",
    ):
        assert words in text, words


def test_figures_are_images_with_words_and_ids_of_their_own(tmp_path: Path) -> None:
    text = write_report(run_folder(tmp_path / "a")).read_text()
    (image,) = Page(text).all("img")
    assert image["alt"] == "A falling line."
    assert image["src"] is not None
    assert base64.b64decode(image["src"].split(",")[1]).decode() == SVG
    assert 'id="same"' not in text


def test_headings_do_not_skip_a_level(tmp_path: Path) -> None:
    folders = [run_folder(tmp_path / name) for name in ("a", "b")]
    for target in (write_report(folders[0]), render_many(folders, tmp_path / "report.html")):
        levels = [int(level) for level in re.findall(r"<h(\d)", target.read_text())]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_many_runs_share_a_table_of_headlines(tmp_path: Path) -> None:
    folders = [run_folder(tmp_path / name) for name in ("a", "b")]
    page = Page(render_many(folders, tmp_path / "report.html").read_text())
    links = [link["href"] for link in page.all("a")]
    assert links == ["#run0", "#run1"]
    assert [article["id"] for article in page.all("article")] == ["run0", "run1"]


def test_a_report_in_parts(tmp_path: Path) -> None:
    text = write_report(run_folder(tmp_path / "a", result=IN_PARTS)).read_text()
    headings = re.findall(r"<h\d[^>]*>(.*?)</h\d>", text)
    assert headings[1:8] == [
        "Methods",
        "A &amp; B",
        "Cost",
        "By &lt;day&gt;",
        "Notes and limits",
        "Rest",
        "All metrics",
    ]
    links = [link["href"] for link in Page(text).all("a")]
    assert links == ["#run0-table1", "#run0-part1", "#run0-part2"]
    assert text.index("All of it is simulated.") < text.index("Cost by day.") < text.index("Seen later.")
    assert "Table of 25 rows" in text


def test_ids_are_there_and_unique(tmp_path: Path) -> None:
    folders = [run_folder(tmp_path / name, result=IN_PARTS) for name in ("a", "b")]
    text = render_many(folders, tmp_path / "report.html").read_text()
    ids = [attributes["id"] for _, attributes in Page(text).tags if "id" in attributes]
    assert len(set(ids)) == len(ids) == 8
    assert {str(link["href"])[1:] for link in Page(text).all("a")} == set(ids)
    levels = [int(level) for level in re.findall(r"<h(\d)", text)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_all_metrics_are_folded(tmp_path: Path) -> None:
    text = write_report(run_folder(tmp_path / "a")).read_text()
    assert re.search(r"<details><summary>1 metric</summary>\s*<div[^>]*All metrics", text)
    assert "<nav" not in text


def test_a_record_without_parts_is_read(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "a")
    record = json.loads((folder / "result.json").read_text())
    del record["result"]["parts"]
    for kind in ("headlines", "tables", "figures"):
        for item in record["result"][kind]:
            del item["part"]
    (folder / "result.json").write_text(json.dumps(record))
    assert read_envelope(folder).result == RESULT


@pytest.mark.parametrize(
    ("parts", "message"),
    [([], r"no such part: \['A & B'\]"), ([Part(title="A & B")] * 2, "parts with the same title")],
)
def test_parts_that_would_be_on_no_page(tmp_path: Path, parts: list[Part], message: str) -> None:
    folder = run_folder(tmp_path / "a", result=IN_PARTS.model_copy(update={"parts": parts}))
    with pytest.raises(UserError, match=message):
        read_envelope(folder)


@pytest.mark.parametrize(
    ("value", "attribute"),
    [("yes", ""), ("3.6 % (0.7 to 5.8)", ' class="words"'), ("a word of many " * 4, ' class="long"'), ("x" * 20, "")],
)
def test_words_get_room_in_a_table(tmp_path: Path, value: str, attribute: str) -> None:
    table = Table(title="t", columns=[Column(name="a"), Column(name="b")], rows=[["c", value]])
    text = write_report(run_folder(tmp_path / "a", result=RESULT.model_copy(update={"tables": [table]}))).read_text()
    assert f"<td{attribute}>{value}</td>" in text


def test_rendering_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "a")
    assert write_report(folder).read_bytes() == write_report(folder).read_bytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "not a run folder"),
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        (json.dumps({"schema_version": 0}), "has schema version 0, this trendlab reads 1; run the demo again"),
        (json.dumps({"schema_version": 1, "demo": "toy", "extra": 1}), "result.json"),
    ],
)
def test_a_record_that_cannot_be_read(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "result.json").write_text(text)
    with pytest.raises(UserError, match=message):
        read_envelope(tmp_path)


def test_a_figure_that_is_gone(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "a")
    (folder / "cost.svg").unlink()
    with pytest.raises(UserError, match=r"cost\.svg: the figure is missing"):
        write_report(folder)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1234567.8, "1,234,568"), (-0.5, "−0.5"), (1e-9, "1e−09"), (99.999, "100"), (1.0, "1"), (None, "–")],
)
def test_numbers(value: float | None, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "peer", "direction", "text"),
    [
        (1, 2, "lower", "0.50 × (better)"),
        (1, 2, "higher", "0.50 × (worse)"),
        (1, 2, "none", "0.50 ×"),
        (2, 2, "lower", "1.00 ×"),
        (1, 0, "lower", "–"),
    ],
)
def test_ratios(value: float, peer: float, direction: Direction, text: str) -> None:
    headline = Headline(name="", value=value, unit="", direction=direction, peer="p", peer_value=peer)
    assert beside_peer(headline) == text


@pytest.mark.parametrize(
    ("value", "peer", "direction", "text"),
    [
        (6.3, 0.05, "higher", "+6.25 points (better)"),
        (1.4, 3.1, "lower", "−1.70 points (better)"),
        (2, 0, "none", "+2.00 points"),
    ],
)
def test_points_are_told_by_their_difference(value: float, peer: float, direction: Direction, text: str) -> None:
    """A control's gain is next to nothing: a ratio to it would say nothing."""
    headline = Headline(name="", value=value, unit="points", direction=direction, peer="p", peer_value=peer)
    assert beside_peer(headline) == text


def test_the_best_cells() -> None:
    columns = [Column(name="m"), Column(name="a", direction="lower"), Column(name="b", direction="higher")]
    rows: list[list[str | float | None]] = [["x", 1.0, 2.0], ["y", 1.0, None], ["z", 3.0, None]]
    table = Table(title="", columns=[*columns, Column(name="c")], rows=[[*row, 1.0] for row in rows])
    assert [best_rows(table, index) for index in (1, 2, 3)] == [{0, 1}, set(), set()]

"""Chapters become one result, each in its part."""

from shared.chapter import Chapter, put_together
from shared.result import Column, DataUse, Metric, Part, Table


def test_each_chapter_is_in_its_part_and_data_are_told_once() -> None:
    use = DataUse(name="a file", version="1", sha256="0" * 64, licence="CC0", rows=3)
    table = Table(title="Numbers", columns=[Column(name="name")], rows=[["one"]])
    first = Chapter(tables=[table], data=[use], notes=["a limit"], metrics=[Metric(name="m", value=1.0, unit="")])
    second = Chapter(tables=[table], data=[use])
    parts = [Part(title="The first", intro="One."), Part(title="The second", intro="Two.")]
    result = put_together(list(zip(parts, (first, second), strict=True)), notes=["of all"])
    assert [table.part for table in result.tables] == ["The first", "The second"]
    assert [part.notes for part in result.parts] == [["a limit"], []]
    assert [metric.name for metric in result.metrics] == ["m"]
    assert result.data == [use]
    assert result.notes == ["of all"]

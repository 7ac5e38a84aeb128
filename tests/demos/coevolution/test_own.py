"""The user's own texts, and what is said of those that cannot be used."""

from pathlib import Path

import pytest

from demos.coevolution.own.read import LEAST, Own, read
from shared.errors import UserError

# Each of words of its own, so that no two are near-duplicates.
GOOD = [f"fine day{number} night{number},positive" for number in range(LEAST)]
BAD = [f"dull day{number} morning{number},negative" for number in range(LEAST)]


def written(tmp_path: Path, *rows: str, head: str = "text,label") -> Path:
    file = tmp_path / "own.csv"
    file.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return file


def read_rows(tmp_path: Path, *rows: str, head: str = "text,label") -> Own:
    return read(written(tmp_path, *rows, head=head), "text", "label")


def test_texts_are_read_with_and_without_labels(tmp_path: Path) -> None:
    found = read_rows(tmp_path, *GOOD, *BAD, '"one, in ""quotes""",1', "café,0", "nobody said,")
    assert len(found.texts) == 2 * LEAST + 3
    assert found.texts[-3:] == ['one, in "quotes"', "café", "nobody said"]
    assert found.labels[-3:] == [1, 0, None]


def test_a_text_that_comes_twice_counts_once(tmp_path: Path) -> None:
    found = read_rows(tmp_path, *GOOD, *BAD, GOOD[0], "fine day1 night1,", "new,", "new,negative")
    assert len(found.texts) == 2 * LEAST + 1
    assert found.labels[-1] == 0
    assert found.labels[1] == 1


def test_of_near_duplicates_one_with_a_label_stays(tmp_path: Path) -> None:
    same = "what a perfectly lovely and peaceful evening it was"
    found = read_rows(tmp_path, *GOOD, *BAD, f"{same}!,", f"{same.upper()},negative", f"{same} ...,positive")
    assert found.texts[-1] == same.upper()
    assert found.labels[-1] == 0
    assert len(found.texts) == 2 * LEAST + 1


def test_a_mark_of_byte_order_is_no_part_of_a_name(tmp_path: Path) -> None:
    file = written(tmp_path, *GOOD, *BAD)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert len(read(file, "text", "label").texts) == 2 * LEAST


@pytest.mark.parametrize(
    ("rows", "head", "said"),
    [
        ([*GOOD, *BAD], "words,label", "no column 'text'; there are: words, label"),
        ([*GOOD, "too,many,fields"], "text,label", f"line {LEAST + 2}: 3 fields, where the first row has 2"),
        ([*GOOD, ",positive"], "text,label", f"line {LEAST + 2}, column text: the text is empty"),
        ([*GOOD, "good " * 20_000 + ",1"], "text,label", "column text: the text has 99,999 bytes|has 100,000 bytes"),
        (
            [*GOOD, "so so,neutral"],
            "text,label",
            f"line {LEAST + 2}, column label: 'neutral' is no label; it is one of",
        ),
        (
            [*GOOD, "fine day0 night0,negative"],
            "text,label",
            f"line {LEAST + 2}: the same text as before, with another",
        ),
        ([*GOOD], "text,label", "0 texts are negative and no near-duplicates; 40 of each label are needed"),
        ([*GOOD, "", '"two', 'lines",1', "so so,neutral"], "text,label", f"line {LEAST + 5}, column label: 'neutral'"),
        ([*GOOD, "more,1,0"], "text,label,label", "the column 'label' is there 2 times"),
        (
            [*GOOD[:20], *[text.replace("fine", "FINE!") for text in GOOD[:20]], *BAD],
            "text,label",
            "20 texts are positive and no near-duplicates",
        ),
        (
            [f"{place * chr(0x1F600)},{place % 2}" for place in range(1, 60)],
            "text,label",
            "30 texts are positive and no",
        ),
        ([*GOOD, '"open,1'], "text,label", f"line {LEAST + 2}: this is no CSV: unexpected end of data"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(tmp_path: Path, rows: list[str], head: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        read_rows(tmp_path, *rows, head=head)
    assert "\n" not in str(error.value)


def test_files_that_are_none_are_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read(tmp_path / "nothing.csv", "text", "label")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(UserError, match="is empty"):
        read(tmp_path / "empty.csv", "text", "label")
    (tmp_path / "latin.csv").write_bytes("text,label\ngood,1\ncafé,1\n".encode("latin-1"))
    with pytest.raises(UserError, match="line 3: not in UTF-8"):
        read(tmp_path / "latin.csv", "text", "label")

"""YAML scalars mean what they look like, and errors name the line."""

import math
from pathlib import Path

import pytest

from shared.errors import UserError
from shared.yaml12 import parse, read_mapping


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("07:00", "07:00"),
        ("1:30:15", "1:30:15"),
        ("1e-3", 0.001),
        ("1e3", 1000.0),
        ("-2.5E+2", -250.0),
        (".5", 0.5),
        ("012", 12),
        ("0x1F", 31),
        ("0o17", 15),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("2013-11-27", "2013-11-27"),
        ("-.inf", -math.inf),
        ("'5'", "5"),
    ],
)
def test_scalars(text: str, value: object) -> None:
    assert parse(f"key: {text}", "here") == {"key": value}
    assert type(parse(text, "here")) is type(value)


def test_a_duplicate_key_names_both_lines() -> None:
    with pytest.raises(UserError, match=r"^mine\.yaml: the key 'b' is given twice, on lines 3 and 5$"):
        parse("a: 1\nsection:\n  b: 2\n  c: 3\n  b: 4\n", "mine.yaml")


def test_a_syntax_error_names_the_line() -> None:
    with pytest.raises(UserError, match=r"^mine\.yaml, line 2: "):
        parse("a: [1,\nb: }", "mine.yaml")


def test_python_objects_are_refused() -> None:
    with pytest.raises(UserError, match="mine"):
        parse("!!python/object/apply:os.getcwd []", "mine")


@pytest.mark.parametrize(("text", "message"), [("- 1\n- 2\n", "got a list"), ("5", "got a int")])
def test_a_file_must_hold_a_mapping(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=message):
        read_mapping(file)


def test_an_empty_file_is_an_empty_mapping(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("# nothing yet\n")
    assert read_mapping(tmp_path / "mine.yaml") == {}


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="UTF-8"):
        read_mapping(tmp_path / "binary.yaml")
    with pytest.raises(UserError, match="no such file"):
        read_mapping(tmp_path / "absent.yaml")
    with pytest.raises(UserError, match="cannot be read"):
        read_mapping(tmp_path)

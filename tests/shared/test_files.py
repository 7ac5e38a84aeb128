"""What is written is there whole, or not at all."""

from pathlib import Path

import pytest

from shared.files import folder_written_whole, written_whole


def test_a_file_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    with written_whole(file) as temporary:
        temporary.write_text("new")
        assert not file.exists()
    assert file.read_text() == "new"

    def stop_half_way() -> None:
        with written_whole(file) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()
    assert [entry.read_text() for entry in tmp_path.iterdir()] == ["new"]


def test_a_folder_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "models" / "a"

    def stop_half_way() -> None:
        with folder_written_whole(target) as temporary:
            (temporary / "half").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()
    assert list(target.parent.iterdir()) == []
    with folder_written_whole(target) as temporary:
        (temporary / "first").touch()
        assert not target.exists()
    with folder_written_whole(target) as temporary:
        (temporary / "second").touch()
    assert [entry.name for entry in target.iterdir()] == ["first"]
    assert list(target.parent.iterdir()) == [target]

"""The facts about the pictures, and the captions made of them."""

import doctest
import zipfile

import pytest

from shared.openmoji import records as openmoji
from shared.openmoji.records import captions, records
from shared.openmoji.render import openmoji_archive


def test_examples() -> None:
    assert doctest.testmod(openmoji) == (0, 2)


def test_there_are_as_many_as_published() -> None:
    found = records()
    assert [emoji.hexcode for emoji in found] == sorted(emoji.hexcode for emoji in found)
    assert len({emoji.hexcode for emoji in found}) == len(found) == 4495
    assert len({emoji.group for emoji in found}) == 12
    assert len({emoji.subgroup for emoji in found}) == 119
    assert sum(emoji.skin_tone == 0 for emoji in found) == 2465
    assert {emoji.skin_tone for emoji in found} == set(range(7))


def test_a_skin_tone_inherits_the_tags_of_its_base() -> None:
    by = {emoji.hexcode: emoji for emoji in records()}
    toned = [emoji for emoji in by.values() if emoji.skin_tone]
    assert len(toned) == 2030
    for emoji in toned:
        assert by[emoji.base].skin_tone == 0
        assert emoji.tags == by[emoji.base].tags
        assert emoji.name != by[emoji.base].name


def test_every_caption_says_something() -> None:
    for emoji in records():
        name, tags, subgroup = captions(emoji)
        assert name == emoji.name == name.strip() != ""
        assert tags.strip(" ,")
        assert subgroup.startswith("an icon of ")


def test_without_tags_the_words_are_the_name_of_the_base() -> None:
    bare = [emoji for emoji in records() if not emoji.tags]
    names = {emoji.hexcode: emoji.name for emoji in records()}
    assert len(bare) > 100
    assert all(captions(emoji, ["tags"]) == [names[emoji.base]] for emoji in bare)


def test_an_unknown_kind_of_caption() -> None:
    with pytest.raises(ValueError, match=r"no such caption: \['colour'\]; allowed: name, tags, subgroup"):
        captions(records()[0], ["name", "colour"])


def test_the_archive_holds_one_picture_a_record() -> None:
    with zipfile.ZipFile(openmoji_archive()) as archive:
        held = [name.rsplit("/", 1)[1] for name in archive.namelist() if name.endswith(".svg")]
    assert sorted(held) == sorted(emoji.file_name for emoji in records())


def test_the_licence_lies_beside_the_table() -> None:
    text = openmoji.FILE.with_name("LICENSE-OpenMoji").read_text(encoding="utf-8")
    assert "CC BY-SA 4.0" in text
    assert "https://creativecommons.org/licenses/by-sa/4.0/" in text
    assert "openmoji.csv" in text
    assert "Attribution-ShareAlike 4.0 International" in text

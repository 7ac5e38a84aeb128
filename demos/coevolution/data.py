"""Real texts of four scenes, each rated by 15 to 99 people: reviews of films and of products, editorials, tweets.

    trendlab data fetch coevolution

Hutto and Gilbert, "VADER", ICWSM 2014: sentences from reviews of films (Pang and Lee 2004) and of products (Hu and Liu
2004), from editorials of the New York Times, and tweets, of which 200 were made up to test a grammar. Each person gave
a whole number from -4 (extremely negative) to 4.
"""

from __future__ import annotations

import ast
import functools
import io
import tarfile
from dataclasses import dataclass
from typing import Literal, get_args

from shared.data import DataManifest, fetch_member, manifest_file, read_manifest, uses
from shared.result import DataUse

SLUG = "coevolution"
ARCHIVE = "hutto_ICWSM_2014.tar.gz"
Scene = Literal["film", "product", "editorial", "tweet"]
SCENES: tuple[Scene, ...] = get_args(Scene)
HOME: Scene = "film"
POLAR = 0.5  # of the mean rating: nearer to 0, people do not agree on which side a text is
FILES: dict[Scene, str] = {
    "film": "movieReviewSnippets",
    "product": "amazonReviewSnippets",
    "editorial": "nytEditorialSnippets",
    "tweet": "tweets",
}
WHOLE_DOCUMENTS: tuple[Scene, ...] = ("product", "editorial")  # whose identities tell which document a text is of


@dataclass(frozen=True)
class Text:
    """identity: within its scene; document: which it is a sentence of; ratings: of each person, -4 to 4."""

    identity: str
    scene: Scene
    document: str
    text: str
    ratings: tuple[int, ...]

    @property
    def mean(self) -> float:
        """Mean rating, -4 to 4."""
        return sum(self.ratings) / len(self.ratings)

    @property
    def label(self) -> int | None:
        """1 positive, 0 negative, None where people do not agree on a side."""
        return None if abs(self.mean) <= POLAR else int(self.mean > 0)


@functools.cache
def manifest() -> DataManifest:
    """What `data.yaml` beside this file names."""
    return read_manifest(manifest_file(SLUG))


def used(*names: str) -> list[DataUse]:
    """Provenance of the members named in `data.yaml`, or of all."""
    return uses(manifest(), *names)


@functools.cache
def texts() -> tuple[Text, ...]:
    """All texts, scene by scene, in the order of their files."""
    with tarfile.open(fetch_member(manifest(), ARCHIVE)) as archive:
        return tuple(text for scene in SCENES for text in _read(archive, scene))


def _read(archive: tarfile.TarFile, scene: Scene) -> list[Text]:
    # The means in the files of texts are not used: of 196 tweets they are not those of the ratings.
    ratings = {
        identity: tuple(ast.literal_eval(listed))
        for identity, _, _, listed in _rows(archive, f"{FILES[scene]}_anonDataRatings.txt", 4)
    }
    found = []
    for identity, _, text in _rows(archive, f"{FILES[scene]}_GroundTruth.txt", 3):
        document = identity.split("_")[0] if scene in WHOLE_DOCUMENTS else identity
        found.append(Text(identity, scene, f"{scene} {document}", text.strip(), ratings[identity]))
    return found


def _rows(archive: tarfile.TarFile, name: str, columns: int) -> list[list[str]]:
    stream = archive.extractfile(f"hutto_ICWSM_2014/{name}")
    if stream is None:
        raise ValueError(f"{name} is no file")
    with stream, io.TextIOWrapper(stream, encoding="utf-8-sig") as lines:
        rows = [line.rstrip("\r\n").split("\t", columns - 1) for line in lines if line.strip()]
    return [[row[0].strip(), *row[1:]] for row in rows]

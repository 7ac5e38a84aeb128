"""What the peers see of a picture: pixels, HOG with colour, or a network trained on ImageNet; kept in the cache."""

from __future__ import annotations

import functools
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal

import numpy as np

from demos.clip_retrieval.data import manifest, work_folder
from demos.clip_retrieval.emoji.descriptors import CELLS, COLOURS, GRID, SIDE, hog_features, normalised
from shared.files import written_whole
from shared.openmoji.families import coarse
from shared.openmoji.records import records
from shared.openmoji.render import pictures
from shared.pretrained.efficientnet import efficientnet_features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

Features = Literal["pixels", "hog", "efficientnet", "both"]
NETWORK_SIDE = 128  # pixels, for EfficientNet


def features(kind: Features, rows: NDArray[np.int64]) -> Floats:
    """(n, d) features of records, computed once and cached; the neutral pictures and the skin tones apart, since most
    uses need the neutral ones alone.

    kind: pixels = mean colours of a 16 x 16 grid; hog = histograms of oriented gradients (Dalal and Triggs, 2005) at
    two scales and of colour; efficientnet = what ImageNet's EfficientNet-Lite0 gives its last layer; both = the last
    two with equal weight. All but pixels have a Euclidean length that is the same for every picture.
    """
    if kind == "both":
        return normalised(np.concatenate([features("hog", rows), features("efficientnet", rows)], axis=1))
    neutral = np.array([emoji.skin_tone == 0 for emoji in records()])
    found: Floats | None = None
    for toned in (False, True):
        part = np.flatnonzero(neutral != toned)
        wanted = np.isin(rows, part)
        if wanted.any():
            block = _cached(kind, part, "tones" if toned else "neutral")
            found = np.empty((len(rows), block.shape[1]), np.float32) if found is None else found
            found[wanted] = block[np.searchsorted(part, rows[wanted])]
    return np.empty((0, 1), np.float32) if found is None else found


def _cached(kind: Features, part: NDArray[np.int64], name: str) -> Floats:
    if kind == "pixels":
        return _coarse()[part]
    compute, key = (_hog, _hog_key()) if kind == "hog" else (_efficientnet, _network_key())
    file = work_folder() / f"{key}-resvg{version('resvg_py')}-{name}.npy"
    if not file.is_file():
        with written_whole(file) as temporary:
            np.save(temporary, compute(part))
    loaded: Floats = np.load(file)
    return loaded


@functools.cache
def _coarse() -> Floats:
    return coarse(pictures(SIDE))


def _hog_key() -> str:
    settings = "-".join(map(str, (*CELLS, COLOURS, GRID)))
    return f"hog-{settings}-{version('scikit-image')}"


def _hog(part: NDArray[np.int64]) -> Floats:
    return hog_features(pictures(SIDE)[part])


def _network_key() -> str:
    _, member = manifest().member("efficientnet-lite0.pth")
    return f"efficientnet-{member.sha256[:8]}-{NETWORK_SIDE}"


def _efficientnet(part: NDArray[np.int64]) -> Floats:
    return normalised(efficientnet_features(pictures(NETWORK_SIDE)[part]))

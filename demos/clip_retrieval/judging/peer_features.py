"""What the peers see of a picture: pixels, HOG with colour, or a network trained on ImageNet; kept in the cache."""

from __future__ import annotations

import functools
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from demos.clip_retrieval.data import efficientnet_file, manifest, work_folder, written_whole
from demos.clip_retrieval.emoji.descriptors import CELLS, COLOURS, GRID, SIDE, hog_features, normalised
from demos.clip_retrieval.emoji.families import coarse
from demos.clip_retrieval.emoji.openmoji import records
from demos.clip_retrieval.emoji.render import pictures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

Features = Literal["pixels", "hog", "efficientnet", "both"]
NETWORK_SIDE = 128  # pixels, for EfficientNet
BATCH = 32


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
    import torch

    network, pixels = efficientnet(), pictures(NETWORK_SIDE)
    found = []
    with torch.inference_mode():
        for at in range(0, len(part), BATCH):
            batch = torch.from_numpy(pixels[part[at : at + BATCH]]).permute(0, 3, 1, 2).float()
            # As the weights were trained: TensorFlow's Lite models take (x - 127) / 128.
            inputs = ((batch - 127) / 128).contiguous(memory_format=torch.channels_last)
            found.append(network.forward_head(network.forward_features(inputs), pre_logits=True).numpy())
    return normalised(np.concatenate(found))


def efficientnet() -> Any:
    """EfficientNet-Lite0 as timm builds it, with the published ImageNet weights, ready to judge.

    Raises ValueError when the tensors do not match.
    """
    import timm
    import torch

    stored = torch.load(efficientnet_file(), weights_only=True, map_location="cpu")
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    # Another library named the tensors; their order and shapes are the same.
    given = [value for name, value in stored.items() if "num_batches" not in name]
    wanted = {name: value for name, value in network.state_dict().items() if "num_batches" not in name}
    if [value.shape for value in given] != [value.shape for value in wanted.values()]:
        raise ValueError("the weights are not those of EfficientNet-Lite0")
    network.load_state_dict(dict(zip(wanted, given, strict=True)), strict=False)
    return network.eval()

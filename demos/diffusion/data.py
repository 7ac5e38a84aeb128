"""Where the pictures, the text model and the judge come from, and who trains on what.

    trendlab data fetch diffusion

The division is the house's (`shared.openmoji.splits`): fold 0 is held out, as it is from the CLIP that guides.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from shared.data import DataManifest, derived_folder, manifest_file, read_manifest, uses
from shared.openmoji.splits import group_split
from shared.result import DataUse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SLUG = "diffusion"
FOLD = 0


@functools.cache
def manifest() -> DataManifest:
    """What `data.yaml` beside this file names."""
    return read_manifest(manifest_file(SLUG))


def used(*names: str) -> list[DataUse]:
    """Provenance of the members named in `data.yaml`, or of all."""
    return uses(manifest(), *names)


def work_folder() -> Path:
    """Where what is derived from the data is kept: made when it is not there."""
    return derived_folder(SLUG)


def training_records() -> NDArray[np.int64]:
    """Records that are trained on: all but the held-out fold and the validation part."""
    return group_split().train(FOLD)


def held_out() -> NDArray[np.int64]:
    """One picture of each of the 400 families that nothing trained on."""
    return group_split().gallery(FOLD)


def validation() -> NDArray[np.int64]:
    """One picture of each of the 214 families on which settings are chosen."""
    return group_split().gallery("validation")

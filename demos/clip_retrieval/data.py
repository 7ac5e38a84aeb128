"""Where the embedded pictures, the text model and the judge come from: files in the user's cache, checked there.

    trendlab data fetch clip_retrieval

Nothing heavy is imported: a search opens these too.
"""

from __future__ import annotations

import functools
from pathlib import Path

from shared.data import DataManifest, derived_folder, manifest_file, read_manifest, uses
from shared.result import DataUse

SLUG = "clip_retrieval"


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

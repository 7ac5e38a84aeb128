"""Where the data come from: the embedded sets of each chapter, opened from the user's cache as they were published.

Each function returns the file as it is, faults included; the chapters mend and say what they mended.
"""

from __future__ import annotations

import io
import zipfile

import pandas as pd

from shared.data import fetch_member, manifest_file, read_manifest, uses
from shared.result import DataUse

MANIFEST = manifest_file("renewables")
HAUTE_BORNE_PARTS = {
    "scada": "la-haute-borne-data-2014-2015.csv",
    "era5": "era5_wind_la_haute_borne.csv",
    "merra2": "merra2_la_haute_borne.csv",
    "assets": "la-haute-borne_asset_table.csv",
}


def used(*names: str) -> list[DataUse]:
    """Provenance of the members named in `data.yaml`."""
    return uses(read_manifest(MANIFEST), *names)


def gefcom_solar() -> pd.DataFrame:
    """GEFCom2014 solar: columns (site, variable), index (ref_datetime, valid_datetime) in UTC; (19704, 39)."""
    file = fetch_member(read_manifest(MANIFEST), "gefcom2014-solar.csv")
    heads = pd.read_csv(file, header=None, nrows=2, dtype=str).iloc[:, 2:]
    names = pd.MultiIndex.from_arrays(heads.to_numpy(), names=["site", "variable"])
    body = pd.read_csv(file, header=None, skiprows=3)
    index = pd.MultiIndex.from_arrays(
        [pd.to_datetime(body[0], utc=True), pd.to_datetime(body[1], utc=True)], names=["ref_datetime", "valid_datetime"]
    )
    return pd.DataFrame(body.iloc[:, 2:].to_numpy(dtype=float), index=index, columns=names)


def gefcom_scores() -> pd.DataFrame:
    """Published mean pinball loss: index task (1 to 15), one column a contestant, NaN where there was no entry."""
    file = fetch_member(read_manifest(MANIFEST), "gefcom2014-solar-scores.csv")
    table = pd.read_csv(file)
    table.index = pd.Index(table.pop("Tasks").str.removeprefix("Task").astype(int), name="task")
    return table


def system_50() -> tuple[pd.DataFrame, pd.DataFrame]:
    """PVDAQ system 50 as published: (AC power [W] with its wrong clock, satellite weather of PSM3)."""
    manifest = read_manifest(MANIFEST)
    power = pd.read_parquet(fetch_member(manifest, "system_50_ac_power.parquet"))
    weather = pd.read_parquet(fetch_member(manifest, "system_50_psm3.parquet"))
    return power, weather


def haute_borne(part: str = "scada") -> pd.DataFrame:
    """La Haute Borne as published; part: a key of HAUTE_BORNE_PARTS."""
    file = fetch_member(read_manifest(MANIFEST), "la_haute_borne.zip")
    with zipfile.ZipFile(file) as archive:
        return pd.read_csv(io.BytesIO(archive.read(HAUTE_BORNE_PARTS[part])))


def simbench(name: str = "RESProfile.csv") -> pd.DataFrame:
    """SimBench 2016 profiles as published: `time` (local clock text) and one column a plant or load, 0 to 1."""
    return pd.read_csv(fetch_member(read_manifest(MANIFEST), name), sep=";")


def met_mast() -> pd.DataFrame:
    """The met mast of brightwind as published, every 10 minutes."""
    return pd.read_csv(fetch_member(read_manifest(MANIFEST), "met_mast.csv"), encoding="utf-8-sig")

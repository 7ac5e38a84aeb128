"""What a cloudless sky gives at a site: pvlib's Ineichen and Perez with the monthly Linke turbidity of its table, and
Hay and Davies for the plane of the modules."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from demos.renewables.site.load import Site


def clear_sky(site: Site, times: pd.DatetimeIndex) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(irradiance, sun) at UTC times.

    irradiance: ghi, dni, dhi, and in the plane of the modules poa_global, poa_direct, poa_diffuse [W/m2], NaN in the
    plane while the sun is down; sun: as pvlib gives it [deg].
    """
    from pvlib import irradiance
    from pvlib.location import Location, lookup_altitude

    place = Location(site.latitude, site.longitude, altitude=lookup_altitude(site.latitude, site.longitude))
    with warnings.catch_warnings():
        # pvlib 0.16 asks a DatetimeIndex for what pandas 3 has renamed; nothing that we could write differently.
        warnings.filterwarnings("ignore", message="DatetimeIndex.dayofyear")
        sun = place.get_solarposition(times)
        sky = place.get_clearsky(times, model="ineichen", solar_position=sun)
        plane = irradiance.get_total_irradiance(
            site.surface_tilt,
            site.surface_azimuth,
            sun["apparent_zenith"],
            sun["azimuth"],
            sky["dni"],
            sky["ghi"],
            sky["dhi"],
            dni_extra=irradiance.get_extra_radiation(times),
            model="haydavies",
        )
    return pd.concat([sky[["ghi", "dni", "dhi"]], plane[["poa_global", "poa_direct", "poa_diffuse"]]], axis=1), sun

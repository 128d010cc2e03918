"""The transport that large images need over Fast DDS; other middlewares ignore these variables.

By default Fast DDS loses nearly every best-effort image larger than half a megabyte.
``LARGE_DATA`` mends that, but Humble and Iron do not know it, and where discovery is limited to
this machine the middleware takes its own small shared memory instead: of 60 VGA frames one came
through. A profile with more shared memory helps there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from mmser_ros.folders import places

BUILTIN = "FASTDDS_BUILTIN_TRANSPORTS"
LARGE_DATA = "LARGE_DATA"
PROFILES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
"""Names of the same variable, from Fast DDS 3 on and before."""


def for_large_images(given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables to set before a participant is made; both ends need them.

    Whoever has chosen a profile, or another transport than LARGE_DATA, keeps it.
    """
    if any(name in given for name in PROFILES) or given.get(BUILTIN, LARGE_DATA) != LARGE_DATA:
        return {}
    if not (given.get("ROS_DISTRO") in ("humble", "iron") or _stays_here(given)):
        return {BUILTIN: LARGE_DATA}
    found = (place / "fastdds_shm.xml" for place in places("config"))
    profile = next((path for path in found if path.is_file()), None)
    return {name: str(profile) for name in PROFILES} if profile else {}


def advice(given: Mapping[str, str] = os.environ) -> str:
    """What to set where the camera runs, as one would type it."""
    wanted = for_large_images(given) or {name: given[name] for name in PROFILES if name in given}
    name, value = next(iter((wanted or {BUILTIN: LARGE_DATA}).items()))
    return f"{name}={value}"


def _stays_here(given: Mapping[str, str]) -> bool:
    limited = given.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "").upper() == "LOCALHOST"
    return limited or given.get("ROS_LOCALHOST_ONLY") == "1"

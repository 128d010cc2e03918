"""The transport that large images need over Fast DDS; other middlewares ignore these variables.

By default Fast DDS loses nearly every best-effort image larger than half a megabyte. What helps
is more shared memory on the sender's side: ``config/fastdds_shm.xml``, which every distribution
knows and which talks to everybody. ``FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA`` helps too, but a
process that has it hears only others that have it, and where discovery is limited to this
machine it changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from mmser_ros.folders import places

BUILTIN = "FASTDDS_BUILTIN_TRANSPORTS"
PROFILES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
"""Names of the same variable, from Fast DDS 3 on and before."""


def for_large_images(given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Variables to set before a participant is made; whoever has chosen a transport keeps it."""
    if any(name in given for name in (BUILTIN, *PROFILES)):
        return {}
    return dict.fromkeys(PROFILES, _profile())


def advice(given: Mapping[str, str] = os.environ) -> str:
    """What to set where the camera runs, as one would type it."""
    if given.get(BUILTIN) == "LARGE_DATA" and not _stays_here(given):
        return f"{BUILTIN}=LARGE_DATA"
    return f"{PROFILES[0]}={_profile()}"


def _profile() -> str:
    found = [place / "fastdds_shm.xml" for place in places("config")]
    return str(next((path for path in found if path.is_file()), found[0]))


def _stays_here(given: Mapping[str, str]) -> bool:
    limited = given.get("ROS_AUTOMATIC_DISCOVERY_RANGE", "").upper() == "LOCALHOST"
    return limited or given.get("ROS_LOCALHOST_ONLY") == "1"

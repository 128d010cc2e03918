"""Variables that let large images through."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmser_ros.node.transport import BUILTIN, PROFILES, advice, for_large_images

PROFILE = Path(__file__).parents[2] / "config" / "fastdds_shm.xml"
HERE = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


def test_a_profile_gives_more_shared_memory() -> None:
    chosen = for_large_images({"ROS_DISTRO": "jazzy"})
    assert set(chosen) == set(PROFILES)
    assert {Path(path).resolve() for path in chosen.values()} == {PROFILE.resolve()}


@pytest.mark.parametrize("name", [BUILTIN, *PROFILES])
def test_what_was_chosen_is_kept(name: str) -> None:
    assert for_large_images({name: "mine", **HERE}) == {}


def test_advice_names_what_the_camera_needs() -> None:
    profile = f"{PROFILES[0]}={for_large_images({})[PROFILES[0]]}"
    assert advice({}) == advice({BUILTIN: "UDPv4"}) == profile
    # who has LARGE_DATA hears only others that have it, but not if discovery stays here
    assert advice({BUILTIN: "LARGE_DATA"}) == f"{BUILTIN}=LARGE_DATA"
    assert advice({BUILTIN: "LARGE_DATA", **HERE}) == profile
    assert advice({BUILTIN: "LARGE_DATA", "ROS_LOCALHOST_ONLY": "1"}) == profile

"""Variables that let large images through."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmser_ros.node.transport import BUILTIN, PROFILES, advice, for_large_images

PROFILE = Path(__file__).parents[2] / "config" / "fastdds_shm.xml"


@pytest.mark.parametrize("given", [{}, {"ROS_DISTRO": "jazzy"}, {BUILTIN: "LARGE_DATA"}])
def test_large_data_is_enough_where_discovery_is_not_limited(given: dict[str, str]) -> None:
    assert for_large_images(given) == {BUILTIN: "LARGE_DATA"}
    assert advice(given) == "FASTDDS_BUILTIN_TRANSPORTS=LARGE_DATA"


@pytest.mark.parametrize(
    "given",
    [
        {"ROS_DISTRO": "humble"},
        {"ROS_DISTRO": "iron"},
        {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"},
        {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", BUILTIN: "LARGE_DATA"},
        {"ROS_LOCALHOST_ONLY": "1"},
    ],
)
def test_elsewhere_a_profile_gives_more_shared_memory(given: dict[str, str]) -> None:
    chosen = for_large_images(given)
    assert set(chosen) == set(PROFILES)
    assert {Path(path).resolve() for path in chosen.values()} == {PROFILE.resolve()}
    assert advice(given) == f"{PROFILES[0]}={chosen[PROFILES[0]]}"


@pytest.mark.parametrize("name", [BUILTIN, *PROFILES])
def test_what_was_chosen_is_kept(name: str) -> None:
    given = {name: "mine", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    assert for_large_images(given) == {}


def test_advice_repeats_a_profile_that_was_chosen() -> None:
    assert advice({PROFILES[1]: "/mine.xml"}) == f"{PROFILES[1]}=/mine.xml"

"""Energy as the kernel shows it, read from files that look like its own."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mmser_ros.cli.meters import Ina3221, Nvml, Rapl, metered, meters, peak_memory


def write(folder: Path, **files: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name).write_text(f"{value}\n", encoding="utf-8")
    return folder


def package(root: Path, number: int, energy: int) -> Path:
    zone = root / f"sys/class/powercap/intel-rapl:{number}"
    return write(zone, name=f"package-{number}", energy_uj=energy, max_energy_range_uj=9_000_000)


def jetson(root: Path, rails: dict[str, tuple[int, int]]) -> Path:
    """A monitor with rails of so many millivolts and milliamperes."""
    files: dict[str, object] = {"name": "ina3221"}
    for number, (rail, (volt, ampere)) in enumerate(rails.items(), 1):
        files |= {f"in{number}_label": rail, f"in{number}_input": volt}
        files[f"curr{number}_input"] = ampere
    return write(root / "sys/class/hwmon/hwmon3", **files)


def test_packages_are_summed_and_what_lies_in_them_is_not(tmp_path: Path) -> None:
    packages = [package(tmp_path, number, 1_000_000) for number in (0, 1)]
    write(tmp_path / "sys/class/powercap/intel-rapl:0:0", name="core", energy_uj=5)
    meter = Rapl(tmp_path)
    for folder, energy in zip(packages, (3_000_000, 1_500_000), strict=True):
        write(folder, energy_uj=energy)
    assert meter.joules() == pytest.approx(2.5)


def test_a_counter_that_wraps_goes_on(tmp_path: Path) -> None:
    folder = package(tmp_path, 0, 8_500_000)
    meter = Rapl(tmp_path)
    write(folder, energy_uj=500_000)
    assert meter.joules() == pytest.approx(1.0)
    write(folder, energy_uj=700_000)
    assert meter.joules() == pytest.approx(1.2)


def test_a_jetson_is_measured_where_its_power_comes_in(tmp_path: Path) -> None:
    jetson(tmp_path, {"VDD_IN": (5000, 2000), "VDD_CPU": (5000, 800), "VDD_SOC": (5000, 500)})
    meter = Ina3221(tmp_path)
    assert meter.watts() == pytest.approx(10.0)
    begun = time.monotonic()
    before = meter.joules()
    time.sleep(0.12)
    spent = meter.joules() - before
    assert spent == pytest.approx(10 * (time.monotonic() - begun), rel=0.3)


def test_rails_are_summed_where_none_feeds_the_others(tmp_path: Path) -> None:
    jetson(tmp_path, {"GPU": (5000, 1000), "CPU": (5000, 400)})
    assert Ina3221(tmp_path).watts() == pytest.approx(7.0)


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    found, lacking = meters(tmp_path)
    assert [meter.name for meter in found] in ([], [Nvml.name])
    assert any("RAPL" in text for text in lacking) and any("Jetson" in text for text in lacking)


def test_a_counter_for_root_alone_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = package(tmp_path, 0, 1) / "energy_uj"
    readable = Path.read_text

    def read(path: Path, *args: str, **words: str) -> str:
        if path == counter:
            raise PermissionError(13, "Permission denied", str(path))
        return readable(path, *args, **words)

    monkeypatch.setattr(Path, "read_text", read)
    found, lacking = meters(tmp_path)
    assert not any(isinstance(meter, Rapl) for meter in found)
    assert f"{counter} can be read by root alone" in lacking


def test_a_block_is_metered(tmp_path: Path) -> None:
    folder = package(tmp_path, 0, 1_000_000)
    with metered([Rapl(tmp_path)]) as spent:
        write(folder, energy_uj=4_000_000)
    assert spent == {Rapl.name: pytest.approx(3.0)}


def test_there_is_no_gpu_without_its_library() -> None:
    with pytest.raises(LookupError, match="no NVIDIA driver"):
        Nvml("libnvidia-ml-of-nobody.so.1")


def test_peak_memory_grows_with_what_is_held() -> None:
    before = peak_memory()
    held = bytearray(before)  # written to, not only reserved
    held[::4096] = b"x" * len(held[::4096])
    assert peak_memory() > 1.5 * before

"""`mmser doctor`: every check tells what it found, and none stops the others."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mmser_ros.cli import cached, machine, main, robot, runtimes
from mmser_ros.cli.finding import Finding
from mmser_ros.node.mounting import Given
from mmser_ros.node.transport import BUILTIN, PROFILES
from mmser_ros.runtime import plans, registry
from mmser_ros.runtime.cuda_driver import Driver, Gpu
from mmser_ros.runtime.graphs import DECODE
from mmser_ros.runtime.store import Key, Store
from mmser_ros.runtime.weights import digest

NODE = Path(__file__).parents[1] / "node"
ALWAYS = (
    "Python", "mmser_ros", "model", "ONNX Runtime", "NVIDIA driver", "TensorRT", "TensorRT-RTX",
    "OpenVINO", "torch", "engine", "memory", "engine store", "ROS",
)  # fmt: skip

WITHOUT = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Block())
from mmser_ros.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def doctor(*words: str | Path, without: str = "") -> tuple[int, dict[str, list[Finding]]]:
    """Exit code and findings by subject; ``without`` a package that is hidden."""
    command = [sys.executable, "-c", WITHOUT.format(package=without)]
    command += ["doctor", "--json", "--seconds", "0.2", *map(str, words)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    told = json.loads(ended.stdout or pytest.fail(ended.stderr))
    assert told["ok"] == (ended.returncode == 0)
    found: dict[str, list[Finding]] = {}
    for entry in told["findings"]:
        found.setdefault(entry["subject"], []).append(Finding(**entry))
    return ended.returncode, found


def levels(found: dict[str, list[Finding]]) -> dict[str, str]:
    return {subject: each[0].level for subject, each in found.items()}


def test_a_whole_machine_passes_every_check_in_order(tiny_model: Path) -> None:
    code, found = doctor("--model", tiny_model)
    assert code == 0, found
    assert tuple(found)[: len(ALWAYS)] == ALWAYS
    assert {levels(found)[subject] for subject in ALWAYS[:4]} == {"ok"}
    assert "two looks in" in found["ONNX Runtime"][0].says
    assert found["engine"][0].says.startswith("auto takes ")
    assert all(each.remedy for group in found.values() for each in group if each.level != "ok")


def test_a_damaged_model_fails_and_the_rest_goes_on(tiny_model: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    (model / "model.safetensors").write_bytes(b"half")
    code, found = doctor("--model", model)
    assert code == 1 and "damaged" in found["model"][0].says
    assert levels(found)["model"] == "fail" and "Mend the model" in found["ONNX Runtime"][0].remedy
    assert set(ALWAYS) <= set(found)


def test_scores_of_other_weights_are_noticed(tiny_model: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    (model / "scores.json").write_text('{"weights_hash": "0123456789ab"}')
    (finding,) = machine.model(str(model))
    assert finding.level == "warn" and "0123456789ab" in finding.says


def test_without_ros_only_the_camera_is_not_looked_at(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rclpy.py").write_text("raise ModuleNotFoundError(\"No module named 'rclpy'\")")
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    code, found = doctor("--model", tiny_model)
    assert code == 0 and levels(found)["ROS"] == "warn" and tuple(found) == ALWAYS
    assert "none is here" in found["ROS"][0].says and found["ROS"][0].remedy


def test_a_ros_that_ends_its_process_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_none")
    found = list(robot.robot("", 0.2, Given(), "base_footprint"))
    assert found[-1].level == "fail" and "rmw_none" in found[-1].says + found[-1].remedy


@pytest.mark.parametrize("package", ["tokenizers", "numpy", "onnxruntime"])
def test_without_a_package_it_is_named_and_the_rest_goes_on(
    tiny_model: Path, package: str
) -> None:
    code, found = doctor("--model", tiny_model, without=package)
    assert code == 1 and set(found) >= set(ALWAYS) - {"ROS"}
    failed = [each for group in found.values() for each in group if each.level == "fail"]
    assert any(package in each.says + each.remedy for each in failed)


def test_a_camera_is_looked_at(tiny_model: Path) -> None:
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    from mmser_ros.node.sighting import look

    camera = subprocess.Popen([sys.executable, str(NODE / "surveyed_camera.py")])
    try:
        assert look("front/image_raw", 0.1, wait=30).publishers
        code, found = doctor(
            *("--model", tiny_model, "--image-topic", "front/image_raw", "--seconds", "3"),
            *("--camera-height", "0.4"),
        )
    finally:
        camera.kill()
        camera.wait()
    assert code == 0, found
    told = {subject: each[0].says for subject, each in found.items()}
    assert told["camera topic"] == "/front/image_raw, sensor_msgs/msg/Image, from /surveyed"
    assert "images a second" in told["camera rate"] and told["camera encoding"] == "rgb8, 8x8"
    assert told["camera QoS"].startswith("reliable, volatile")
    assert set(levels(found).values()) <= {"ok", "warn"}
    assert [levels(found)[name] for name in ("camera stamps", "lens and mounting")] == ["ok"] * 2


def test_people_get_lines_with_remedies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(robot, "robot", lambda *_: iter(()))
    monkeypatch.setattr(runtimes, "optional", lambda: iter((1 // 0,)))
    assert main(["doctor", "--model", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    model = next(number for number, line in enumerate(lines) if line.startswith("fail  model"))
    assert "holds no config.json" in lines[model] and "-> Install it again" in lines[model + 1]
    assert any("the check broke: ZeroDivisionError" in line for line in lines)
    assert lines[-1].startswith("2 failed")


@pytest.mark.parametrize("words", [["--seconds", "0"], ["--camera-pitch", "3"]])
def test_wrong_usage_ends_with_two(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", *words]) == 2
    assert words[0] in capsys.readouterr().err


def test_a_driver_is_told_by_its_gpus_or_what_is_wrong() -> None:
    orin = Driver(True, "12.6", (Gpu("Orin", "8.7", 64_000_000_000),))
    (found,) = machine.nvidia(orin)
    assert found.says == "Orin, compute capability 8.7, 64 GB, CUDA 12.6" and found.level == "ok"
    (found,) = machine.nvidia(Driver(True, problem="its kernel module is not loaded"))
    assert found.level == "warn" and "kernel module" in found.says and found.remedy
    assert [found.level for found in machine.nvidia(Driver(False))] == ["ok"]


@pytest.mark.parametrize(
    ("driver", "present", "level", "says", "remedy"),
    [
        ("", "onnxruntime", "ok", "auto takes onnx (tensorrt, tensorrt-rtx, cuda: there is", ""),
        ("", "torch", "warn", "auto takes torch (", "pip install onnxruntime (for onnx)"),
        ("Orin", "tensorrt onnx cuda.bindings", "ok", "auto takes tensorrt; mmser build", ""),
        ("Orin", "torch", "warn", "auto takes cuda (tensorrt: tensorrt is not", "mmser-ros[tens"),
        (
            "broken",
            "torch onnxruntime",
            "warn",
            "cuda: the NVIDIA driver is of no use)",
            "(for te",
        ),
        (
            "",
            "",
            "fail",
            "none can run the model (",
            "onnxruntime (for onnx) or pip install openvino",
        ),
    ],
)
def test_the_engine_that_auto_takes_is_told_with_what_a_better_one_lacks(
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    driver: str,
    present: str,
    level: str,
    says: str,
    remedy: str,
) -> None:
    monkeypatch.setattr(registry, "has_driver", lambda: bool(driver))
    monkeypatch.setattr(registry, "_installed", lambda package: package in present.split())
    gpus = (Gpu("Orin", "8.7", 1),) if driver == "Orin" else ()
    (found,) = runtimes.auto(str(tiny_model), Driver(bool(driver), gpus=gpus))
    assert found.level == level and says in found.says and remedy in found.remedy
    assert bool(found.remedy) == (level != "ok")


def test_a_runtime_that_only_the_system_has_is_worth_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(runtimes, "SYSTEM", tmp_path)
    monkeypatch.setattr(runtimes, "installed", lambda package: "")
    (tmp_path / "python3.10/dist-packages/tensorrt").mkdir(parents=True)
    first, *others = runtimes.optional()
    assert first.level == "warn" and "--system-site-packages" in first.remedy
    assert {each.level for each in others} == {"ok"}


def test_a_package_is_known_by_the_name_of_its_module_too() -> None:
    assert machine.installed("cv2") == machine.installed("opencv-python-headless") != ""
    assert machine.installed("no_such_package") == ""


def test_free_memory_heeds_the_limit_of_the_container(tmp_path: Path) -> None:
    assert machine.free_memory(tmp_path) is None
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:    8000 kB\n")
    (group / "memory.max").write_text("max\n")
    assert machine.free_memory(tmp_path) == 8_192_000
    (group / "memory.max").write_text("3000000\n")
    (group / "memory.current").write_text("2500000\n")
    (group / "memory.stat").write_text("anon 1\ninactive_file 500000\n")
    assert machine.free_memory(tmp_path) == 1_000_000


def test_little_memory_is_worth_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "free_memory", lambda: 100_000_000)
    (found,) = machine.memory("no such model")
    assert found.level == "warn" and "0.1 GB free" in found.says


def test_kept_engines_are_held_to_model_and_machine(tiny_model: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "engines")
    pytest_version = machine.installed("pytest")
    fits = {
        **plans.of_model(tiny_model, DECODE, digest(tiny_model)),
        "backend": f"pytest {pytest_version}",
        "device": "Orin",
        "capability": "8.7",
        "precision": "fp16",
    }
    others = {
        "weights": ("0123", f"weights 0123 instead of {digest(tiny_model)}"),
        "graph": ("4567", "graph 4567 instead of"),
        "shapes": ({"x": "1x8"}, "other shapes"),
        "backend": ("pytest 0.1", f"pytest is {pytest_version}"),
        "device": ("Thor", "Thor is not there"),
    }
    for changes in ({}, *({name: value} for name, (value, _) in others.items())):
        store.fetch(Key(**{**fits, **changes}), lambda: b"plan", bytes)
    damaged = Key(**{**fits, "graph": "h"})
    store.fetch(damaged, lambda: b"plan", bytes)
    (store.folder / damaged.folder / "plan").write_bytes(b"other")
    driver = Driver(True, "12.6", (Gpu("Orin", "8.7", 1),))
    first, *found = cached.engines(store, str(tiny_model), driver)
    assert first.level == "ok" and "7 engines" in first.says
    told = " ".join(each.says for each in found)
    assert [each.level for each in found].count("ok") == 1
    assert all(reason in told for _, reason in others.values()) and "5 bytes" in told


def test_a_full_disk_is_worth_a_warning_where_engines_are_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cached, "ROOM", 1 << 60)
    orin = Driver(True, "12.6", (Gpu("Orin", "8.7", 1),))
    for driver, level in ((orin, "warn"), (Driver(False), "ok")):
        (found,) = cached.engines(Store(tmp_path / "engines"), "none", driver)
        assert found.level == level and bool(found.remedy) == (level == "warn")


def test_a_store_that_cannot_be_written_is_worth_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    (found,) = cached.engines(Store(tmp_path / "file" / "engines"), "none", Driver(False))
    assert found.level == "warn" and "cannot be written" in found.says


@pytest.mark.parametrize(
    ("middleware", "given", "level", "words"),
    [
        ("rmw_fastrtps_cpp", {}, "warn", f"{PROFILES[0]}="),
        ("rmw_fastrtps_cpp", {PROFILES[0]: __file__}, "ok", "the camera's process needs it too"),
        ("rmw_fastrtps_cpp", {PROFILES[1]: "/nowhere.xml"}, "fail", "/nowhere.xml"),
        ("rmw_fastrtps_cpp", {BUILTIN: "LARGE_DATA"}, "ok", "every process needs it"),
        ("rmw_fastrtps_cpp", {BUILTIN: "UDPv4"}, "warn", "loses most images"),
        ("rmw_cyclonedds_cpp", {}, "ok", "rmw_cyclonedds_cpp"),
    ],
)
def test_the_transport_of_large_images_is_checked(
    middleware: str, given: dict[str, str], level: str, words: str
) -> None:
    found = next(robot.transport(middleware, given))
    assert found.level == level and words in found.says + found.remedy


def test_a_narrow_shared_memory_is_worth_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(robot, "SHARED_MEMORY", tmp_path)
    monkeypatch.setattr(robot, "ROOM", 1 << 60)
    _, found = robot.transport("rmw_fastrtps_cpp", {BUILTIN: "LARGE_DATA"})
    assert found.level == "warn" and "--shm-size" in found.remedy


def judged(named: bool = True, **seen: object) -> dict[str, Finding]:
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    from mmser_ros.node.sighting import Publisher, Sighting

    publishers = (Publisher("/driver", "sensor_msgs/msg/Image", "best effort", "volatile"),)
    values = {"topic": "/eye", "others": ("/eye",), "publishers": publishers, **seen}
    found = robot.judged(Sighting(**values), named, 5.0)
    return {each.subject: each for each in found}


def test_what_is_wrong_with_a_camera_is_told_with_its_remedy() -> None:
    silent = judged(count=0, hint="Its driver needs more shared memory.")
    assert silent["camera topic"].level == "ok"
    assert silent["camera rate"] == Finding(
        "fail", "camera rate", "no image in 5 s", "Its driver needs more shared memory."
    )
    late = judged(count=9, rate=3.0, age=7.5, form="rgb8, 8x8", camera="not known: no tf")
    assert late["camera stamps"].level == "warn" and "use_sim_time" in late["camera stamps"].remedy
    assert late["lens and mounting"].level == "warn"
    odd = judged(count=9, rate=3.0, age=0.0, form="32FC1", problem="A depth image.")
    assert odd["camera encoding"].level == "fail" and "lens and mounting" not in odd
    assert judged(count=9, age=0.0, unstamped=4)["camera stamps"].says.startswith("4 of 9")
    assert judged(count=9, age=0.0, backwards=4)["camera stamps"].says.startswith("4 of 9")


def test_two_publishers_on_one_topic_are_worth_a_warning() -> None:
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    from mmser_ros.node.sighting import Publisher

    both = [Publisher(name, "sensor_msgs/msg/Image", "reliable", "volatile") for name in "ab"]
    found = judged(count=9, rate=3.0, age=0.0, publishers=tuple(both))["camera topic"]
    assert found.level == "warn" and "from a, b: 2 publishers" in found.says


def test_a_topic_that_is_not_there_fails_only_if_it_was_named() -> None:
    absent = {"publishers": (), "others": ("/other/image_raw",)}
    named = judged(**absent)["camera topic"]
    assert named.level == "fail" and "/other/image_raw" in named.remedy
    several = judged(False, topic="", publishers=(), others=("/a", "/b"))["camera topic"]
    assert several.level == "warn" and "--image-topic" in several.remedy
    none = judged(False, topic="", publishers=(), others=())["camera topic"]
    assert none.level == "warn" and "Start the camera" in none.remedy
    assert judged(count=0)["camera topic"].level == "fail"  # published, but no images

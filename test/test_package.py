"""The package as users get it: what pip installs, what colcon installs, what both declare."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

SOURCES = [
    "CMakeLists.txt", "LICENSE", "README.md", "package.xml", "pyproject.toml", "setup.cfg",
    "setup.py", "action", "cmake", "config", "engines", "launch", "mmser_ros", "msg", "samples",
    "scripts",
]  # fmt: skip
SHARED = ["config", "engines", "launch", "samples"]
SITE = Path(
    "lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages", "mmser_ros"
)
PREFIX = Path(sys.prefix)


def missing(*tools: str) -> list[str]:
    """Which of these build tools this environment lacks."""
    return [tool for tool in tools if not shutil.which(tool, path=search_path())]


def search_path() -> str:
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


def ros_prefixes() -> str:
    """Where ROS lies: the sourced one, or this environment; empty when it lacks ament_cmake."""
    prefixes = os.environ.get("AMENT_PREFIX_PATH") or str(PREFIX)
    have = [Path(prefix, "share/ament_cmake/cmake").is_dir() for prefix in prefixes.split(":")]
    return prefixes if any(have) else ""


needs_generators = pytest.mark.skipif(
    bool(missing("cmake", "ninja", "g++")) or not ros_prefixes(),
    reason=f"to build messages this environment lacks {missing('cmake', 'ninja', 'g++')} or "
    "ament_cmake: make develop installs them",
)
needs_colcon = pytest.mark.skipif(
    bool(missing("colcon")), reason="colcon is not installed: pip install colcon-common-extensions"
)


def run(command: list[str | Path], **options: object) -> str:
    """Run a command to its end and return what it printed; its last lines explain a failure."""
    done = subprocess.run(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
        check=False,
        **options,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, "\n".join(done.stdout.splitlines()[-40:])
    return str(done.stdout)


@pytest.fixture(scope="module")
def sources(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is built, as a working tree has it: with leftovers of earlier builds."""
    copy = tmp_path_factory.mktemp("source") / "mmser_ros"
    copy.mkdir()
    for name in SOURCES:
        path = repository / name
        if path.is_dir():
            shutil.copytree(path, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.is_file():
            shutil.copy2(path, copy)
    for leftover in ("msg/_stale.py", "action/_stale.py", "stale.so"):
        path = copy / "mmser_ros" / leftover
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return copy


def modules(source: Path) -> set[str]:
    """What lies in the package by hand, relative to it."""
    generated = {"msg", "action"}
    return {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_file()
        and path.suffix not in (".so", ".pyc")
        and path.relative_to(source).parts[0] not in generated
    }


def data(source: Path) -> set[str]:
    """What belongs into share/mmser_ros, of the folders that exist."""
    return {
        path.relative_to(source).as_posix()
        for folder in SHARED
        for path in (source / folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps"]
    run([*command, "-w", out, sources])
    (built,) = out.glob("*.whl")
    return built


@needs_generators
def test_wheel_holds_our_modules_and_the_generated_ones(wheel: Path, sources: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {f"mmser_ros/{name}" for name in modules(sources / "mmser_ros")} <= held
    assert {"mmser_ros/msg/_caption.py", "mmser_ros/action/_describe_scene.py"} <= held
    assert [name for name in held if "stale" in name or name.endswith((".c", ".pyc"))] == []
    assert not any(name.startswith("test/") for name in held)


@needs_generators
def test_wheel_carries_data_libraries_and_executables(wheel: Path, sources: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    installed = {name.split(".data/data/")[1] for name in names if ".data/data/" in name}
    assert {f"share/mmser_ros/{name}" for name in data(sources)} <= installed
    assert {"lib/mmser_ros/captioner", "lib/mmser_ros/mmser"} <= installed
    assert "lib/libmmser_ros__rosidl_typesupport_c.so" in installed
    assert "share/ament_index/resource_index/packages/mmser_ros" in installed


@needs_generators
def test_runtime_needs_no_torch(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = archive.read(name).decode()
    required = re.findall(r"^Requires-Dist: ([\w-]+)(?!.*extra ==)", metadata, re.MULTILINE)
    assert "numpy" in required
    assert {"torch", "onnx", "onnxscript", "moderngl", "matplotlib"}.isdisjoint(required)


@needs_generators
def test_installed_wheel_speaks_and_offers_its_commands(wheel: Path, tmp_path: Path) -> None:
    """Into an environment of its own, which borrows this one's requirements alone."""
    venv = tmp_path / "venv"
    run([sys.executable, "-m", "venv", "--without-pip", venv])
    python = venv / "bin/python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index"]
    run([*pip, wheel])
    borrowed = [entry for entry in sys.path if entry.endswith("-packages")]
    site = venv / SITE.parent
    (site / "borrowed.pth").write_text("\n".join(borrowed), encoding="utf-8")
    environment = os.environ | {
        "LD_LIBRARY_PATH": f"{venv}/lib:{os.environ.get('LD_LIBRARY_PATH', '')}",
        "PYTHONPATH": str(site),
    }
    program = (
        "import mmser_ros.msg as m; m.Caption.__class__.__import_type_support__();"
        "assert m.Caption.__class__._TYPE_SUPPORT; print(m.__file__)"
    )
    said = run([python, "-c", program], env=environment, cwd=tmp_path)
    assert said.strip().startswith(str(venv))
    assert (venv / "bin/mmser-captioner").is_file()
    assert "usage" in run([venv / "bin/mmser", "--help"], env=environment, cwd=tmp_path).lower()


@pytest.fixture(scope="module", params=["default", "symlink"])
def colcon(
    request: pytest.FixtureRequest, sources: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The install space of a workspace that colcon built."""
    workspace = tmp_path_factory.mktemp(f"colcon_{request.param}")
    (workspace / "src").symlink_to(sources.parent)
    environment = os.environ | {
        "AMENT_PREFIX_PATH": ros_prefixes(),
        "CMAKE_PREFIX_PATH": ros_prefixes(),
        "LD_LIBRARY_PATH": f"{PREFIX}/lib:{os.environ.get('LD_LIBRARY_PATH', '')}",
        "PATH": search_path(),
    }
    command = ["colcon", "--log-base", "log", "build", "--event-handlers", "console_direct+"]
    options = ["--symlink-install"] if request.param == "symlink" else []
    cmake = ["--cmake-args", "-DBUILD_TESTING=OFF", f"-DPython3_EXECUTABLE={sys.executable}"]
    run([*command, *options, *cmake], cwd=workspace, env=environment)
    yield workspace / "install"


@needs_generators
@needs_colcon
def test_colcon_installs_everything_and_it_runs(
    colcon: Path, sources: Path, request: pytest.FixtureRequest
) -> None:
    prefix = colcon / "mmser_ros"
    package = next(prefix.glob("l*/**/python*/*-packages/mmser_ros"))
    assert {name for name in modules(sources / "mmser_ros") if not (package / name).is_file()} == (
        set()
    )
    share = prefix / "share/mmser_ros"
    assert {name for name in data(sources) if not (share / name).is_file()} == set()
    assert not (package / "msg/_stale.py").exists()
    linked = (package / "types.py").is_symlink()
    assert linked == ("symlink" in request.node.name)

    program = (
        "import mmser_ros.msg as m; m.Caption.__class__.__import_type_support__();"
        "assert m.Caption.__class__._TYPE_SUPPORT; print(m.__file__)"
    )
    source = f". {colcon}/setup.sh && cd / &&"
    environment = os.environ | {"PATH": search_path()}
    said = run(["sh", "-c", f"{source} python3 -c '{program}'"], env=environment)
    assert said.strip().startswith(str(colcon))
    executable = prefix / "lib/mmser_ros/mmser"
    said = run(["sh", "-c", f"{source} {executable} --help"], env=environment)
    assert "usage" in said.lower()
    assert os.access(prefix / "lib/mmser_ros/captioner", os.X_OK)


def manifest(repository: Path) -> ElementTree.Element:
    return ElementTree.parse(repository / "package.xml").getroot()


def test_version_is_the_same_everywhere(repository: Path) -> None:
    version = manifest(repository).findtext("version")
    pyproject = (repository / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r'^version = "(.+)"$', pyproject, re.MULTILINE)[1] == version  # type: ignore[index]
    changelog = (repository / "CHANGELOG.rst").read_text(encoding="utf-8")
    assert re.search(r"^(\d+\.\d+\.\d+) \(", changelog, re.MULTILINE)[1] == version  # type: ignore[index]


def test_manifest_names_every_ros_package_that_is_imported(repository: Path) -> None:
    """ROS packages are imported in the node and in launch files."""
    ours = {"mmser_ros"}
    third_party = {"cv2", "numpy", "yaml"}
    imported = set()
    for path in [*repository.glob("mmser_ros/node/*.py"), *repository.glob("launch/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    outside = imported - set(sys.stdlib_module_names) - ours - third_party
    root = manifest(repository)
    named = {tag.text for kind in ("depend", "exec_depend") for tag in root.iter(kind)}
    assert outside - named == set()


def test_manifest_is_of_format_3_and_licensed(repository: Path) -> None:
    root = manifest(repository)
    assert root.get("format") == "3"
    assert root.findtext("license") == "Apache-2.0"
    assert root.findtext("export/build_type") == "ament_cmake"
    assert "rosidl_interface_packages" in {tag.text for tag in root.iter("member_of_group")}
    assert "Apache License" in (repository / "LICENSE").read_text(encoding="utf-8")


def test_commands_lead_to_functions(repository: Path) -> None:
    pyproject = (repository / "pyproject.toml").read_text(encoding="utf-8")
    commands = dict(re.findall(r'^(mmser[\w-]*) = "([\w.:]+)"$', pyproject, re.MULTILINE))
    assert set(commands) == {"mmser", "mmser-captioner"}
    for target in commands.values():
        module, function = target.split(":")
        spec = importlib.util.find_spec(module)
        assert spec is not None and spec.origin is not None, module
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        names |= {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        assert function in names, target

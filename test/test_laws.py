"""The laws of the house, read off the source with ast. doc/architecture.md says why they hold."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "mmser_ros"
GENERATED = {PACKAGE / "msg", PACKAGE / "action"}
SOURCES = sorted(
    path for path in PACKAGE.rglob("*.py") if not GENERATED.intersection(path.parents)
)

ROS = {
    "action_msgs", "ament_index_python", "builtin_interfaces", "diagnostic_msgs", "lifecycle_msgs",
    "rcl_interfaces", "rclpy", "sensor_msgs", "std_msgs", "tf2_msgs",
    "mmser_ros.msg", "mmser_ros.action",
}  # fmt: skip
TORCH = {"torch", "torchvision", "onnxscript"}
OPTIONAL = {
    "torch",
    "cuda",
    "tensorrt",
    "tensorrt_rtx",
    "openvino",
    "moderngl",
    "onnx",
    "onnxscript",
    "pycocoevalcap",
}
TORCH_ROOMS = (
    "model/",
    "train/",
    "runtime/torch_engine.py",
    "runtime/cuda_engine.py",
    "runtime/cuda_graphs.py",
    "runtime/export.py",
)

VALUES = {"types", "ground", "pixels", "tokens", "files", "folders", "trust", "model"}
"""What holds no arrow up: small values, and the model with its config."""
MAY_IMPORT = {
    "types": set(),
    "files": set(),
    "model": {"files"},
    "ground": {"types", "model"},
    "pixels": {"types", "ground", "model"},
    "tokens": {"model"},
    "folders": {"model"},
    "trust": {"types", "model"},
    "runtime": {"files", "model", "types"},
    "decode": {"runtime", "types"},
    "salience": {"model"},
    "captioner": {"decode", "runtime", "salience", *VALUES},
    "world": {"types"},
    "metrics": {"world", "types"},
    "train": {"captioner", "decode", "metrics", "runtime", "salience", "world", *VALUES},
    "memory": set(),
    "node": {"captioner", "memory", "runtime", *VALUES},
    "cli": {
        *("captioner", "decode", "memory", "metrics", "node", "runtime", "train", "world"),
        *VALUES,
    },
}


@dataclass(frozen=True)
class Import:
    """One imported module: its dotted name, its line, and whether importing the file runs it."""

    module: str
    line: int
    at_import: bool


def imports(tree: ast.AST) -> Iterator[Import]:
    """Every import of a file, those for type checkers alone left out."""

    def walk(node: ast.AST, at_import: bool) -> Iterator[Import]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                yield from walk(other, at_import)
            return
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, at_import)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            for alias in node.names:
                yield Import(f"{node.module}.{alias.name}", node.lineno, at_import)
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, at_import and not inside)

    yield from walk(tree, True)


def is_one_of(module: str, names: set[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def room(module: str) -> str:
    """The room of mmser_ros that a dotted name leads to; empty for other packages."""
    first, _, rest = module.partition(".")
    return rest.split(".")[0] if first == "mmser_ros" else ""


def breaches(path: str, source: str) -> list[str]:
    """What a file at ``path`` (relative to mmser_ros/) does against the laws."""
    tree = ast.parse(source)
    home = path.split("/")[0].removesuffix(".py")
    at_home_with_torch = path.startswith(TORCH_ROOMS)
    found = []
    for item in imports(tree):
        where = f"{path}:{item.line} imports {item.module}"
        target = room(item.module)
        if is_one_of(item.module, ROS) and home != "node":
            found.append(f"{where}: only node/ speaks ROS")
        if is_one_of(item.module, TORCH) and not at_home_with_torch:
            found.append(f"{where}: a robot without torch would need it")
        if is_one_of(item.module, OPTIONAL) and item.at_import and not at_home_with_torch:
            found.append(f"{where}: optional parts are imported where they are used")
        if target and target not in {home, "msg", "action"}:
            if home not in MAY_IMPORT:
                found.append(f"{path}: a room that the plan does not know")
            elif target not in MAY_IMPORT[home]:
                found.append(f"{where}: this arrow points the wrong way")
    found += [f"{path}:{line} {what}" for line, what in _faults(tree)]
    return found


def _faults(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Constructs that no file of the package may hold."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            silent = all(isinstance(part, ast.Pass) for part in node.body)
            if node.type is None:
                yield node.lineno, "catches everything, even KeyboardInterrupt"
            elif silent and ast.unparse(node.type) in ("Exception", "BaseException"):
                yield node.lineno, "loses an error without a word"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            if {"pickle", "cPickle", "dill", "joblib"}.intersection(names):
                yield node.lineno, "unpickling runs code that a file brings along"
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            given = {word.arg: ast.unparse(word.value) for word in node.keywords}
            if given.get("allow_pickle", "False") != "False":
                yield node.lineno, "unpickling runs code that a file brings along"
            if called == "torch.load" and given.get("weights_only") != "True":
                yield node.lineno, "torch.load needs weights_only=True"
            if called in ("eval", "exec"):
                yield node.lineno, f"{called} runs text as code"
        elif isinstance(node, ast.Name) and node.id == "NotImplementedError":
            yield node.lineno, "is not finished"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_file_keeps_the_laws(path: Path) -> None:
    relative = path.relative_to(PACKAGE).as_posix()
    assert breaches(relative, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("path", "source", "complaint"),
    [
        ("captioner.py", "import rclpy", "only node/ speaks ROS"),
        ("cli/demo.py", "def f():\n from mmser_ros.msg import Caption", "only node/ speaks ROS"),
        ("decode/beam.py", "def f():\n import torch", "without torch"),
        ("world/render.py", "import moderngl", "where they are used"),
        ("runtime/onnx_engine.py", "import onnx", "where they are used"),
        ("model/mmser.py", "from mmser_ros.runtime import engine", "wrong way"),
        ("model/mmser.py", "from mmser_ros import runtime", "wrong way"),
        ("runtime/engine.py", "from mmser_ros.tokens import Tokenizer", "wrong way"),
        ("decode/greedy.py", "import mmser_ros.captioner", "wrong way"),
        ("captioner.py", "from mmser_ros.node import images", "wrong way"),
        ("helpers/text.py", "import mmser_ros.types", "does not know"),
        ("types.py", "try:\n f()\nexcept:\n raise", "catches everything"),
        ("types.py", "try:\n f()\nexcept Exception:\n pass", "without a word"),
        ("types.py", "import pickle", "unpickling"),
        ("types.py", "np.load(f, allow_pickle=True)", "unpickling"),
        ("model/checkpoint.py", "import torch\ntorch.load(f)", "weights_only"),
        ("types.py", "eval('1')", "runs text"),
        ("types.py", "raise NotImplementedError", "not finished"),
    ],
)
def test_breach_is_noticed(path: str, source: str, complaint: str) -> None:
    assert complaint in " ".join(breaches(path, source))


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("node/images.py", "import rclpy\nfrom sensor_msgs.msg import Image"),
        ("model/mmser.py", "import torch"),
        ("world/render.py", "def f():\n import moderngl"),
        ("decode/greedy.py", "from mmser_ros.runtime.engine import Engine"),
        ("captioner.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n import torch"),
        ("types.py", "try:\n f()\nexcept ValueError:\n pass"),
    ],
)
def test_lawful_source_passes(path: str, source: str) -> None:
    assert breaches(path, source) == []


BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"blocked: {{name}}", name=name)
sys.meta_path.insert(0, Block())
import {module}
"""


@pytest.mark.parametrize("module", ["mmser_ros.captioner", "mmser_ros.cli", "mmser_ros.types"])
def test_module_imports_without_torch_and_ros(module: str) -> None:
    blocked = {name for name in OPTIONAL | TORCH | ROS if not name.startswith("mmser_ros")}
    program = BLOCK.format(blocked=blocked, module=module)
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr


def dataclasses_of(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """(name, frozen) of each dataclass of a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for decorator in map(ast.unparse, node.decorator_list):
                if decorator.split("(")[0].split(".")[-1] == "dataclass":
                    yield node.name, "frozen=True" in decorator


def is_configuration(path: Path, name: str) -> bool:
    held = ("Config", "Settings", "Parameters", "Options", "Info")
    return path.name in ("types.py", "config.py", "parameters.py") or name.endswith(held)


def test_configuration_and_values_are_frozen() -> None:
    checked = {
        (path.relative_to(PACKAGE).as_posix(), name): frozen
        for path in SOURCES
        for name, frozen in dataclasses_of(ast.parse(path.read_text(encoding="utf-8")))
        if is_configuration(path, name)
    }
    assert ("model/config.py", "ModelConfig") in checked
    assert [key for key, frozen in checked.items() if not frozen] == []

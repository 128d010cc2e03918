"""One folder of the engine store: a plan, and a manifest in JSON that says what it is good for.

Plans run as code, so only files are read that nobody but this user and root could have written.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mmser_ros.files import replacing

PLAN, MANIFEST = "plan", "manifest.json"
FOLDER = re.compile(r".+-[0-9a-f]{16}")
"""Names of folders that are entries."""
_WRITABLE_BY_OTHERS = 0o022


class Unusable(Exception):
    """A kept plan must not be run; the message is why, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Key:
    """All that decides what a build gives: where anything differs, it must be built anew."""

    name: str
    """Model and graph, for people and for the name of the folder: nano decode."""
    weights: str
    """Hash of the weights that go into the plan."""
    graph: str
    """Hash of the graph."""
    backend: str
    """What builds and runs the plan, with its version: tensorrt 10.3.0."""
    device: str
    """Name of the accelerator, or of the family that the plan is built for."""
    capability: str
    """Compute capability, such as 8.7; empty where there is no such thing."""
    precision: str
    """fp32, bf16, fp16, int8."""
    shapes: Mapping[str, str]
    """Shapes, or ranges of them, by the name of the input: 1..32x768."""

    @property
    def folder(self) -> str:
        """The name of the folder that is this key's alone."""
        content = json.dumps(dataclasses.asdict(self), sort_keys=True)
        readable = re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-") or "engine"
        return f"{readable[:40]}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"

    def instead(self, kept: Key) -> str:
        """What the key of a kept plan says, and this one says otherwise, in words."""
        names = [field.name for field in dataclasses.fields(self) if field.name != "shapes"]
        pairs = [(name, getattr(kept, name), getattr(self, name)) for name in names]
        found = [
            f"{name} {theirs or 'none'} instead of {ours or 'none'}"
            for name, theirs, ours in pairs
            if theirs != ours
        ]
        return ", ".join(found if kept.shapes == self.shapes else [*found, "other shapes"])


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is written beside a plan."""

    key: Key
    sha256: str
    """Of the plan, in hexadecimal digits."""
    size: int
    """Of the plan, in bytes."""
    seconds: float
    """That building it took."""

    @classmethod
    def parse(cls, text: bytes) -> Manifest:
        """Raises Unusable for anything but what ``write`` wrote."""
        try:
            content = json.loads(text)
            manifest = cls(key=Key(**content.pop("key")), **content)
            key = dataclasses.asdict(manifest.key)
            shapes = key.pop("shapes")
            texts = [*key.values(), *shapes, *shapes.values(), manifest.sha256]
            numbers = (manifest.size, manifest.seconds)
            if not all(isinstance(text, str) for text in texts):
                raise TypeError("a text was expected")
            if not all(isinstance(number, int | float) for number in numbers):
                raise TypeError("a number was expected")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Unusable(f"its manifest cannot be understood ({error})") from error
        return manifest


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an entry. Raises Unusable."""
    return Manifest.parse(_read(folder / MANIFEST))


def read_plan(folder: Path, manifest: Manifest) -> bytes:
    """The plan that a manifest is about. Raises Unusable if it is not what was written."""
    plan = _read(folder / PLAN)
    if len(plan) != manifest.size:
        raise Unusable(f"it has {len(plan)} bytes and should have {manifest.size}")
    if hashlib.sha256(plan).hexdigest() != manifest.sha256:
        raise Unusable("it is not what was written: its SHA-256 differs")
    return plan


def write(folder: Path, key: Key, plan: bytes | memoryview, seconds: float) -> None:
    """Make an entry in a new folder; its manifest, without which it does not count, comes last.

    Raises OSError.
    """
    view = memoryview(plan)
    manifest = Manifest(key, hashlib.sha256(view).hexdigest(), view.nbytes, seconds)
    folder.mkdir()
    _write(folder / PLAN, view)
    _write(folder / MANIFEST, json.dumps(dataclasses.asdict(manifest), indent=1).encode())


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_uid not in (0, os.geteuid()) or status.st_mode & _WRITABLE_BY_OTHERS:
                raise Unusable(f"others than this user can have written {path}")
            return file.read()
    except FileNotFoundError:
        raise Unusable(f"its {path.name} is missing") from None
    except OSError as error:
        raise Unusable(f"{path} cannot be read ({error.strerror})") from error


def _write(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that it is there whole or not at all, after a power cut too."""
    with replacing(path) as partial, partial.open("wb") as file:
        os.fchmod(file.fileno(), 0o644)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())

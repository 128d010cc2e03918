"""Where models and other data lie: the built-in ones by name, others by path."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from mmser_ros.model.config import BadModel

_SHARE = Path("share", "mmser_ros")


def find_model(model: str | Path) -> Path:
    """The folder of a model: of a built-in one by name, or of any by path.

    A bare name is looked for in the source tree's ``engines/``, in ``share/mmser_ros/engines``
    of every prefix that this package can be installed under, then as a folder here. Raises
    BadModel, naming the places.
    """
    asked = Path(model).expanduser()
    bare = len(asked.parts) == 1 and asked.name not in ("", "..") and not asked.is_absolute()
    found = [place / asked.name for place in places("engines")] if bare else []
    for folder in (*found, asked):
        if (folder / "config.json").is_file():
            return folder
    if not bare:
        raise BadModel(f"{asked} is no model folder: it holds no config.json.")
    looked = ", ".join(str(place.parent) for place in found if place.parent.is_dir())
    raise BadModel(f"There is no model '{model}' in {looked or 'any place where models lie'}.")


def places(folder: str) -> Iterator[Path]:
    """Where a folder of this package's data can be, such as ``engines`` or ``samples``."""
    here = Path(__file__).resolve()
    yield here.parents[1] / folder
    prefixes = [*here.parents[2:], Path(sys.prefix)]
    prefixes += [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    for prefix in dict.fromkeys(prefixes):
        yield prefix / _SHARE / folder

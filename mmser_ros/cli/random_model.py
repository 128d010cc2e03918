"""Model folders with random weights, kept in the user's cache: a size to measure, not to use."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

from mmser_ros.cli.failure import Failure
from mmser_ros.model import sizes

ROOM = {"base": 3_000_000_000, "small": 10_000_000}
"""Bytes of disk that making a size takes; about a third of it is kept."""


def random_model(size: str) -> Path:
    """The folder of a size of ``model.sizes.SIZES``; the first call makes it, in up to a minute.

    Raises Failure with a sentence where it cannot be made.
    """
    from mmser_ros.runtime.store import default_folder

    place = default_folder().with_name("models")
    folder = place / f"{size}-{_makers()}"
    if folder.is_dir():
        return folder
    try:
        place.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(place).free < ROOM[size]:
            raise Failure(f"{place} has less than {ROOM[size] / 1e9:g} GB free; name another "
                          "cache in XDG_CACHE_HOME.")  # fmt: skip
        making = Path(tempfile.mkdtemp(dir=place, prefix=".making-"))
    except OSError as error:
        raise Failure(f"{place} cannot be written: {error.strerror}.") from error
    print(f"mmser: making a model of random weights in {folder}.", file=sys.stderr)
    try:
        _write(making, size)
        making.chmod(0o755)
        os.rename(making, folder)
    except ImportError as error:
        raise Failure(
            f"A model of random weights is made with {error.name}, which is not installed: "
            "pip install 'mmser-ros[train]'"
        ) from error
    except OSError as error:
        if not folder.is_dir():  # else another process was faster
            raise Failure(f"{folder} cannot be made: {error}.") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
    for stale in place.glob(f"{size}-*"):
        if stale != folder:
            shutil.rmtree(stale, ignore_errors=True)
    return folder


def caption_of(size: str) -> tuple[int, ...]:
    """The ids that a model of this size writes, whatever it sees."""
    first = max(*sizes.SIZES[size].prompt.coarse, *sizes.SIZES[size].prompt.separator) + 1
    return tuple(range(first, first + sizes.CAPTION))


def _write(folder: Path, size: str) -> None:
    from mmser_ros.model import checkpoint
    from mmser_ros.model.untrained import untrained
    from mmser_ros.runtime.export import write_all
    from mmser_ros.tokens import SPECIAL, build_word_level

    config = sizes.SIZES[size]
    checkpoint.save(untrained(config, caption_of(size)), folder)
    words = config.decoder.vocabulary - len(SPECIAL)
    build_word_level(f"w{number:05}" for number in range(words)).save(folder / "tokenizer.json")
    write_all(folder)


def _makers() -> str:
    """Of everything that decides what is made: a new version makes it anew."""
    package = Path(sizes.__file__).parents[1]
    files = [*(package / "model").glob("*.py"), package / "tokens.py", Path(__file__)]
    files += [package / "runtime" / name for name in ("export.py", "graphs.py", "weights.py")]
    sha = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(files)))
    return sha.hexdigest()[:12]

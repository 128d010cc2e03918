"""Keeps what takes minutes to build: one folder an engine, its plan and a manifest in it.

What is built is opaque here: bytes that a backend makes and loads. A plan is valid for one
weights hash, graph, backend version, device and precision, and nothing in it says so; the
manifest does. What does not match it, or cannot be loaded, is built anew, with the reason in
one sentence.

One process at a time builds, whatever it builds: builders time their kernels, and two at once
would disturb each other. What is kept already is read without waiting for anybody. Files appear
whole or not at all, and the kernel releases the lock of a process that dies, so that a kill at
any moment leaves a working store.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mmser_ros.runtime.entry import (
    FOLDER,
    MANIFEST,
    Key,
    Manifest,
    Unusable,
    read_manifest,
    read_plan,
    write,
)
from mmser_ros.runtime.progress import Progress, minutes, ticking

__all__ = ["LIMIT", "Entry", "Key", "Store", "default_folder", "megabytes"]

log = logging.getLogger(__name__)

T = TypeVar("T")
Plan = bytes | memoryview
LOCK = "lock"
LIMIT = 8 << 30
"""Bytes that are kept at most: several engines of the largest model."""


def default_folder() -> Path:
    """Where engines are kept: in the user's cache directory, as XDG or the platform has it."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if named.is_absolute():  # the specification ignores relative ones
        return named / "mmser_ros" / "engines"
    try:
        home = Path.home()
    except RuntimeError:  # a user without a home, as in containers
        return Path(tempfile.gettempdir()) / f"mmser_ros-{os.geteuid()}" / "engines"
    caches = home / "Library" / "Caches" if sys.platform == "darwin" else home / ".cache"
    return caches / "mmser_ros" / "engines"


@dataclass(frozen=True, slots=True)
class Entry:
    """One folder of the store."""

    folder: Path
    size: int
    """Bytes of all that is in it."""
    used: float
    """When it was last used, in seconds since the epoch."""
    manifest: Manifest | None
    """None if it cannot be read."""


class Store:
    """Built engines on disk. Any number of processes and threads may use one folder."""

    def __init__(self, folder: Path | None = None, limit: int = LIMIT) -> None:
        """``folder``: None takes ``default_folder()``; ``limit`` in bytes."""
        self.folder = folder or default_folder()
        self.limit = limit

    def fetch(
        self,
        key: Key,
        build: Callable[[], Plan],
        load: Callable[[Plan], T],
        progress: Progress | None = None,
    ) -> T:
        """What ``load`` makes of the plan for ``key``; where none can be used, it is built first.

        ``load`` must raise an exception for a plan that it cannot load. Where nothing can be
        written, the plan is built, loaded and not kept, and a warning says why. Raises only
        what ``build`` raises, or ``load`` of the plan that was just built.
        """
        try:
            return self._kept(key, load)
        except Unusable as fault:
            reason = fault
        with self._alone(progress) as locked:
            if locked:
                try:
                    return self._kept(key, load)  # another process may have built it meanwhile
                except Unusable as fault:
                    reason = fault
            log.info("Building %s for %s: %s.", key.name, key.backend, reason)
            began = time.monotonic()
            with ticking(f"building {key.name}", progress):
                plan = build()
            seconds = time.monotonic() - began
            log.info("Built %s in %s.", key.name, minutes(seconds))
            loaded = load(plan)
            if locked:
                self._keep(key, plan, seconds)
        return loaded

    def entries(self) -> list[Entry]:
        """All that is kept, the least recently used first. Plans are not read."""
        try:
            names = os.listdir(self.folder)
        except OSError:
            return []
        folders = [self.folder / name for name in names if FOLDER.fullmatch(name)]
        found = [entry for entry in map(_entry, folders) if entry is not None]
        return sorted(found, key=lambda entry: entry.used)

    def _kept(self, key: Key, load: Callable[[Plan], T]) -> T:
        folder = self.folder / key.folder
        if not folder.is_dir():
            raise Unusable(self._missing(key))
        try:
            manifest = read_manifest(folder)
            if manifest.key != key:
                raise Unusable(f"it is of {key.instead(manifest.key)}")
            plan = read_plan(folder, manifest)
        except Unusable as fault:
            raise Unusable(f"the kept one cannot be used, {fault}") from fault
        try:
            loaded = load(plan)
        except Exception as error:
            raise Unusable(f"the kept one cannot be loaded ({error})") from error
        with suppress(OSError):  # a store that can only be read
            os.utime(folder / MANIFEST)
        return loaded

    def _missing(self, key: Key) -> str:
        """Why nothing is kept: what the last one of this name was built for, or that none was."""
        for entry in reversed(self.entries()):
            if entry.manifest is not None and entry.manifest.key.name == key.name:
                return f"the last one was of {key.instead(entry.manifest.key)}"
        return "none was built before"

    @contextmanager
    def _alone(self, progress: Progress | None) -> Iterator[bool]:
        """Hold the store's lock; gives False, after a warning, where there can be none."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            self._warn(error)
            yield False
            return
        try:
            yield self._locked(file, progress)
        finally:
            os.close(file)

    def _locked(self, file: int, progress: Progress | None) -> bool:
        """Whether the file could be locked, which may take as long as another one's build."""
        doing = "waiting for another process that builds an engine"
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("%s ...", doing.capitalize())
            with ticking(doing, progress):
                fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:  # a file system without locks
            self._warn(error)
            return False
        return True

    def _keep(self, key: Key, plan: Plan, seconds: float) -> None:
        size, folder = memoryview(plan).nbytes, self.folder / key.folder
        if size > self.limit:
            log.warning(
                "%s is not kept and will be built again at every start: it has %s, the limit of "
                "all engines is %s.",
                *(key.name, megabytes(size), megabytes(self.limit)),
            )
            return
        shutil.rmtree(folder, ignore_errors=True)  # what lies there is of no use
        try:
            write(folder, key, plan, seconds)
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            self._warn(error)
            return
        self._shrink(folder)

    def _shrink(self, newest: Path) -> None:
        """Remove what was not used for longest, until what is kept is within the limit."""
        entries = self.entries()
        excess = sum(entry.size for entry in entries) - self.limit
        for entry in entries:
            if excess > 0 and entry.folder != newest:
                shutil.rmtree(entry.folder, ignore_errors=True)
                log.info(
                    "Removed %s, which was not used for longest: all engines may have %s.",
                    *(entry.folder, megabytes(self.limit)),
                )
                excess -= entry.size

    def _warn(self, error: OSError) -> None:
        log.warning(
            "The engine is not kept and will be built again at every start: %s cannot be written "
            "(%s). Make room or give access there, or name another folder in XDG_CACHE_HOME.",
            *(self.folder, error.strerror or error),
        )


def _entry(folder: Path) -> Entry | None:
    """None for what is no folder, or vanishes meanwhile."""
    manifest = None
    try:
        size = sum(file.stat().st_size for file in folder.iterdir())
        used = folder.stat().st_mtime
        with suppress(Unusable):
            manifest = read_manifest(folder)
            used = (folder / MANIFEST).stat().st_mtime
    except OSError:
        return None
    return Entry(folder, size, used, manifest)


def megabytes(size: int) -> str:
    """A size in words."""
    return f"{size / 1e6:.0f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"

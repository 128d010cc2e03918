"""Check of ``mmser doctor``: the store of built engines, and whether they fit this machine."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmser_ros.cli.finding import Finding, ok, warn
from mmser_ros.cli.machine import installed
from mmser_ros.folders import find_model
from mmser_ros.model.config import BadModel
from mmser_ros.runtime import plans
from mmser_ros.runtime.cuda_driver import Driver
from mmser_ros.runtime.entry import Key, Unusable, read_manifest, read_plan
from mmser_ros.runtime.graphs import GRAPHS
from mmser_ros.runtime.store import Entry, Store, megabytes
from mmser_ros.runtime.weights import digest

SUBJECT = "engine store"
Asked = Mapping[str, Mapping[str, Any]]
"""Of the keys of a model's plans, by their names, what the model decides."""
ROOM = 2_500_000_000
"""Bytes that the plans of a model of 500 million parameters take, in single precision."""


def engines(store: Store, model: str, driver: Driver) -> Iterator[Finding]:
    """Whether built engines can be kept, and each that is kept, be used."""
    entries = store.entries()
    size = megabytes(sum(entry.size for entry in entries))
    kept = f"{len(entries)} {'engine' if len(entries) == 1 else 'engines'}, {size}"
    place = _existing(store.folder)
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        yield warn(
            SUBJECT,
            f"{kept}; {place} cannot be written, so what is built is not kept",
            "Give access there, or name another folder in XDG_CACHE_HOME.",
        )
    else:
        free = shutil.disk_usage(place).free
        says = f"{store.folder}: {kept}, {megabytes(free)} free"
        if driver.gpus and free < ROOM:
            yield warn(SUBJECT, says, "Make room: what does not fit is built at every start.")
        else:
            yield ok(SUBJECT, says)
    asked = _of_model(model)
    for entry in entries:
        yield _judged(entry, asked, driver)


def _judged(entry: Entry, asked: Asked, driver: Driver) -> Finding:
    try:
        manifest = read_manifest(entry.folder)
        read_plan(entry.folder, manifest)
    except Unusable as fault:
        return warn(SUBJECT, f"{entry.folder}: {fault}", "It is built anew when it is needed.")
    key = manifest.key
    says = f"{key.name}, {key.precision}, {key.backend}, {key.device}, {megabytes(entry.size)}"
    strange = list(_differences(key, asked, driver))
    if not strange:
        return ok(SUBJECT, f"{says}: fits")
    return warn(
        SUBJECT,
        f"{says}: not for this machine or model, {', '.join(strange)}",
        f"It is built anew when it is needed; to have its room at once, remove {entry.folder}.",
    )


def _differences(key: Key, asked: Asked, driver: Driver) -> Iterator[str]:
    """In words, what is otherwise here than what an engine was built for."""
    name, _, version = key.backend.partition(" ")
    present = installed(name)
    if present != version:
        yield f"{name} is {present or 'not installed'}"
    wanted = dataclasses.replace(key, **asked.get(key.name, {}))
    if wanted != key:
        yield wanted.instead(key)
    gpus = {(gpu.name, gpu.capability) for gpu in driver.gpus}
    if key.capability and (key.device, key.capability) not in gpus:
        yield f"{key.device} is not there"


def _of_model(model: str) -> Asked:
    try:
        folder = find_model(model)
        weights = digest(folder)
        found = [plans.of_model(folder, graph, weights) for graph in GRAPHS]
    except (BadModel, OSError):  # which another check tells
        return {}
    return {each["name"]: each for each in found}


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above that there is."""
    return next(place for place in (folder, *folder.parents) if os.path.lexists(place))

"""Shards that `dataset.py` rendered, read from disk on demand."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmser_ros.world.grammar import Facts, Item, Path

Rgb = NDArray[np.uint8]
Ids = NDArray[np.uint8]


class BadShards(ValueError):
    """No shards where they were expected; the message says how to make them."""


def from_record(record: dict[str, Any]) -> Facts:
    """The facts of a line of ``facts.jsonl``."""

    def items(rows: list[dict[str, Any]]) -> tuple[Item, ...]:
        listed: list[dict[str, Any]] = [
            {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()} for row in rows
        ]
        return tuple(Item(**row) for row in listed)

    return Facts(
        scene=record["scene"],
        wall=record["wall"],
        floor=record["floor"],
        items=items(record["items"]),
        path=Path(**record["path"]),
        optional=items(record["optional"]),
    )


class Pictures:
    """Pictures of one shard, each read by itself. Raises BadShards if the file is cut off.

    Training asks for them in random order. Through a memory map every miss would drag what lies
    behind it from the disk, megabytes at a time, and throw as much out of the memory.
    """

    def __init__(self, path: FilePath) -> None:
        try:
            mapped = np.load(path, mmap_mode="r")
        except ValueError as error:  # as numpy calls a file that is shorter than its header says
            raise self._cut_off(path) from error
        self._path, self._shape, self._offset = path, mapped.shape, mapped.offset

    def __len__(self) -> int:
        return int(self._shape[0])

    def read(self, row: int) -> Rgb:
        """One picture, (288, 384, 3). Raises BadShards if the file has become shorter."""
        picture = np.empty(self._shape[1:], np.uint8)
        place = self._offset + row * picture.nbytes
        with self._path.open("rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), place, picture.nbytes, os.POSIX_FADV_RANDOM)
            if os.preadv(file.fileno(), [picture.data], place) != picture.nbytes:
                raise self._cut_off(self._path)
        return picture

    @staticmethod
    def _cut_off(path: FilePath) -> BadShards:
        return BadShards(f"{path} is cut off; render its split again, which mends it.")


class Shards:
    """Rendered frames of one split, read from disk on demand.

    Args:
        folder: where the shards are.
        split: which split to read.
        most: at most so many frames; all of them by default.

    Raises:
        BadShards: there is no shard of that split, or one is cut off.

    """

    def __init__(self, folder: str | FilePath, split: str, most: int | None = None) -> None:
        self.folder, self.split = FilePath(folder), split
        paths = sorted(p for p in self.folder.glob(f"{split}-[0-9]*") if p.is_dir())
        if not paths:
            raise BadShards(
                f"{self.folder} holds no shards of the split {split!r}. Render some with: python "
                f"-m mmser_ros.world.dataset --split {split} --count 1000 --out {self.folder}"
            )
        self._paths = paths
        self._images = [Pictures(p / "images.npy") for p in paths]
        self._ids = [np.load(p / "ids.npy", mmap_mode="r") for p in paths]
        self._records: dict[int, list[dict[str, Any]]] = {}
        self._starts = np.cumsum([0] + [len(images) for images in self._images])
        total = int(self._starts[-1])
        self._length = total if most is None else min(most, total)

    def __len__(self) -> int:
        return self._length

    def _at(self, index: int) -> tuple[int, int]:
        if not 0 <= index < self._length:
            raise IndexError(f"frame {index} of {self._length}")
        shard = int(np.searchsorted(self._starts, index, side="right")) - 1
        return shard, index - int(self._starts[shard])

    def image(self, index: int) -> Rgb:
        """(288, 384, 3) RGB."""
        shard, row = self._at(index)
        return self._images[shard].read(row)

    def ids(self, index: int) -> Ids:
        """(72, 96) object ids: 1 floor, 2 ceiling, 3 to 5 walls, from 10 on things."""
        shard, row = self._at(index)
        return np.asarray(self._ids[shard][row])

    def record(self, index: int) -> dict[str, Any]:
        """The frame's line of ``facts.jsonl``: caption, items, optional, path, camera, graph."""
        shard, row = self._at(index)
        if shard not in self._records:
            text = (self._paths[shard] / "facts.jsonl").read_text(encoding="utf-8")
            self._records[shard] = [json.loads(line) for line in text.splitlines()]
        return self._records[shard][row]

    def facts(self, index: int) -> Facts:
        """The frame's truth."""
        return from_record(self.record(index))

    def caption(self, index: int) -> str:
        """The frame's true caption."""
        return str(self.record(index)["caption"])

    def captions(self) -> Iterator[str]:
        """All true captions, in order."""
        return (self.caption(i) for i in range(len(self)))

"""An engine that the store builds for SECONDS, as TensorRT's: building_engine.py SECONDS WORDS.

WORDS are `node` or a command, and their arguments. Under the name onnx it stands in for an engine
of a GPU: the store, its progress, and ONNX Runtime, which captions in the end, are real.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path

from mmser_ros.runtime import registry
from mmser_ros.runtime.engine import Engine
from mmser_ros.runtime.progress import Progress
from mmser_ros.runtime.store import Key, Store

SECONDS, *WORDS = sys.argv[1:]
ONNX = registry.ENGINES["onnx"]


def opened(folder: Path, threads: int | None, precision: str, told: Progress | None) -> Engine:
    def build() -> bytes:
        time.sleep(float(SECONDS))
        return b"plan"

    key = Key("tiny decode", "w", "g", "slow 1.0", "Orin", "8.7", precision, {})
    Store().fetch(key, build, bytes, told)
    return ONNX.open(folder, threads, precision, told)


if __name__ == "__main__":
    registry.ENGINES["onnx"] = dataclasses.replace(ONNX, open=opened)
    if WORDS[0] == "node":
        from mmser_ros.node.main import main
    else:
        from mmser_ros.cli import main
    sys.exit(main(WORDS[WORDS[0] == "node" :]))

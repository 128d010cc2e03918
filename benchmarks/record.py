"""Where results go: a JSON file each, with the machine that they were measured on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from mmser_ros.cli.measured_on import machine

RESULTS = Path(os.environ.get("MMSER_RESULTS", Path(__file__).parent / "results"))
"""MMSER_RESULTS names another folder."""


def publish(name: str, figures: dict[str, Any], save: bool) -> None:
    """Print figures as one line of JSON; ``save`` also writes them below ``results``."""
    whole = {"machine": machine(), **figures}
    if save:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{name}.json"
        path.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(whole))

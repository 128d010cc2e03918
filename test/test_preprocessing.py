"""The benchmark of what happens to a frame before the encoder sees it, in miniature."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_every_step_is_told_with_what_it_costs(repository: Path) -> None:
    script = repository / "benchmarks" / "preprocessing.py"
    ended = subprocess.run(
        [sys.executable, str(script), "--rounds", "1"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout.splitlines()[-1])
    assert told["machine"]["cores"] >= 1
    assert {"canvas of VGA", "glance's pixels", "crops' pixels"} < set(told["steps"])
    assert all(0 < step["p50"] <= step["p95"] for step in told["steps"].values())


def test_models_that_read_no_ground_have_no_steps_for_it(
    repository: Path, tiny_model: Path
) -> None:
    script = repository / "benchmarks" / "preprocessing.py"
    command = [sys.executable, str(script), "--rounds", "1", "--model", str(tiny_model)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout.splitlines()[-1])
    assert not any("ground" in name for name in told["steps"])

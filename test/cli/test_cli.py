"""The command `mmser` itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mmser_ros.cli import COMMANDS, main
from mmser_ros.cli.failure import Failure


def test_help_names_every_command_with_its_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert all(name in said for name in COMMANDS) and "Exit codes" in said


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert len(capsys.readouterr().out) > 200


@pytest.mark.parametrize(
    "argv", [[], ["sing"], ["caption", "x", "--bag-version", "7"], ["eval", "--frames"]]
)
def test_wrong_usage_ends_with_two(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert "usage: mmser" in capsys.readouterr().err


def test_help_loads_nothing_that_takes_long() -> None:
    heavy = {"torch", "rclpy", "cv2", "numpy", "onnxruntime", "rosbags", "moderngl"}
    program = (
        "import sys\nfrom mmser_ros.cli import main\n"
        "try:\n main(['--help'])\nexcept SystemExit:\n pass\n"
        f"print('loaded:', sorted({heavy!r} & set(sys.modules)))"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert said.stdout.endswith("loaded: []\n")


def test_captioning_and_scoring_load_neither_torch_nor_ros() -> None:
    modules = ("caption", "bags", "bag_copy", "frames", "records", "eval", "scenes")
    program = "\n".join(f"import mmser_ros.cli.{name}" for name in modules)
    program += "\nimport sys; print(sorted({'torch', 'rclpy', 'sensor_msgs'} & set(sys.modules)))"
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert said.stdout == "[]\n"


def test_a_failure_is_a_sentence_and_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mmser_ros.cli import caption

    def fail(args: object) -> int:
        raise Failure("The lens is dirty.", 1)

    monkeypatch.setattr(caption, "run", fail)
    assert main(["caption", "x"]) == 1
    assert capsys.readouterr().err == "mmser: The lens is dirty.\n"


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    from mmser_ros.cli import caption

    def interrupted(args: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(caption, "run", interrupted)
    assert main(["caption", "x"]) == 130


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_output_that_cannot_be_written_is_told_in_a_sentence() -> None:
    command = [sys.executable, "-m", "mmser_ros.cli", "bench", "--engine", "cuda", "--frames", "1"]
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=100, check=False
        )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == "mmser: No space left on device."
    assert "Traceback" not in ended.stderr and "ignored" not in ended.stderr

"""Camera, captioner and listener as three processes over DDS."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

pytest.importorskip("rclpy", reason='needs ROS: pip install "ros-rclpy[fastrtps]"')
from camera import FRAME_ID
from probe import Probe, process, ros

from mmser_ros.msg import Caption

NODE = ("0.01", "--ros-args", "-r", "image:=camera/image_raw")


@pytest.fixture
def probe() -> Iterator[Probe]:
    with ros():
        listener = Probe()
        yield listener
        listener.close()


def complete(probe: Probe) -> list[list[Caption]]:
    """Pairs of both stages."""
    return [pair for pair in probe.pairs().values() if len(pair) == 2]


def end(child: subprocess.Popen[str], number: int) -> tuple[int, float]:
    """Send a signal; the exit code, and how long it took."""
    began = time.monotonic()
    child.send_signal(number)
    return child.wait(20), time.monotonic() - began


@pytest.mark.parametrize("transport", ["raw", "compressed"])
def test_vga_images_get_two_captions_each_with_their_header(probe: Probe, transport: str) -> None:
    with process("fake_node.py", *NODE, "-p", f"image_transport:={transport}") as node:
        probe.until(probe.voices, 25)
        with process("camera.py", f"transport={transport}", "rate=10"):
            probe.until(lambda: len(complete(probe)) >= 8, 25)
            code, _ = end(node, signal.SIGINT)
        assert code == 0, node.stderr and node.stderr.read()
    topic = "/camera/image_raw" + ("/compressed" if transport == "compressed" else "")
    for coarse, refined in complete(probe):
        assert (coarse.stage, refined.stage) == (Caption.STAGE_COARSE, Caption.STAGE_REFINED)
        number = coarse.header.stamp.sec - 1000
        assert coarse.header.stamp.nanosec == number + 7
        assert coarse.header == refined.header
        assert coarse.header.frame_id == FRAME_ID
        assert coarse.source_topic == topic
        red, green, blue = (int(word) for word in coarse.text.split()[3:6])
        assert max(abs(red - 200), abs(green - 100), abs(blue - number % 100)) <= 3
        assert refined.text == f"{coarse.text} the path is clear ."
        assert len(coarse.words) == len(coarse.word_probabilities)
        assert coarse.age > 1e6  # the stamps of this camera lie decades back
        assert 0 < coarse.inference_time < 1
    order = [(caption.frame_seq, caption.stage) for caption in probe.captions]
    assert order == sorted(order)
    assert set(probe.texts) == {caption.text for caption in probe.captions}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("state", ["captioning", "loading"])
def test_signals_end_the_node_within_two_seconds_with_exit_code_zero(
    probe: Probe, number: int, state: str
) -> None:
    model = "slow_to_load" if state == "loading" else "nano"
    with process("fake_node.py", *NODE, "-p", f"model:={model}") as node:
        if state == "loading":
            assert node.stderr is not None
            assert any("Loading the model" in line for line in node.stderr)
            code, seconds = end(node, number)
        else:
            with process("camera.py", "rate=20"):
                probe.until(lambda: len(probe.captions) >= 2)
                code, seconds = end(node, number)
        assert code == 0, node.stderr and node.stderr.read()
        assert seconds < 2


def test_a_wrong_parameter_ends_the_node_with_a_sentence() -> None:
    with process("fake_node.py", *NODE, "-p", "refine:=sometimes") as node:
        assert node.wait(20) == 2
        assert node.stderr is not None
        expected = "refine is 'sometimes', but it must be one of always, uncertain, never."
        assert expected in node.stderr.read()


def test_a_node_that_is_killed_and_started_again_goes_on_captioning(probe: Probe) -> None:
    with process("camera.py", "rate=10") as camera:
        with process("fake_node.py", *NODE) as node:
            probe.until(lambda: len(complete(probe)) >= 3, 25)
            node.kill()
            node.wait(10)
        time.sleep(0.3)
        last = probe.captions[-1].header.stamp.sec
        del probe.captions[:]
        camera.send_signal(signal.SIGSTOP)  # until the first of the new captions can be heard
        dead = probe.voices()
        with process("fake_node.py", *NODE):
            probe.until(lambda: probe.voices() > dead, 25)
            camera.send_signal(signal.SIGCONT)
            probe.until(lambda: len(complete(probe)) >= 3, 25)
    assert probe.captions[0].frame_seq <= 1
    assert probe.captions[-1].header.stamp.sec > last


def test_a_camera_that_goes_away_is_missed_and_welcomed_back(probe: Probe) -> None:
    with process("fake_node.py", *NODE, "-p", "image_timeout:=1.0"):
        with process("camera.py", "rate=10") as camera:
            probe.until(lambda: len(complete(probe)) >= 3, 25)
            camera.kill()
            camera.wait(10)
            gone = time.monotonic()
        words = "No image on /camera/image_raw for"
        warning = probe.until(
            lambda: [s for s in probe.statuses if words in s.message], 10, "for the warning"
        )[-1]
        assert warning.level == b"\x01"
        time.sleep(max(0.0, gone + 3 - time.monotonic()))
        del probe.captions[:]
        with process("camera.py", "rate=10", "first=5000"):
            probe.until(lambda: len(complete(probe)) >= 3, 25)
            assert probe.captions[-1].header.stamp.sec >= 5000
            probe.until(lambda: probe.statuses[-1].message.startswith("Captioning"), 5)


@pytest.mark.parametrize("transport", ["raw", "compressed"])
def test_a_thousand_broken_images_leave_it_captioning(probe: Probe, transport: str) -> None:
    topic = "/camera/image_raw" + ("/compressed" if transport == "compressed" else "")
    # reliable and deep, so that all thousand arrive on a busy machine too
    quality = f"qos_overrides.{topic}.subscription"
    reliable = ["-p", f"{quality}.reliability:=reliable", "-p", f"{quality}.depth:=1000"]
    with (
        process("fake_node.py", *NODE, "-p", f"image_transport:={transport}", *reliable),
        process("camera.py", f"transport={transport}", "broken=1000", "rate=10"),
    ):
        probe.until(lambda: len(complete(probe)) >= 3, 40)
        values = probe.until(
            lambda: probe.values() if int(probe.values().get("coarse captions", 0)) >= 3 else None
        )
    assert values["frames rejected"] == "1000"
    assert values["last rejection"].endswith(".")
    assert values["captions failed"] == "0"

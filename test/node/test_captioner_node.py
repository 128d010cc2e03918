"""The node in this process, around a fake captioner: lifecycle, parameters, action, topics."""

from __future__ import annotations

import array
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("rclpy", reason='needs ROS: pip install "ros-rclpy[fastrtps]"')
from action_msgs.msg import GoalStatus
from fake_captioner import FakeCaptioner
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from probe import Probe, ros
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import DescribeParameters, GetParameters, SetParameters
from rclpy.action import ActionClient
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image

from mmser_ros.action import DescribeScene
from mmser_ros.model.config import BadModel
from mmser_ros.msg import Caption, CaptionerInfo
from mmser_ros.node import qos
from mmser_ros.node.captioner_node import CaptionerNode
from mmser_ros.node.parameters import PARAMETERS
from mmser_ros.types import Stage

CONFIGURE, CLEANUP = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_CLEANUP
INFO = CameraInfo(
    width=8, height=8, distortion_model="plumb_bob", k=[4.0, 0, 3.5, 0, 4.0, 3.5, 0, 0, 1]
)
ACTIVATE, DEACTIVATE = Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_DEACTIVATE


class Bench:
    """A captioner node with a probe beside it and a camera at hand."""

    def __init__(self, **parameters: Any) -> None:
        self.made: list[FakeCaptioner] = []
        self.load: Callable[[], FakeCaptioner] = FakeCaptioner
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        self.node = CaptionerNode(load=self._load, parameter_overrides=overrides)
        self.probe = Probe(self.node)
        self.publisher = self.probe.node.create_publisher(Image, "image", qos_profile_sensor_data)
        self.number = 0

    def _load(self, settings: Any, progress: Any) -> FakeCaptioner:
        self.made.append(self.load())
        return self.made[-1]

    @property
    def captioner(self) -> FakeCaptioner:
        return self.made[-1]

    def state(self) -> str:
        return str(self.node._state())

    def await_state(self, state: str) -> None:
        self.probe.until(lambda: self.state() == state, 10, f"for {state}")

    def ready(self) -> None:
        self.await_state("active")
        self.probe.until(lambda: self.publisher.get_subscription_count() > 0)
        self.probe.until(lambda: self.node.count_subscribers("caption") > 0)

    def image(self, encoding: str = "rgb8", stamp: int | None = None) -> Image:
        msg = Image(width=8, height=8, encoding=encoding, step=24)
        msg.data = array.array("B", bytes(192))
        msg.header.frame_id = "eye"
        now = self.node.get_clock().now().nanoseconds if stamp is None else stamp
        msg.header.stamp.sec, msg.header.stamp.nanosec = divmod(now, 10**9)
        return msg

    def send(self, encoding: str = "rgb8", stamp: int | None = None) -> None:
        self.publisher.publish(self.image(encoding, stamp))

    def caption(self, stamp: int | None = None) -> list[Caption]:
        """Both captions of one more image."""
        before = len(self.probe.captions)
        self.send(stamp=stamp)
        self.probe.until(lambda: len(self.probe.captions) >= before + 2)
        return self.probe.captions[before:]

    def change(self, transition: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=transition))
        return bool(self.probe.call(ChangeState, "captioner/change_state", request).success)

    def set(self, name: str, value: Any) -> Any:
        parameter = Parameter(name, value=value).to_parameter_msg()
        request = SetParameters.Request(parameters=[parameter])
        return self.probe.call(SetParameters, "captioner/set_parameters", request).results[0]

    def status(self, condition: Callable[[Any], bool]) -> Any:
        """The next diagnostics that meet a condition."""
        del self.probe.statuses[:]
        return self.probe.until(lambda: [s for s in self.probe.statuses if condition(s)], 5)[0]

    def close(self) -> None:
        for captioner in self.made:
            if captioner.gate is not None:
                captioner.gate.set()
        self.probe.close()
        self.node.close()


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    benches: list[Bench] = []

    def make(**parameters: Any) -> Bench:
        benches.append(Bench(**parameters))
        return benches[-1]

    with ros():
        yield make
        for item in benches:
            item.close()


# Lifecycle


def test_autostart_brings_it_up_and_announces_what_captions(bench: Any) -> None:
    rig = bench()
    rig.ready()
    info: CaptionerInfo = rig.probe.until(lambda: rig.probe.infos)[0]
    assert (info.model, info.backend, info.image_topic) == ("fake", "fake 1", "/image")
    assert (info.refine, info.familiarity_known, info.confidence_calibrated) == (
        "always",
        True,
        False,
    )
    assert list(info.object_classes) == ["box"]
    coarse, refined = rig.caption()
    assert (coarse.frame_seq, refined.frame_seq) == (0, 0)
    assert 0 <= coarse.age <= refined.age < 5


def test_lifecycle_services_take_it_up_and_down_twice(bench: Any) -> None:
    rig = bench(autostart=False)
    time.sleep(0.2)
    assert rig.state() == "unconfigured"
    for turn in range(2):
        assert rig.change(CONFIGURE)
        assert rig.state() == "inactive"
        assert not rig.captioner.closed
        for _ in range(2):
            assert rig.change(ACTIVATE)
            rig.ready()
            assert [caption.frame_seq for caption in rig.caption()] == [0, 0]
            assert rig.change(DEACTIVATE)
            before = len(rig.probe.captions)
            rig.send()
            time.sleep(0.1)
            assert len(rig.probe.captions) == before
            assert rig.node.count_subscribers("/image") == 0
        assert rig.change(CLEANUP)
        assert rig.captioner.closed
        assert len(rig.made) == turn + 1
    found = rig.probe.call(GetState, "captioner/get_state", GetState.Request())
    assert found.current_state.label == "unconfigured"


def test_a_model_that_fails_leaves_it_alive_diagnosable_and_retryable(bench: Any) -> None:
    rig = bench(autostart=False)

    def fail() -> FakeCaptioner:
        raise BadModel("There is no model 'nono'.")

    rig.load = fail
    assert not rig.change(CONFIGURE)
    assert rig.state() == "unconfigured"
    status = rig.status(lambda status: status.level == b"\x02")
    assert status.message == "The captioner could not be configured: There is no model 'nono'."
    rig.load = FakeCaptioner
    assert rig.change(CONFIGURE) and rig.change(ACTIVATE)
    rig.ready()
    rig.status(lambda status: status.level == b"\x00")
    assert len(rig.caption()) == 2


def test_shutdown_frees_the_model(bench: Any) -> None:
    rig = bench()
    rig.ready()
    assert rig.change(Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert rig.captioner.closed
    assert rig.state() == "finalized"


# Parameters


def test_parameters_are_declared_with_description_type_and_range(bench: Any) -> None:
    rig = bench(autostart=False)
    request = DescribeParameters.Request(names=[item.name for item in PARAMETERS])
    found = rig.probe.call(DescribeParameters, "captioner/describe_parameters", request)
    kinds = {"string": 4, "bool": 1, "integer": 2, "double": 3}
    for item, descriptor in zip(PARAMETERS, found.descriptors, strict=True):
        assert descriptor.name == item.name
        assert descriptor.type == kinds[item.type]
        assert descriptor.description == item.description
        assert descriptor.read_only is not item.run_time
        ranges = [*descriptor.floating_point_range, *descriptor.integer_range]
        assert [(r.from_value, r.to_value) for r in ranges] == (
            [] if item.low is None else [(item.low, item.high)]
        )
        for choice in item.choices:
            assert choice in descriptor.additional_constraints


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("refine", "sometimes", "is 'sometimes', but it must be one of always, uncertain, never."),
        ("max_age", -1.0, "out of range"),
        ("max_age", 1, "type"),
        ("min_confidence", 1.5, "out of range"),
        ("model", "other", "read-only"),
        ("autostart", False, "read-only"),
    ],
)
def test_wrong_and_read_only_changes_are_refused_with_a_reason(
    bench: Any, name: str, value: Any, words: str
) -> None:
    rig = bench(autostart=False)
    result = rig.set(name, value)
    assert not result.successful
    assert words in result.reason


def test_run_time_changes_reach_the_next_frame_and_the_info(bench: Any) -> None:
    rig = bench()
    rig.ready()
    assert rig.caption()[0].trusted
    assert rig.set("min_confidence", 0.95).successful
    assert not rig.caption()[0].trusted
    assert rig.set("refine", "never").successful
    rig.probe.until(lambda: rig.probe.infos[-1].refine == "never")
    before = len(rig.probe.captions)
    rig.send()
    rig.probe.until(lambda: len(rig.probe.captions) > before)
    time.sleep(0.1)
    assert [caption.stage for caption in rig.probe.captions[before:]] == [Stage.COARSE]
    assert rig.set("max_age", 1.0).successful
    rig.send(stamp=rig.node.get_clock().now().nanoseconds - 2 * 10**9)
    rig.status(lambda _: rig.probe.values().get("frames too old") == "1")


def test_services_answer_while_a_caption_takes_its_time(bench: Any) -> None:
    rig = bench()
    rig.ready()
    rig.captioner.gate = threading.Event()
    rig.send()
    assert rig.captioner.looking.wait(5)
    began = time.monotonic()
    request = GetParameters.Request(names=["refine"])
    found = rig.probe.call(GetParameters, "captioner/get_parameters", request)
    assert found.values[0].string_value == "always"
    assert rig.set("prefer", "latest").successful
    assert time.monotonic() - began < 2
    assert rig.probe.captions == []
    rig.captioner.gate.set()
    rig.probe.until(lambda: len(rig.probe.captions) == 2)


def test_several_parameters_change_together_or_not_at_all(bench: Any) -> None:
    rig = bench(autostart=False)
    good = ParameterMessage(
        name="refine",
        value=ParameterValue(type=ParameterType.PARAMETER_STRING, string_value="never"),
    )
    bad = ParameterMessage(
        name="prefer", value=ParameterValue(type=ParameterType.PARAMETER_STRING, string_value="x")
    )
    found = rig.node.set_parameters_atomically(
        [Parameter.from_parameter_msg(p) for p in (good, bad)]
    )
    assert not found.successful
    assert rig.node.get_parameter("refine").value == "always"


# Backpressure, time, trouble


def test_replaced_frames_and_skipped_refinements_are_counted(bench: Any) -> None:
    rig = bench(prefer="latest")
    rig.ready()
    rig.captioner.gate = threading.Event()
    rig.send()
    assert rig.captioner.looking.wait(5)
    for sent in range(2, 6):
        rig.send()
        rig.probe.until(lambda sent=sent: rig.node._health._counts["received"] == sent)
    rig.captioner.gate.set()
    rig.probe.until(lambda: len(rig.probe.captions) == 3)
    values = rig.status(lambda _: rig.probe.values().get("refined captions") == "1")
    found = {item.key: item.value for item in values.values}
    assert found["frames received"] == "5"
    assert found["frames replaced"] == "3"
    assert found["refinements skipped"] == "1"
    assert [caption.frame_seq for caption in rig.probe.captions] == [0, 4, 4]


def test_an_error_in_one_frame_is_diagnosed_and_the_next_goes_on(bench: Any) -> None:
    rig = bench()
    rig.ready()
    rig.captioner.error = RuntimeError("out of luck")
    rig.send()
    status = rig.status(lambda status: status.level == b"\x02")
    assert status.message == "Captioning failed: RuntimeError: out of luck"
    rig.captioner.error = None
    assert len(rig.caption()) == 2
    rig.status(lambda status: status.level == b"\x00")


def test_age_is_nan_without_a_stamp_and_negative_when_the_camera_is_ahead(bench: Any) -> None:
    rig = bench(max_age=1.0)
    rig.ready()
    assert math.isnan(rig.caption(stamp=0)[0].age)
    ahead = rig.node.get_clock().now().nanoseconds + 5 * 10**9
    assert -5.1 < rig.caption(stamp=ahead)[0].age < -3


def test_simulated_time_counts_and_may_jump_back(bench: Any) -> None:
    rig = bench(use_sim_time=True, max_age=1.0)
    rig.ready()
    assert math.isnan(rig.caption(stamp=50 * 10**9)[0].age)  # no clock yet
    clock = rig.probe.node.create_publisher(Clock, "/clock", 10)
    rig.probe.until(lambda: clock.get_subscription_count() > 0)
    for seconds in (100, 40):
        msg = Clock()
        msg.clock.sec = seconds
        clock.publish(msg)
        rig.probe.until(
            lambda seconds=seconds: rig.node.get_clock().now().nanoseconds == seconds * 10**9
        )
        captions = rig.caption(stamp=int((seconds - 0.5) * 1e9))
        assert captions[0].age == pytest.approx(0.5)
    rig.status(lambda _: rig.probe.values().get("coarse captions") == "3")


def test_diagnostics_tell_every_number_and_the_cause_of_silence(bench: Any) -> None:
    rig = bench(image_timeout=0.5)
    rig.ready()
    status = rig.status(lambda status: "No image on /image" in status.message)
    assert status.level == b"\x01"
    assert "1 publisher(s)" in status.message
    assert rig.set("image_timeout", 30.0).successful
    rig.caption()
    status = rig.status(lambda status: status.message.startswith("Captioning"))
    assert status.name == "captioner: captions"
    assert status.hardware_id.startswith("fake (000000000000) on fake 1")
    values = {item.key: item.value for item in status.values}
    assert values["state"] == "active"
    for number in (
        "frames received",
        "frames replaced",
        "frames too old",
        "frames rejected",
        "refinements skipped",
        "refinements not needed",
        "captions failed",
        "coarse latency p50 (ms)",
        "coarse latency p95 (ms)",
        "refined latency p50 (ms)",
        "refined latency p95 (ms)",
        "caption age (s)",
        "frames a second",
    ):
        assert math.isfinite(float(values[number])), number


def test_a_late_joiner_gets_the_last_caption_and_the_info(bench: Any) -> None:
    rig = bench()
    rig.ready()
    rig.caption()
    late: list[Any] = []
    rig.probe.listen(Caption, qos.CAPTION, late.append)
    rig.probe.listen(CaptionerInfo, qos.CAPTIONER_INFO, late.append)
    rig.probe.until(lambda: len(late) == 2)


def test_the_debug_image_is_drawn_only_while_somebody_looks(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmser_ros.node import overlay

    drawn: list[int] = []
    draw = overlay.draw
    monkeypatch.setattr(overlay, "draw", lambda *args: drawn.append(1) or draw(*args))
    rig = bench()
    rig.ready()
    rig.caption()
    assert drawn == []
    seen: list[Image] = []
    looking = rig.probe.listen(Image, qos.DEBUG_IMAGE, seen.append)
    rig.probe.until(lambda: rig.node.count_subscribers("caption/debug_image") > 0)
    time.sleep(0.1)
    rig.caption()
    image: Image = rig.probe.until(lambda: seen)[0]
    assert (image.encoding, image.width, image.header.frame_id) == ("rgb8", 640, "eye")
    assert image.height > 640 and len(image.data) == image.step * image.height
    rig.probe.node.destroy_subscription(looking)
    rig.probe.until(lambda: rig.node.count_subscribers("caption/debug_image") == 0)
    count = len(drawn)
    rig.caption()
    time.sleep(0.05)
    assert len(drawn) == count


def test_quality_of_service_of_the_image_can_be_overridden(bench: Any) -> None:
    rig = bench(**{"qos_overrides./image.subscription.reliability": "reliable"})
    rig.await_state("active")
    (found,) = rig.node.get_subscriptions_info_by_topic("/image")
    assert found.qos_profile.reliability.name == "RELIABLE"


# The action


class Client:
    """Sends goals and collects what comes back."""

    def __init__(self, rig: Bench) -> None:
        self.probe = rig.probe
        # In the executor's thread, because rclpy shows it to the executor before it is complete.
        made = self.probe.executor.create_task(
            lambda: ActionClient(rig.probe.node, DescribeScene, "describe_scene")
        )
        self.client = self.probe.until(lambda: made.done() and made.result())
        self.probe.until(self.client.server_is_ready)
        self.feedback: list[Caption] = []

    def send(self, image: Image | None = None, refine: bool = True) -> Any:
        goal = DescribeScene.Goal(image=image or Image(), refine=refine)
        future = self.client.send_goal_async(
            goal, feedback_callback=lambda msg: self.feedback.append(msg.feedback.coarse)
        )
        handle = self.probe.until(lambda: future.done() and future.result())
        assert handle.accepted
        return handle

    def result(self, handle: Any) -> Any:
        future = handle.get_result_async()
        return self.probe.until(lambda: future.done() and future.result())


def test_goals_are_answered_while_the_stream_goes_on(bench: Any) -> None:
    rig = bench()
    rig.ready()
    client = Client(rig)
    stop = threading.Event()

    def stream() -> None:
        while not stop.wait(0.02):
            rig.send()

    thread = threading.Thread(target=stream)
    thread.start()
    try:
        rig.probe.until(lambda: rig.probe.captions)
        newest = client.result(client.send())
        quick = client.result(client.send(refine=False))
        own = rig.image("mono8")
        own.step, own.header.frame_id = 8, "hand"
        brought = client.result(client.send(own))
        count = len(rig.probe.captions)
        rig.probe.until(lambda: len(rig.probe.captions) > count + 4)
    finally:
        stop.set()
        thread.join()
    for found in (newest, quick, brought):
        assert found.status == GoalStatus.STATUS_SUCCEEDED
        assert found.result.success and found.result.message == ""
    assert newest.result.caption.stage == Caption.STAGE_REFINED
    assert newest.result.caption.source_topic == "/image"
    assert newest.result.caption.header.frame_id == "eye"
    assert quick.result.caption.stage == Caption.STAGE_COARSE
    assert brought.result.caption.source_topic == ""
    assert brought.result.caption.header.frame_id == "hand"
    assert [coarse.stage for coarse in client.feedback] == [Caption.STAGE_COARSE] * 3


def test_goals_that_cannot_be_met_are_aborted_with_a_sentence(bench: Any) -> None:
    rig = bench(autostart=False)
    client = Client(rig)
    found = client.result(client.send(rig.image()))
    assert found.status == GoalStatus.STATUS_ABORTED
    assert found.result.message == "The captioner is unconfigured; activate it first."
    assert rig.change(CONFIGURE) and rig.change(ACTIVATE)
    rig.ready()
    found = client.result(client.send())
    assert "No image has come on /image yet" in found.result.message
    found = client.result(client.send(rig.image("32FC1")))
    assert not found.result.success
    assert "depth" in found.result.message
    rig.captioner.error = RuntimeError("out of luck")
    found = client.result(client.send(rig.image()))
    assert found.result.message == "Captioning failed: RuntimeError: out of luck"
    rig.captioner.error = None
    assert client.result(client.send(rig.image())).result.success


def test_goals_can_be_cancelled_in_the_midst_and_while_they_wait(bench: Any) -> None:
    rig = bench()
    rig.ready()
    client = Client(rig)
    rig.captioner.gate = threading.Event()
    first, second = client.send(rig.image()), client.send(rig.image())
    assert rig.captioner.looking.wait(5)
    for handle in (first, second):
        future = handle.cancel_goal_async()
        response = rig.probe.until(lambda future=future: future.done() and future.result())
        assert len(response.goals_canceling) == 1
    rig.captioner.gate.set()
    for handle in (first, second):
        found = client.result(handle)
        assert found.status == GoalStatus.STATUS_CANCELED
        assert not found.result.success
    assert len(rig.captioner.seen) == 1


def test_too_many_goals_are_refused_and_deactivation_answers_the_rest(bench: Any) -> None:
    rig = bench()
    rig.ready()
    client = Client(rig)
    rig.captioner.gate = threading.Event()
    handles = [client.send(rig.image())]
    assert rig.captioner.looking.wait(5)
    handles += [client.send(rig.image()) for _ in range(5)]
    assert "Too many goals" in client.result(handles[-1]).result.message
    threading.Timer(0.2, rig.captioner.gate.set).start()
    assert rig.change(DEACTIVATE) and rig.change(CLEANUP)
    for handle in handles[:-1]:
        found = client.result(handle)
        assert found.result.success or "stopped" in found.result.message


def test_camera_becomes_known_and_diagnostics_say_from_what(bench: Callable[..., Bench]) -> None:
    bench = bench(camera_height=0.5, camera_pitch=-0.1)
    bench.ready()
    info = bench.probe.node.create_publisher(CameraInfo, "camera_info", qos_profile_sensor_data)
    bench.probe.until(lambda: info.get_subscription_count() > 0)
    bench.caption()
    assert bench.captioner.cameras == [None]
    unknown = bench.status(lambda s: any("not known" in v.value for v in s.values))
    assert "no CameraInfo has come on /camera_info" in str(unknown.values)
    info.publish(CameraInfo())  # a camera that is not calibrated
    watch = bench.node._camera
    bench.probe.until(lambda: bench.caption() and "not calibrated" in watch.words)
    info.publish(INFO)
    bench.probe.until(lambda: bench.caption() and bench.captioner.cameras[-1])
    camera = bench.captioner.cameras[-1]
    assert (camera.fx, camera.mounted, camera.pitch) == (4.0, 0.5, -0.1)
    known = bench.status(lambda s: any(v.value.startswith("known: lens") for v in s.values))
    assert "0.50 m above the floor" in str(known.values)
    assert bench.set("camera_height", 0.8).successful
    bench.caption()
    assert bench.captioner.cameras[-1].mounted == 0.8


def test_without_tf_messages_the_mounting_is_asked_for(bench: Callable[..., Bench]) -> None:
    bench = bench(camera_hfov=1.2)
    bench.ready()
    bench.caption()
    assert bench.captioner.cameras == [None]
    assert "set camera_height and camera_pitch" in bench.node._camera.words


@pytest.mark.parametrize("topic", [qos.TF_STATIC, qos.TF])
def test_mounting_is_read_from_tf(bench: Callable[..., Bench], topic: qos.Topic) -> None:
    messages = pytest.importorskip("tf2_msgs.msg", reason="needs tf2_msgs of a ROS installation")
    from geometry_msgs.msg import Quaternion, TransformStamped

    raised = TransformStamped(child_frame_id="eye")  # optical: z ahead
    raised.header.frame_id = "base_footprint"
    raised.transform.translation.z = 0.7
    raised.transform.rotation = Quaternion(x=-0.5, y=0.5, z=-0.5, w=0.5)
    bench = bench(camera_hfov=1.2)
    bench.ready()
    profile = topic.quality.profile()
    publisher = bench.probe.node.create_publisher(messages.TFMessage, topic.name, profile)
    if topic is qos.TF:  # listened to only after fixed transforms were waited for
        bench.caption()
        assert publisher.get_subscription_count() == 0
    bench.probe.until(lambda: bench.caption() and publisher.get_subscription_count() > 0)
    publisher.publish(messages.TFMessage(transforms=[raised]))
    bench.probe.until(lambda: bench.caption() and bench.captioner.cameras[-1])
    assert bench.captioner.cameras[-1].mounted == 0.7

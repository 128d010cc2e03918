"""The lifecycle node `captioner`: a camera in, two captions out.

Configure loads the model and warms it up, activate subscribes, deactivate stops, cleanup frees.
The executor's thread takes messages in and never waits for inference; the worker captions.
"""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos_overriding_options import QoSOverridingOptions

from mmser_ros.node import conversions, images, inputs
from mmser_ros.node.camera_watch import CameraWatch
from mmser_ros.node.describe_scene import DescribeSceneServer, Refused, SceneGoal
from mmser_ros.node.diagnostics import Diagnostics
from mmser_ros.node.health import Health, Situation
from mmser_ros.node.mailbox import Mailbox
from mmser_ros.node.outlet import LOG_PERIOD, RosOutlet
from mmser_ros.node.parameters import BY_NAME, BadParameter, Settings, declare
from mmser_ros.node.worker import Arrival, Captions, Goal, Worker, describe
from mmser_ros.runtime.progress import Progress
from mmser_ros.types import Frame

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
STOP_TIMEOUT = 0.7
"""Seconds that a frame at hand is waited for when the node stops."""


Load = Callable[[Settings, Progress], Captions]
"""Makes the captioner that the settings ask for, and tells what goes on if that takes long."""


class CaptionerNode(LifecycleNode):
    """Captions an image topic. See config/captioner.yaml for its parameters."""

    def __init__(self, *, load: Load, **options: Any) -> None:
        """``options`` are those of a node. Raises BadParameter with a sentence."""
        super().__init__("captioner", **options)
        self._load = load
        self._settings = declare(self)
        self.add_on_set_parameters_callback(self._on_parameters)
        self._health = Health()
        self._mailbox: Mailbox[Arrival, Goal] = Mailbox()
        self._outlet: RosOutlet | None = None
        self._worker: Worker | None = None
        self._ended = True
        self._images: Any = None
        self._newest: Frame | None = None
        self._sequence = itertools.count()
        self._engine = ""
        self._input = inputs.of(self, self._settings.image_transport)
        self._camera = CameraWatch(
            self, self._input.topic, self._settings.base_frame, self._settings.camera_info
        )
        self._scenes = DescribeSceneServer(self, self._newest_frame, self._ask, self._age)
        self._ending = threading.Event()
        # Not the node's clock: simulated time may stand still.
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._diagnostics = Diagnostics(self, self._health, self._situation, self._steady)
        if self._settings.autostart:
            self._starter = self.create_timer(0.0, self._bring_up, clock=self._steady)

    # Lifecycle

    def _bring_up(self) -> None:
        self._starter.cancel()
        if self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model and warm it up."""
        settings = self._settings
        self.get_logger().info(f"Loading the model '{settings.model}' ...")
        self._health.loading(f"loading the model '{settings.model}'")
        self._mailbox = Mailbox()
        self._outlet = RosOutlet(self, self._age)
        self._worker = Worker(
            lambda: self._load(settings, self._on_progress),
            self._mailbox,
            self._outlet,
            self._health,
            lambda: self._settings,
            self._age,
        )
        self._worker.start()
        try:
            while not self._worker.wait(0.05):
                if self._ending.is_set() or not self.context.ok():
                    self.get_logger().info("Stopped while the model was being loaded.")
                    return FAILURE
                self._diagnostics.keep_up()
        except Exception as error:  # noqa: BLE001 - logged and diagnosed, configure can be retried
            sentence = f"The captioner could not be configured: {describe(error)}"
            self.get_logger().error(sentence)
            self._release()
            self._health.down(sentence)
            return FAILURE
        self._health.up()
        self._announce()
        self.get_logger().info(f"Ready: {self._engine}.")
        return SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the images."""
        self._health.reset()
        self._sequence = itertools.count()
        self._newest = None
        try:
            self._images = self.create_subscription(
                self._input.type,
                self._input.topic,
                self._on_image,
                self._input.quality.profile(),
                qos_overriding_options=QoSOverridingOptions.with_default_policies(),
            )
            if self._reads_camera():
                self._camera.open()
        except Exception as error:  # noqa: BLE001 - logged, activate can be retried
            self._unsubscribe()
            sentence = f"The captioner cannot subscribe to {self._input.topic}: {error}"
            self.get_logger().error(sentence)
            self._health.down(sentence)
            return FAILURE
        self.get_logger().info(f"Captioning {self._input.topic}.")
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop taking images, and finish the one at hand."""
        self._unsubscribe()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model."""
        self._release()
        return SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything."""
        self._release()
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After an unexpected error: free everything, so that configure can be tried again."""
        self.get_logger().error("An unexpected error; the captioner goes back to unconfigured.")
        self._release()
        return SUCCESS

    def _on_progress(self, doing: str) -> None:
        """From a thread of the engine store's: what takes so long."""
        self._health.loading(doing)
        self.get_logger().info(f"{doing} ...", throttle_duration_sec=LOG_PERIOD)

    def _unsubscribe(self) -> None:
        if self._images is not None:
            self.destroy_subscription(self._images)
            self._images = None
        self._camera.close()
        if self._worker is not None:
            self._worker.settle(STOP_TIMEOUT)
        self._newest = None

    def _release(self) -> bool:
        """Take everything down that configure set up; whether the worker has ended."""
        self._unsubscribe()
        if self._worker is not None:
            # A model that is being loaded cannot be told to stop; it frees itself once it is.
            self._ended = self._worker.stop(STOP_TIMEOUT if self._worker.loaded else 0.0)
            self._worker = None
        if self._outlet is not None:
            self._outlet.close()
            self._outlet = None
        self._engine = ""
        return self._ended

    def end(self) -> None:
        """From any thread: give up loading a model, because the process is to end."""
        self._ending.set()

    def finish(self) -> None:
        """In the executor's thread: shut down, and then the context, which ends the executor."""
        if self._state() != "finalized":
            self.trigger_shutdown()
        # A moment for the goals that were just ended to be told so.
        self.create_timer(0.05, self.context.try_shutdown, clock=self._steady)

    def close(self) -> bool:
        """Free what is left when nothing spins any more; whether the worker has ended."""
        ended = self._release()
        self._scenes.destroy()
        self.destroy_node()
        return ended

    # Frames and goals

    def _on_image(self, msg: Any) -> None:
        """Hand the newest frame to the worker; never wait for inference here."""
        arrived = self._health.received()
        try:
            frame = images.to_frame(msg, next(self._sequence), self._input.topic)
        except images.UnsupportedImage as error:
            self._health.rejected(error)
            self.get_logger().warning(
                f"An image was refused: {error}", throttle_duration_sec=LOG_PERIOD
            )
            return
        frame = self._camera.applied(frame, self._settings.given)
        if frame.stamp_ns == 0:
            self.get_logger().warning(
                f"Images on {self._input.topic} have no stamp: the age of captions is unknown, "
                "and max_age does nothing.",
                once=True,
            )
        self._newest = frame
        if self._mailbox.put(Arrival(frame, arrived)):
            self._health.replaced()

    def _newest_frame(self) -> Frame:
        if self._newest is None:
            raise Refused(
                f"No image has come on {self._input.topic} yet, and the goal brought none. "
                f"{self._input.hint()}"
            )
        return self._newest

    def _ask(self, goal: SceneGoal) -> None:
        if self._state() != "active":
            raise Refused(f"The captioner is {self._state()}; activate it first.")
        if not self._mailbox.ask(goal):
            raise Refused("Too many goals wait already; send this one again later.")

    def _age(self, stamp_ns: int) -> float:
        """Seconds since a stamp; NaN without one, or while there is no (simulated) time."""
        now = self.get_clock().now().nanoseconds
        return (now - stamp_ns) / 1e9 if stamp_ns and now else math.nan

    # Parameters and diagnostics

    def _on_parameters(self, changes: list[Any]) -> SetParametersResult:
        """Take over changed run-time parameters together, or refuse them with a sentence."""
        values = {name: getattr(self._settings, name) for name in BY_NAME}
        try:
            settings = Settings.of(values | {change.name: change.value for change in changes})
        except BadParameter as error:
            return SetParametersResult(successful=False, reason=str(error))
        announce = settings.refine != self._settings.refine
        self._settings = settings
        if announce:
            self._announce()
        return SetParametersResult(successful=True)

    def _announce(self) -> None:
        """Publish what captions."""
        captioner = self._worker.captioner if self._worker is not None else None
        if captioner is None or self._outlet is None:
            return
        self._engine = conversions.engine_words(captioner.info)
        self._outlet.info(
            conversions.info_message(
                captioner.info,
                captioner.config,
                self._input.topic,
                self._settings.refine,
                captioner.familiarity_known,
            )
        )

    def _reads_camera(self) -> bool:
        """Whether the model makes something of a camera's lens and mounting."""
        captioner = self._worker.captioner if self._worker is not None else None
        return captioner is not None and captioner.config.image.ground

    def _state(self) -> str:
        return str(self._state_machine.current_state[1])

    def _situation(self) -> Situation:
        return Situation(
            state=self._state(),
            engine=self._engine,
            topic=self._input.topic,
            caption_age=self._outlet.caption_age if self._outlet is not None else math.nan,
            image_timeout=self._settings.image_timeout,
            hint=self._input.hint(),
            camera=self._camera.words or "not read",
        )

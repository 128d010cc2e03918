"""The action `describe_scene`: one image, or the newest frame, captioned on request.

Goals go through the worker like frames do. They are accepted at once, captioned by the worker,
and finished in the executor's thread, which alone changes their state; so no thread ever waits
for inference here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.action import ActionServer, CancelResponse
from rclpy.lifecycle import LifecycleNode

from mmser_ros.action import DescribeScene
from mmser_ros.node import conversions, images, qos
from mmser_ros.types import Caption, Frame

RESULT_TIMEOUT = 60
"""Seconds that a result can still be asked for."""


class SceneGoal:
    """One accepted goal; the worker's view of it."""

    def __init__(
        self, handle: Any, frame: Frame, age: Callable[[int], float], finish: Callable[..., None]
    ) -> None:
        self.handle = handle
        self.frame = frame
        self.refine: bool = handle.request.refine
        self.caption: Caption | None = None
        self._age = age
        self._finish = finish

    def cancelled(self) -> bool:
        """Whether nobody waits any more."""
        return bool(self.handle.is_cancel_requested) or not self.handle.is_active

    def coarse(self, caption: Caption) -> None:
        """Send the coarse caption as feedback."""
        self.handle.publish_feedback(DescribeScene.Feedback(coarse=self._message(caption)))

    def done(self, caption: Caption | None, message: str = "") -> None:
        """Finish the goal with its last caption, or with why there is none."""
        found = DescribeScene.Result(success=caption is not None, message=message)
        if caption is not None:
            found.caption = self._message(caption)
        self._finish(self.handle, found)

    def _message(self, caption: Caption) -> Any:
        age = self._age(self.frame.stamp_ns)
        return conversions.caption_message(self.frame, caption, age)


class DescribeSceneServer:
    """The action server. Made once; while the node is not active, goals fail with a sentence."""

    def __init__(
        self,
        node: LifecycleNode,
        newest: Callable[[], Frame],
        ask: Callable[[SceneGoal], None],
        age: Callable[[int], float],
    ) -> None:
        """``newest`` gives the newest frame and ``ask`` queues a goal, or they raise Refused."""
        self._node = node
        self._newest = newest
        self._ask = ask
        self._age = age
        self._server = ActionServer(
            node,
            DescribeScene,
            qos.ACTION,
            execute_callback=lambda _: DescribeScene.Result(),
            handle_accepted_callback=self._on_accepted,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
            result_timeout=RESULT_TIMEOUT,
        )

    def destroy(self) -> None:
        """Take the action down."""
        self._server.destroy()

    def _on_accepted(self, handle: Any) -> None:
        image = handle.request.image
        try:
            if image.width == 0 and image.height == 0 and not image.data:
                frame = self._newest()
            else:
                frame = images.to_frame(image)
            self._ask(SceneGoal(handle, frame, self._age, self._finish))
        except (images.UnsupportedImage, Refused) as error:
            self._finish(handle, DescribeScene.Result(success=False, message=str(error)))

    def _finish(self, handle: Any, found: Any) -> None:
        """Have the executor's thread end the goal; may be called from any thread."""
        executor = self._node.executor
        if executor is not None:
            executor.create_task(handle.execute, lambda _: self._end(handle, found))

    def _end(self, handle: Any, found: Any) -> Any:
        if handle.is_cancel_requested:
            handle.canceled()
            return DescribeScene.Result(success=False, message="The goal was cancelled.")
        if found.success:
            handle.succeed()
        else:
            handle.abort()
        return found


class Refused(RuntimeError):
    """A goal cannot be worked on now; the message says why."""

"""Scenes to pictures: colour and object id, by OpenGL without a display.

The same code runs on a GPU and on Mesa's software rasteriser.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmser_ros.world import shaders
from mmser_ros.world.building import FIRST_THING
from mmser_ros.world.camera import Camera, look
from mmser_ros.world.primitives import KINDS, PANE, ROW, meshes
from mmser_ros.world.scene import Light, Scene

_WIDE = 1.25
"""A lens with distortion is drawn so much larger, so that its middle stays sharp."""
_SHADOW = 768
_SHADOW_HALF, _SHADOW_DEPTH = 8.0, 14.0
_ROOM = 4096
_INSTANCE = ("row0", "row1", "row2", "colour", "look")
_CONTACT, _CONTACT_SPAN = 320, 16.0


class NoRenderer(RuntimeError):
    """Rendering is not possible here; the message says what to install."""


def _context() -> Any:
    try:
        import moderngl
    except ImportError as error:
        raise NoRenderer(
            "Rendering the world needs the Python package moderngl: pip install moderngl"
        ) from error
    settings: dict[str, Any] = {"standalone": True, "require": 330, "backend": "egl"}
    try:
        return moderngl.create_context(**settings)
    except Exception as error:
        raise NoRenderer(
            "OpenGL could not be opened through EGL. On Debian or Ubuntu install the packages "
            f"libegl1 libegl-mesa0 libgl1-mesa-dri ({error})"
        ) from error


class Renderer:
    """Renders scenes at one size. Not to be shared between threads or processes.

    Args:
        width: columns of the pictures.
        height: rows of the pictures.
        samples: colour samples a pixel and axis; the picture is their mean (area resize).

    Raises:
        NoRenderer: OpenGL, EGL or moderngl is missing.

    """

    def __init__(self, width: int, height: int, samples: float = 1.5) -> None:
        self.width, self.height, self.samples = width, height, samples
        gl = self._gl = _context()
        gl.enable(gl.DEPTH_TEST | gl.CULL_FACE)
        self._paint = gl.program(vertex_shader=shaders.VERTEX, fragment_shader=shaders.FRAGMENT)
        self._mark = gl.program(
            vertex_shader=shaders.ID_VERTEX, fragment_shader=shaders.ID_FRAGMENT
        )
        self._colour, self._ids = self._buffers(1.0)
        self._wide: tuple[Any, Any] | None = None  # of cameras with distortion, once there is one
        depth = gl.depth_texture((_SHADOW, _SHADOW))
        depth.compare_func = "<="
        depth.filter = (gl.LINEAR, gl.LINEAR)
        depth.repeat_x = depth.repeat_y = False
        self._shadow_map = depth
        self._shadow = gl.framebuffer(depth_attachment=depth)
        self._contact = gl.texture((_CONTACT, _CONTACT), 1)
        self._contact.repeat_x = self._contact.repeat_y = False
        self._vertices = {k: gl.buffer(v.tobytes()) for k, v in meshes().items()}
        self._instances = {k: gl.buffer(reserve=4 * ROW * _ROOM) for k in KINDS}
        self._painters = self._arrays(self._paint)
        self._markers = self._arrays(self._mark)

    def render(self, scene: Scene, camera: Camera) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Colour (H, W, 3) and object ids (H, W) of the scene as the camera sees it."""
        with self._gl:
            counts = self._upload(scene.rows)
            sun = self._draw_shadows(scene.light, camera, counts)
            buffer = self._of(camera)[0]
            self._draw_colour(scene, camera, buffer, sun, counts)
            rgb = self._read(buffer, 3)
            ids = self._draw_ids(camera, counts)
        if camera.k1:
            size = round(self.width * self.samples), round(self.height * self.samples)
            rgb = bent(rgb, camera.sized(*size))
        if self.samples > 1:
            rgb = _averaged(rgb, self.width, self.height)
        return rgb, ids

    def identify(self, scene: Scene, camera: Camera) -> NDArray[np.uint8]:
        """Object ids (H, W) alone: much faster than the whole picture."""
        with self._gl:
            return self._draw_ids(camera, self._upload(scene.rows))

    def _buffers(self, scale: float) -> tuple[Any, Any]:
        """Framebuffers of colour and object ids, so many times as large as the pictures."""
        both = []
        for samples, components in ((self.samples, 4), (1.0, 1)):
            size = (round(self.width * samples * scale), round(self.height * samples * scale))
            texture = self._gl.texture(size, components)
            both.append(self._gl.framebuffer([texture], self._gl.depth_renderbuffer(size)))
        return both[0], both[1]

    def _of(self, camera: Camera) -> tuple[Any, Any]:
        """The framebuffers to draw what this camera sees."""
        if not camera.k1:
            return self._colour, self._ids
        if self._wide is None:
            self._wide = self._buffers(_WIDE)
        return self._wide

    def _draw_ids(self, camera: Camera, counts: Mapping[str, int]) -> NDArray[np.uint8]:
        buffer = self._of(camera)[1]
        buffer.use()
        buffer.clear(0, 0, 0, 0, depth=1.0)
        self._mark["camera"].write(_packed(camera.pinhole().matrix()))
        self._mark["least"].value = 0.0
        self._draw(self._markers, counts)
        ids = self._read(buffer, 1)[:, :, 0]
        return bent(ids, camera.sized(self.width, self.height), nearest=True) if camera.k1 else ids

    def _arrays(self, program: Any) -> dict[str, Any]:
        mesh = [("3f", "position"), ("3f", "normal")]
        out = {}
        for kind in KINDS:
            mesh_format = " ".join(f if n in program else "12x" for f, n in mesh)
            row_format = " ".join("4f" if n in program else "16x" for n in _INSTANCE)
            content = [
                (self._vertices[kind], mesh_format, *[n for _, n in mesh if n in program]),
                (
                    self._instances[kind],
                    f"{row_format}/i",
                    *[n for n in _INSTANCE if n in program],
                ),
            ]
            out[kind] = self._gl.vertex_array(program, content)
        return out

    def _upload(self, rows: Mapping[str, NDArray[np.float32]]) -> dict[str, int]:
        counts = {}
        # Boxes last: the floor and the walls are boxes, and hidden pixels are not shaded.
        for kind in reversed(KINDS):
            if kind in rows:
                if len(rows[kind]) > _ROOM:
                    raise ValueError(
                        f"a scene may hold {_ROOM} parts of a kind, not {len(rows[kind])}"
                    )
                self._instances[kind].write(np.ascontiguousarray(rows[kind], np.float32).tobytes())
                counts[kind] = len(rows[kind])
        return counts

    def _draw(self, arrays: Mapping[str, Any], counts: Mapping[str, int]) -> None:
        for kind, count in counts.items():
            arrays[kind].render(instances=count)

    def _draw_shadows(
        self, light: Light, camera: Camera, counts: Mapping[str, int]
    ) -> NDArray[np.float64]:
        """Things, doors and features cast shadows, but no panes; a ceiling would hide the sun."""
        towards = np.array(light.sun) / np.linalg.norm(light.sun)
        ahead = np.array([math.cos(camera.heading), math.sin(camera.heading), 0.0])
        centre = np.array([camera.x, camera.y, 0.0]) + 5 * ahead
        view = look(centre, -towards)
        box = np.diag([1 / _SHADOW_HALF, 1 / _SHADOW_HALF, -1 / _SHADOW_DEPTH, 1.0])
        matrix = box @ view
        self._shadow.use()
        self._shadow.clear(depth=1.0)
        self._mark["camera"].write(_packed(matrix))
        self._mark["least"].value = float(FIRST_THING)
        self._draw(self._markers, {kind: n for kind, n in counts.items() if kind != PANE})
        return matrix

    def _draw_colour(
        self,
        scene: Scene,
        camera: Camera,
        buffer: Any,
        sun: NDArray[np.float64],
        counts: Mapping[str, int],
    ) -> None:
        light, paint = scene.light, self._paint
        lamps = np.array(scene.building.lamps, np.float32)
        paint["lamps"].write(lamps.tobytes())
        paint["ceiling"].value = scene.building.height
        paint["camera"].write(_packed(camera.pinhole().matrix()))
        paint["sun_camera"].write(_packed(sun))
        paint["eye"].value = camera.eye
        paint["sun"].value, paint["sun_colour"].value = light.sun, light.sun_colour
        paint["ambient"].value, paint["lamp_colour"].value = light.ambient, light.lamp_colour
        paint["grain_seed"].value = light.grain
        corner, contact = _contact(scene, camera)
        self._contact.write(contact.tobytes())
        paint["contact_at"].value = (*corner, _CONTACT_SPAN)
        self._shadow_map.use(0)
        self._contact.use(1)
        paint["shadow"].value, paint["contact"].value = 0, 1
        buffer.use()
        buffer.clear(0.02, 0.02, 0.02, 1, depth=1.0)
        self._draw(self._painters, {kind: n for kind, n in counts.items() if kind != PANE})
        if PANE in counts:
            self._gl.enable(self._gl.BLEND)
            self._draw(self._painters, {PANE: counts[PANE]})
            self._gl.disable(self._gl.BLEND)

    def _read(self, buffer: Any, components: int) -> NDArray[np.uint8]:
        data = buffer.read(components=components, alignment=1)
        flat = np.frombuffer(data, np.uint8)
        return flat.reshape(buffer.height, buffer.width, components)[::-1]


def bent(picture: NDArray[np.uint8], camera: Camera, nearest: bool = False) -> NDArray[np.uint8]:
    """What ``camera`` sees, of its size, from a picture that ``camera.pinhole()`` took.

    The picture may have another resolution. Interpolated, or the nearest pixel's value.
    """
    import cv2

    across, down = _bend(
        camera.width, camera.height, camera.hfov, camera.k1, picture.shape[1], picture.shape[0]
    )
    how = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    whole = np.ascontiguousarray(picture)
    edge = cv2.BORDER_REPLICATE
    return np.asarray(cv2.remap(whole, across, down, how, borderMode=edge), np.uint8)


@lru_cache(maxsize=4)
def _bend(
    width: int, height: int, hfov: float, k1: float, columns: int, rows: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Column and row of the pinhole's picture (rows, columns) for each pixel, (height, width)."""
    camera = Camera(width, height, hfov, 0.0, k1=k1)
    u = np.arange(width) + 0.5 - width / 2
    v = np.arange(height)[:, None] + 0.5 - height / 2
    radius = np.maximum(np.hypot(u, v) / camera.focal, 1e-9)
    scale = camera.straight(radius) / radius / camera.focal
    scale = scale * camera.pinhole().sized(columns, rows).focal
    across, down = u * scale + columns / 2 - 0.5, v * scale + rows / 2 - 0.5
    return across.astype(np.float32), down.astype(np.float32)


def _contact(scene: Scene, camera: Camera) -> tuple[tuple[float, float], NDArray[np.uint8]]:
    """How much light reaches the floor around the robot: less beside things and walls.

    Returns the corner of the square in the building's frame, and (n, n) light, 255 for all.
    """
    import cv2

    half = _CONTACT_SPAN / 2
    x = camera.x + (half - 1) * math.cos(camera.heading) - half
    y = camera.y + (half - 1) * math.sin(camera.heading) - half
    solid = np.zeros((_CONTACT, _CONTACT), np.uint8)
    scale = _CONTACT / _CONTACT_SPAN
    blocks = [thing.footprint for thing in scene.things] + scene.building.walls
    blocks += [door.leaf for door in scene.doors]
    blocks += [feature.footprint for feature in scene.features if feature.height]
    for block in blocks:
        cv2.fillConvexPoly(solid, np.round((block - (x, y)) * scale).astype(np.int32), 255)
    near = cv2.blur(cv2.blur(solid, (9, 9)), (9, 9)).astype(np.float32)
    return (x, y), (255 - 0.72 * near).astype(np.uint8)


def _packed(matrix: NDArray[np.float64]) -> bytes:
    return np.ascontiguousarray(matrix.T, np.float32).tobytes()


def _averaged(rgb: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    import cv2

    whole = np.ascontiguousarray(rgb)
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)

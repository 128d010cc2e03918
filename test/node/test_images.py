"""Every encoding against values worked out by hand in the test, and every way to be refused."""

from __future__ import annotations

import array

import numpy as np
import pytest

pytest.importorskip("sensor_msgs", reason="needs ROS messages: pip install ros-sensor-msgs")
from sensor_msgs.msg import Image

from mmser_ros.node import images
from mmser_ros.node.images import UnsupportedImage, to_frame, to_rgb

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
# BT.601, video range (Y 16..235, chroma 16..240): the textbook bytes of full red, green, blue
# and white. E.g. red: R = 1.164 (81 - 16) + 1.596 (240 - 128) = 254.4,
# G = 75.7 - 0.391 (90 - 128) - 0.813 (240 - 128) = -0.5, B = 75.7 + 2.018 (90 - 128) = -1.0.
YUV = {RED: (81, 90, 240), GREEN: (145, 54, 34), BLUE: (41, 240, 110), WHITE: (235, 128, 128)}


def message(
    encoding: str, width: int, height: int, data: bytes, step: int = 0, big: bool = False
) -> Image:
    msg = Image(width=width, height=height, encoding=encoding, is_bigendian=int(big))
    msg.step = step or len(data) // height
    msg.data = array.array("B", data)
    return msg


def quadrants(width: int = 16, height: int = 12) -> np.ndarray:
    """Red, green over blue, white; each quadrant flat."""
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[: height // 2, : width // 2] = RED
    rgb[: height // 2, width // 2 :] = GREEN
    rgb[height // 2 :, : width // 2] = BLUE
    rgb[height // 2 :, width // 2 :] = WHITE
    return rgb


def yuv(rgb: np.ndarray) -> np.ndarray:
    """Y, U, V of each pixel, looked up in the table above."""
    out = np.empty_like(rgb)
    for colour, samples in YUV.items():
        out[(rgb == colour).all(-1)] = samples
    return out


def padded(rows: np.ndarray, extra: int) -> bytes:
    """Rows of bytes with ``extra`` bytes of rubbish after each."""
    rows = rows.reshape(len(rows), -1)
    return np.pad(rows, ((0, 0), (0, extra)), constant_values=0xAB).tobytes()


@pytest.mark.parametrize("extra", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "pixel"),
    [
        ("rgb8", [10, 20, 30]),
        ("bgr8", [30, 20, 10]),
        ("8UC3", [30, 20, 10]),
        ("rgba8", [10, 20, 30, 99]),
        ("bgra8", [30, 20, 10, 99]),
        ("8UC4", [30, 20, 10, 99]),
    ],
)
def test_eight_bit_colours_keep_their_values(encoding: str, pixel: list[int], extra: int) -> None:
    data = np.zeros((5, 7, len(pixel)), np.uint8)
    data[2, 3] = pixel
    rgb = to_rgb(message(encoding, 7, 5, padded(data, extra)))
    assert rgb.shape == (5, 7, 3)
    assert rgb.dtype == np.uint8
    assert rgb[2, 3].tolist() == [10, 20, 30]
    assert rgb.sum() == 60


@pytest.mark.parametrize("encoding", ["mono8", "8UC1"])
@pytest.mark.parametrize("extra", [0, 3])
def test_grey_becomes_three_equal_channels(encoding: str, extra: int) -> None:
    grey = np.arange(35, dtype=np.uint8).reshape(5, 7)
    rgb = to_rgb(message(encoding, 7, 5, padded(grey, extra)))
    assert (rgb == grey[..., None]).all()


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("extra", [0, 2, 3])
@pytest.mark.parametrize(
    ("encoding", "order"), [("rgb16", [0, 1, 2]), ("bgr16", [2, 1, 0]), ("mono16", [0])]
)
def test_sixteen_bit_keeps_the_high_byte_in_both_byte_orders(
    encoding: str, order: list[int], extra: int, big: bool
) -> None:
    samples = np.zeros((5, 7, 3), ">u2" if big else "<u2")
    samples[1, 4] = 0x1234, 0x5678, 0x9ABC
    rgb = to_rgb(
        message(
            encoding,
            7,
            5,
            padded(np.ascontiguousarray(samples[..., order]).view(np.uint8), extra),
            big=big,
        )
    )
    expected = [0x12, 0x56, 0x9A] if len(order) == 3 else [0x12] * 3
    assert rgb[1, 4].tolist() == expected
    assert rgb.sum() == sum(expected)


@pytest.mark.parametrize("size", [(16, 12), (15, 13)])
@pytest.mark.parametrize("extra", [0, 6])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_patterns_give_the_colours_that_were_filtered(
    pattern: str, big: bool, bits: int, extra: int, size: tuple[int, int]
) -> None:
    scene = quadrants(*size)
    mosaic = np.empty(scene.shape[:2], np.uint8)
    for index, letter in enumerate(pattern):
        row, column = divmod(index, 2)
        mosaic[row::2, column::2] = scene[row::2, column::2, "rgb".index(letter)]
    if bits == 16:
        # The low byte is noise that must not show.
        wide = (mosaic.astype(np.uint16) << 8 | 0x55).astype(">u2" if big else "<u2")
        data = padded(wide.view(np.uint8), extra)
    else:
        data = padded(mosaic, extra)
    rgb = to_rgb(message(f"bayer_{pattern}{bits}", *size, data, big=big))
    assert rgb.shape == scene.shape
    height, width = scene.shape[:2]
    for y in (height // 4, 3 * height // 4):
        for x in (width // 4, 3 * width // 4):
            assert rgb[y, x].tolist() == scene[y, x].tolist()


@pytest.mark.parametrize("encoding", ["yuv422", "uyvy", "yuv422_yuy2", "yuyv"])
@pytest.mark.parametrize(
    ("width", "extra"), [(16, 0), (16, 10), (15, 0), (15, 1), (15, 2), (15, 9)]
)
def test_packed_yuv_is_bt601_video_range_at_any_width(
    encoding: str, width: int, extra: int
) -> None:
    scene = quadrants(16, 12)
    samples = yuv(scene)
    chroma = np.where(np.arange(16) % 2 == 0, samples[..., 1], samples[..., 2])
    pair = (
        (chroma, samples[..., 0]) if encoding in ("yuv422", "uyvy") else (samples[..., 0], chroma)
    )
    packed = np.stack(pair, -1)  # (12, 16, 2)
    if extra >= 2:  # an odd row whose last pair is whole
        data = padded(packed[:, : width + width % 2], extra - 2 * (width % 2))
    else:
        data = padded(packed[:, :width], extra)
    rgb = to_rgb(message(encoding, width, 12, data, step=2 * width + extra))
    assert rgb.shape == (12, width, 3)
    assert np.abs(rgb.astype(int) - scene[:, :width]).max() <= 1


@pytest.mark.parametrize("encoding", ["nv12", "nv21"])
@pytest.mark.parametrize("extra", [0, 4, 5])
@pytest.mark.parametrize("size", [(16, 12), (15, 12), (16, 11), (15, 11)])
def test_half_size_chroma_planes_reach_the_right_pixels(
    encoding: str, size: tuple[int, int], extra: int
) -> None:
    width, height = size
    whole = quadrants(16, 12)
    samples = yuv(whole)
    order = [1, 2] if encoding == "nv12" else [2, 1]
    chroma = samples[::2, ::2][..., order]  # (6, 8, 2): both halves keep 6 rows, 8 pairs
    step = width + extra
    stride = max(step, 16)
    data = padded(samples[:height, :width, 0], extra) + padded(chroma, stride - 16)
    rgb = to_rgb(message(encoding, width, height, data, step=step))
    assert rgb.shape == (height, width, 3)
    assert np.abs(rgb.astype(int) - whole[:height, :width]).max() <= 1


@pytest.mark.parametrize("extra", [0, 3])
@pytest.mark.parametrize("size", [(16, 12), (15, 11)])
def test_nv24_has_chroma_for_every_pixel(size: tuple[int, int], extra: int) -> None:
    width, height = size
    scene = quadrants(*size)
    samples = yuv(scene)
    data = padded(samples[..., 0], extra) + padded(samples[..., 1:], 2 * extra)
    rgb = to_rgb(message("nv24", width, height, data, step=width + extra))
    assert np.abs(rgb.astype(int) - scene).max() <= 1


def test_video_black_and_white_span_the_full_range() -> None:
    luma = np.full((4, 4), 16, np.uint8)
    luma[:, 2:] = 235
    for encoding, pixels in (("nv12", 4), ("nv24", 16)):
        data = luma.tobytes() + bytes([128, 128]) * pixels
        rgb = to_rgb(message(encoding, 4, 4, data, step=4))
        assert rgb[0, 0].tolist() == [0, 0, 0]
        assert rgb[0, 3].tolist() == [255, 255, 255]


@pytest.mark.parametrize("extra", [0, 8])
def test_rgb8_is_a_read_only_view_of_the_message(extra: int) -> None:
    msg = message("rgb8", 640, 480, bytes((640 * 3 + extra) * 480))
    rgb = to_rgb(msg)
    assert np.shares_memory(rgb, np.frombuffer(msg.data, np.uint8))
    assert not rgb.flags.writeable
    msg.data[3 * 5] = 77
    assert rgb[0, 5, 0] == 77


def test_last_row_may_lack_its_padding() -> None:
    msg = message("rgb8", 4, 4, bytes(range(4 * 16 - 4)), step=16)
    assert to_rgb(msg)[3, 3].tolist() == [57, 58, 59]


def test_frames_keep_stamp_frame_id_sequence_and_source() -> None:
    msg = message("mono8", 4, 4, bytes(16))
    msg.header.stamp.sec, msg.header.stamp.nanosec = 1_700_000_000, 123_456_789
    msg.header.frame_id = "camera_optical"
    frame = to_frame(msg, sequence=42, source="/camera/image_raw")
    assert frame.stamp_ns == 1_700_000_000_123_456_789
    assert frame.frame_id == "camera_optical"
    assert frame.sequence == 42
    assert frame.source == "/camera/image_raw"


@pytest.mark.parametrize(
    ("msg", "words"),
    [
        (message("16UC1", 4, 4, bytes(32)), "depth"),
        (message("32FC1", 4, 4, bytes(64)), "depth"),
        (message("thermal9", 4, 4, bytes(16)), "unknown"),
        (message("", 4, 4, bytes(16)), "unknown"),
        (message("rgb8", 0, 4, b"", step=0), "empty"),
        (message("rgb8", 4, 1, bytes(12)), "at least 4"),
        (message("rgb8", 4, 4, b"", step=12), "no data"),
        (message("rgb8", 4, 4, bytes(48), step=11), "needs 12 bytes a row, but its step is 11"),
        (message("rgb16", 4, 4, bytes(96), step=12), "needs 24 bytes a row"),
        (message("rgb8", 4, 4, bytes(47), step=12), "needs 48 bytes, but has 47"),
        (message("mono16", 5, 4, bytes(39), step=10), "needs 40 bytes"),
        (message("bayer_rggb8", 8, 8, bytes(63), step=8), "needs 64 bytes"),
        (message("yuyv", 5, 4, bytes(39), step=10), "needs 40 bytes"),
        (message("nv12", 4, 4, bytes(23), step=4), "needs 24 bytes"),
        (message("nv24", 4, 4, bytes(47), step=4), "needs 48 bytes"),
        (message("mono8", 20000, 4, bytes(16), step=20000), "at most"),
        (message("mono8", 16000, 16000, bytes(16), step=16000), "at most"),
    ],
)
def test_unusable_images_are_refused_with_a_sentence(msg: Image, words: str) -> None:
    with pytest.raises(UnsupportedImage, match=words) as refusal:
        to_rgb(msg)
    assert str(refusal.value).endswith(".")


def test_random_headers_and_bytes_are_converted_or_refused() -> None:
    rng = np.random.default_rng(7)
    names = [*images.ENCODINGS, "16UC1", "32FC1", "rgb", "bayer_rggb12", "8UC2", "64FC3"]
    converted = 0
    for _ in range(4000):
        width, height = (int(rng.choice([0, 1, 3, 4, 5, 8, 17, 2**31])) for _ in range(2))
        data = rng.bytes(int(rng.integers(0, 1500)))
        msg = Image(width=width, height=height, encoding=str(rng.choice(names)))
        msg.step = int(rng.choice([0, width, 2 * width, 3 * width + 1, 6 * width, 7])) % 2**32
        msg.is_bigendian = int(rng.integers(0, 256))
        msg.data = array.array("B", data)
        try:
            rgb = to_rgb(msg)
        except UnsupportedImage:
            continue
        assert rgb.shape == (height, width, 3)
        rgb.sum()  # reads every byte: a view must not reach beyond the message
        converted += 1
    assert converted > 200


def test_agrees_with_cv_bridge() -> None:
    bridge = pytest.importorskip("cv_bridge", reason="cv_bridge is not installed").CvBridge()
    rng = np.random.default_rng(3)
    for encoding, size in [("rgb8", 3), ("bgr8", 3), ("bgra8", 4), ("mono8", 1), ("mono16", 2)]:
        msg = message(encoding, 16, 12, rng.bytes(16 * 12 * size))
        theirs = bridge.imgmsg_to_cv2(msg, "rgb8")
        assert np.abs(to_rgb(msg).astype(int) - theirs).max() <= 1
    for encoding in ("bayer_rggb8", "bayer_bggr8", "bayer_gbrg8", "bayer_grbg8"):
        msg = message(encoding, 16, 12, rng.bytes(16 * 12))
        assert (to_rgb(msg) == bridge.imgmsg_to_cv2(msg, "rgb8")).all()

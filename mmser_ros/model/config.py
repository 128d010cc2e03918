"""What config.json says: the shape of a model and how it is prompted. Needs no torch.

One architecture, two sizes: ``nano`` (built in) and ``base`` (CLIP ViT-L/14-336, OPT-125M).
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class BadModel(ValueError):
    """A model folder cannot be used; the message names the file and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """How a frame becomes pixels: fitted into a canvas, shrunk for the glance."""

    height: int
    """Pixels of one encoder input."""
    width: int
    zoom: int
    """The canvas is so many times as high and as wide as an encoder input."""
    crops: int
    """The second look sees at most so many parts of the canvas, each one encoder input large."""
    mean: tuple[float, float, float]
    """Of RGB in 0..1; also the colour of the padding."""
    std: tuple[float, float, float]
    ground: bool = False
    """Whether the encoder also sees three channels of what the camera's mounting tells."""
    fill: bool = False
    """Whether a frame of another shape fills the canvas, its edges cut off, or is padded."""

    @property
    def canvas(self) -> tuple[int, int]:
        """(height, width) of the frame as the second look sees it."""
        return self.height * self.zoom, self.width * self.zoom

    @property
    def channels(self) -> int:
        """Of an encoder input: RGB, and the ground's three where the model reads them."""
        return 6 if self.ground else 3


@dataclass(frozen=True, slots=True)
class VisionConfig:
    """The vision encoder."""

    stem: str
    """``conv``: four strides of two with residual blocks; ``patch``: CLIP's one convolution."""
    channels: tuple[int, ...]
    """Of the conv stem's first three strides."""
    residuals: tuple[int, ...]
    """Residual blocks after the second and the third stride of the conv stem."""
    patch: int
    """Pixels a token covers, in each direction."""
    width: int
    depth: int
    heads: int
    feedforward: int
    taps: tuple[int, ...]
    """Blocks (from 1) whose outputs are the levels; blocks after the last are never run."""
    activation: str = "gelu"
    """``gelu`` or CLIP's ``quick_gelu``."""
    class_token: bool = False
    """CLIP's: part of attention, dropped from the levels."""


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """The decoder: OPT's layout (pre-norm, learned positions, tied head)."""

    vocabulary: int
    width: int
    depth: int
    heads: int
    feedforward: int
    positions: int
    """Longest sequence: visual tokens, prompt, draft, separator and caption."""
    position_offset: int = 2
    """OPT's positions start at 2."""


@dataclass(frozen=True, slots=True)
class ConnectorConfig:
    """The glance connector: an MLP; hidden widths between d and D."""

    hidden: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SerConfig:
    """The SeR-Connector."""

    width: int
    depth: int
    heads: int
    feedforward: int
    draft_positions: int
    """Longest draft that it reads."""


@dataclass(frozen=True, slots=True)
class PromptConfig:
    """Token ids around the captions."""

    coarse: tuple[int, ...]
    """Asks for a caption at first glance."""
    refine: tuple[int, ...]
    """Announces the draft."""
    separator: tuple[int, ...]
    """Between the draft and the refined caption."""
    end: int
    pad: int
    limit: int
    """Most new tokens a caption, the end token included."""


Knots = tuple[tuple[float, float], ...]
"""A curve: points (x, y), straight between them and level beyond. Both rise."""


@dataclass(frozen=True, slots=True)
class CalibrationConfig:
    """From the decoder's probabilities to the chance that nothing is wrong, a curve a look.

    x is the logarithm of the product of a caption's word probabilities, y the chance.
    """

    coarse: Knots
    refined: Knots
    refine_below: float
    """Coarse confidence below which a second look is worth its time."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Everything about a model but its weights."""

    name: str
    version: str
    image: ImageConfig
    vision: VisionConfig
    connector: ConnectorConfig
    decoder: DecoderConfig
    ser: SerConfig
    prompt: PromptConfig
    calibration: CalibrationConfig | None = None
    names: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """What the model can name: ``objects``, ``colours``, ``scenes``; empty for open vocabulary.
    ``plurals`` go with the objects, empty for those that are not counted; ``things`` are the
    classes of the look head, and missing without one."""

    @property
    def things(self) -> tuple[str, ...]:
        """Classes of the look head; empty if there is none."""
        return self.names.get("things", ())

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns in which the tokens of one encoder input lie."""
        return self.image.height // self.vision.patch, self.image.width // self.vision.patch

    @property
    def visual_tokens(self) -> int:
        """N: tokens of one encoder input."""
        rows, columns = self.grid
        return rows * columns

    def to_json(self) -> str:
        """The text of config.json."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"


def load_config(path: Path) -> ModelConfig:
    """Read and check a config.json. Raises BadModel with a sentence."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadModel(f"{path} does not exist; a model folder needs a config.json.") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadModel(f"{path} cannot be read as JSON: {error}.") from error
    config: ModelConfig = build(ModelConfig, raw, path)
    check(config, path)
    return config


def build(kind: type, raw: Any, path: Path, where: str = "") -> Any:
    """Make the dataclass ``kind`` of plain values read from ``path``.

    Raises BadModel, naming what is missing, unknown or of the wrong kind.
    """
    if not isinstance(raw, dict):
        raise BadModel(f"{path}: '{where.rstrip('.') or 'the file'}' must be an object.")
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for name in raw:
        if name not in fields:
            raise BadModel(f"{path}: '{where}{name}' is not a setting of this version.")
    values = {}
    for name, field in fields.items():
        if name in raw:
            values[name] = _value(hints[name], raw[name], path, f"{where}{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise BadModel(f"{path}: '{where}{name}' is missing.")
    return kind(**values)


def _value(hint: Any, raw: Any, path: Path, where: str) -> Any:
    if isinstance(hint, types.UnionType):
        if raw is None:
            return None
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type, hint), raw, path, f"{where}.")
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple and isinstance(raw, list):
        if parts[-1] is not Ellipsis and len(parts) != len(raw):
            raise BadModel(f"{path}: '{where}' needs {len(parts)} values, not {len(raw)}.")
        return tuple(_value(parts[0], item, path, where) for item in raw)
    if origin is dict and isinstance(raw, dict):
        return {key: _value(parts[1], item, path, where) for key, item in raw.items()}
    if hint is float and type(raw) in (int, float):
        return float(raw)
    if isinstance(hint, type) and type(raw) is hint:
        return raw
    raise BadModel(f"{path}: '{where}' is {raw!r}, which is not of the right kind.")


def check(config: ModelConfig, path: Path) -> None:
    """Hold the numbers against each other before any weight is loaded. Raises BadModel."""
    vision, decoder, image = config.vision, config.decoder, config.image

    def demand(holds: bool, sentence: str) -> None:
        if not holds:
            raise BadModel(f"{path}: {sentence}")

    sizes = {
        "image.height": image.height,
        "image.width": image.width,
        "image.zoom": image.zoom,
        "vision.width": vision.width,
        "vision.heads": vision.heads,
        "vision.patch": vision.patch,
        "decoder.width": decoder.width,
        "decoder.heads": decoder.heads,
        "decoder.vocabulary": decoder.vocabulary,
        "decoder.depth": decoder.depth,
        "ser.width": config.ser.width,
        "ser.heads": config.ser.heads,
        "prompt.limit": config.prompt.limit,
    }
    for name, size in sizes.items():
        demand(size > 0, f"'{name}' is {size}; it must be positive.")
    for name, width, heads in (
        ("vision", vision.width, vision.heads),
        ("decoder", decoder.width, decoder.heads),
        ("ser", config.ser.width, config.ser.heads),
    ):
        demand(width % heads == 0, f"'{name}.width' must be a multiple of '{name}.heads'.")
    demand(image.crops >= 0, f"'image.crops' is {image.crops}; it cannot be negative.")
    demand(vision.stem in ("conv", "patch"), f"'vision.stem' is {vision.stem!r}: conv or patch.")
    demand(
        image.height % vision.patch == 0 and image.width % vision.patch == 0,
        "'image' must be a whole number of patches high and wide.",
    )
    demand(
        bool(vision.taps)
        and list(vision.taps) == sorted(set(vision.taps))
        and vision.taps[0] >= 1
        and vision.taps[-1] <= vision.depth,
        f"'vision.taps' {list(vision.taps)} must be rising block numbers up to {vision.depth}.",
    )
    _check_calibration(config.calibration, demand)
    ids = (*config.prompt.coarse, *config.prompt.refine, *config.prompt.separator)
    ids += (config.prompt.end, config.prompt.pad)
    demand(
        all(0 <= token < decoder.vocabulary for token in ids),
        f"'prompt' names a token outside the vocabulary of {decoder.vocabulary}.",
    )
    longest = config.visual_tokens + len(config.prompt.refine) + len(config.prompt.separator)
    longest += 2 * config.prompt.limit
    demand(
        longest <= decoder.positions,
        f"'decoder.positions' is {decoder.positions}; a refinement can need {longest}.",
    )


def _check_calibration(
    calibration: CalibrationConfig | None, demand: Callable[[bool, str], None]
) -> None:
    if calibration is None:
        return
    for name in ("coarse", "refined"):
        curve: Knots = getattr(calibration, name)
        where = f"'calibration.{name}'"
        steps = list(itertools.pairwise(curve))
        demand(bool(curve), f"{where} is empty; it needs a point (x, y) or more.")
        demand(
            all(a[0] < b[0] and a[1] <= b[1] for a, b in steps),
            f"{where} must rise from point to point.",
        )
        demand(all(0 <= y <= 1 for _, y in curve), f"{where} has a chance outside 0 to 1.")
    below = calibration.refine_below
    demand(0 <= below <= 1, f"'calibration.refine_below' is {below}; it lies between 0 and 1.")

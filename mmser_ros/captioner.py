"""The captioner: a frame in, two captions out. The public interface of this package."""

from __future__ import annotations

import math
import time
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmser_ros import ground, pixels, salience
from mmser_ros.decode import beam
from mmser_ros.decode import draft as draft_verified
from mmser_ros.decode.greedy import Decode, Decoded
from mmser_ros.folders import find_model
from mmser_ros.model.config import BadModel, ModelConfig, load_config
from mmser_ros.runtime.engine import Engine, EngineInfo, Levels, Prefix
from mmser_ros.runtime.progress import Progress
from mmser_ros.runtime.registry import open_engine
from mmser_ros.runtime.weights import STATISTICS, WEIGHTS, load_weights
from mmser_ros.tokens import Tokenizer
from mmser_ros.trust import Familiarity, Trust, confidence, worth_refining
from mmser_ros.types import Caption, Frame, Glance, Stage

__all__ = ["Captioner", "Trust", "find_model"]


class Captioner:
    """Looks at frames twice. Holds one engine, so one thread at a time may use it."""

    trust: Trust
    """What a caption must reach to be trusted; may be replaced at any time."""
    decode: Decode
    """How captions are written: draft-verified unless beams are asked for; may be replaced to
    compare ways of decoding."""
    least_doubt: float
    """Doubt that a crop must take away, see ``salience.WORTH``; may be replaced to compare."""

    def __init__(
        self,
        config: ModelConfig,
        tokenizer: Tokenizer,
        engine: Engine,
        *,
        familiarity: Familiarity | None = None,
        trust: Trust | None = None,
    ) -> None:
        self.config = config
        self.trust = trust or Trust()
        self.decode = draft_verified.decode
        self.least_doubt = salience.WORTH
        self._tokenizer = tokenizer
        self._engine = engine
        self._familiarity = familiarity
        self._previous: tuple[int, ...] = ()
        self._seen = pixels.room(1, config.image)
        self._details = pixels.room(config.image.crops, config.image)

    @classmethod
    def load(
        cls,
        model: str | Path = "nano",
        *,
        engine: str = "auto",
        threads: int | None = None,
        precision: str = "auto",
        beams: int = 1,
        trust: Trust | None = None,
        progress: Progress | None = None,
    ) -> Captioner:
        """Open a built-in model by name, or a model folder.

        ``engine``: auto, or a name of ``runtime.registry.ENGINES``; ``threads`` of the CPU, for
        the engine and, in the whole process, for OpenCV, None for what they choose themselves;
        ``precision`` of its arithmetic: auto, fp32, or what else it has. TensorRT builds for
        minutes what the store does not hold; ``progress`` is told once a second, from another
        thread, how far that is. ``beams`` above one search for more probable captions than greedy
        ones, at the price of so many decoder calls a token.
        Raises BadModel or EngineError, with a sentence that says what to do, and ValueError if
        ``beams`` is below one.
        """
        if beams < 1:
            raise ValueError(f"A beam search needs at least one beam, not {beams}.")
        folder = find_model(model)
        config = load_config(folder / "config.json")
        tokenizer = Tokenizer.load(folder / "tokenizer.json")
        if tokenizer.vocabulary > config.decoder.vocabulary:
            raise BadModel(
                f"{folder / 'tokenizer.json'} has {tokenizer.vocabulary} tokens, but the decoder "
                f"of config.json only {config.decoder.vocabulary}."
            )
        statistics = load_weights(folder, STATISTICS)
        named = {name.removeprefix(STATISTICS): tensor for name, tensor in statistics.items()}
        try:
            familiarity = Familiarity.of(named, len(config.vision.taps) * config.vision.width)
        except ValueError as error:
            raise BadModel(f"{folder / WEIGHTS}: {error}") from error
        opened = open_engine(
            engine, folder, threads=threads, precision=precision, progress=progress
        )
        if threads is not None:
            pixels.use_threads(threads)
        captioner = cls(config, tokenizer, opened, familiarity=familiarity, trust=trust)
        if beams > 1:
            captioner.decode = partial(beam.decode, beams=beams)
        return captioner

    @property
    def info(self) -> EngineInfo:
        """What runs."""
        return self._engine.info

    @property
    def familiarity_known(self) -> bool:
        """Whether the model ships the statistics that familiarity needs."""
        return self._familiarity is not None

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's own."""
        return self._tokenizer

    def warm_up(self) -> float:
        """Caption a blank frame twice, so that the first real one is not slower; seconds."""
        begin = time.perf_counter()
        for count in range(1, len(self._details) + 1):  # runtimes prepare for each number of crops
            self._details[:count] = 0
            self._engine.encode(self._details[:count])
        blank = np.empty((*self.config.image.canvas, 3), np.uint8)
        blank[:] = pixels.padding_colour(self.config.image)
        self.refine(self.glance(Frame(blank)))
        self._previous = ()
        return time.perf_counter() - begin

    def glance(self, frame: Frame) -> Glance:
        """The first look: a coarse caption, and what the second look goes on from.

        The previous glance's caption is the draft of this one: where the scene has not
        changed, it costs one decoder call. Raises ValueError if ``frame.rgb`` is no (H, W, 3)
        array of uint8, or if its camera model is about an image of another shape.
        """
        clock = _Stopwatch()
        canvas, levels = self._see(frame, clock)
        prefix = self._engine.glance(levels)
        clock.lap("glance")
        decoded = self._write(prefix, self.config.prompt.coarse, self._previous)
        clock.lap("decode")
        self._previous = decoded.ids
        known = self._familiarity
        familiarity = math.nan if known is None else known.of_frame(levels.pooled[0])
        caption = self._caption(Stage.COARSE, decoded, None, familiarity, clock)
        return Glance(frame, caption, canvas, levels)

    def pooled(self, frame: Frame) -> NDArray[np.float32]:
        """The frame's levels averaged over their tokens, (m d,): what familiarity goes by.

        Raises ValueError as ``glance`` does.
        """
        return self._see(frame, _Stopwatch())[1].pooled[0]

    def worth_refining(self, glance: Glance) -> bool:
        """Whether the second look is likely enough to mend something to be worth its time."""
        return worth_refining(glance.caption.confidence, self.config.calibration)

    def places(self, glance: Glance) -> tuple[pixels.Places, pixels.Places]:
        """Where the draft leaves most in doubt, (K, 4), and the doubt that a look there takes
        away, (K,): see ``salience.places``. The second look takes those that are worth it.
        """
        things, draft = glance.levels.things, glance.caption
        shown = None if things is None else things[0]
        return salience.places(shown, draft.words, draft.word_probabilities, self.config)

    def refine(self, glance: Glance) -> Caption:
        """The second look: reads the glance's caption as a draft, and sees the frame's details."""
        prompt, limit = self.config.prompt, self.config.ser.draft_positions
        draft = glance.caption.ids[: min(prompt.limit, limit)]
        clock = _Stopwatch()
        image = self.config.image
        floor = ground.ground_map(ground.of_frame(glance.frame, image), image)
        places, doubt = self.places(glance)
        places = places[doubt >= self.least_doubt]
        room = self._details[: len(places)]
        crops = pixels.crop_pixels(glance.canvas, places, image, floor, room)
        clock.lap("preprocess")
        details = self._engine.encode(crops)
        clock.lap("encode")
        prefix = self._engine.sharpen(glance.levels, details, places, draft)
        clock.lap("sharpen")
        decoded = self._write(prefix, (*prompt.refine, *draft, *prompt.separator), draft)
        clock.lap("decode")
        familiarity = glance.caption.familiarity
        return self._caption(Stage.REFINED, decoded, glance.caption, familiarity, clock)

    def close(self) -> None:
        """Free the engine; the captioner is not used again."""
        self._engine.close()

    def _see(self, frame: Frame, clock: _Stopwatch) -> tuple[pixels.Image, Levels]:
        """The frame as the model's canvas, and what the encoder sees of it at first."""
        image = self.config.image
        canvas = pixels.to_canvas(frame.rgb, image)
        floor = ground.glance_map(ground.of_frame(frame, image), image)
        seen = pixels.glance_pixels(canvas, image, floor, self._seen)
        clock.lap("preprocess")
        levels = self._engine.encode(seen)
        clock.lap("encode")
        return canvas, levels

    def _write(self, prefix: Prefix, prompt: tuple[int, ...], draft: tuple[int, ...]) -> Decoded:
        end, limit = self.config.prompt.end, self.config.prompt.limit
        return self.decode(self._engine, prefix, prompt, draft, end=end, limit=limit)

    def _caption(
        self,
        stage: Stage,
        decoded: Decoded,
        drafted: Caption | None,
        familiarity: float,
        clock: _Stopwatch,
    ) -> Caption:
        words, chances = self._tokenizer.words(decoded.ids, decoded.probabilities)
        curves = self.config.calibration
        curve = None
        if curves is not None:
            curve = curves.coarse if stage is Stage.COARSE else curves.refined
        sure = confidence(chances, curve)
        text = self._tokenizer.decode(decoded.ids)
        return Caption(
            stage=stage,
            text=text,
            words=words,
            word_probabilities=chances,
            ids=decoded.ids,
            confidence=sure,
            familiarity=familiarity,
            trusted=self.trust.allows(sure, familiarity) and not decoded.truncated,
            changed=drafted is not None and text != drafted.text,
            truncated=decoded.truncated,
            decoder_calls=decoded.calls,
            milliseconds=clock.milliseconds,
        )


class _Stopwatch:
    """Wall time, lap by lap."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.milliseconds[name] = (now - self._last) * 1e3
        self._last = now

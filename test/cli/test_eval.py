"""`mmser eval`: which drafts the second look gets, and what is written."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mmser_ros.cli import main
from mmser_ros.cli.evaluation import evaluate, table
from mmser_ros.cli.failure import Failure
from mmser_ros.cli.looks import LOOKS, hear
from mmser_ros.cli.mistakes import Mistakes
from mmser_ros.cli.scenes import View
from mmser_ros.metrics.scores import NAMES
from mmser_ros.trust import Trust
from mmser_ros.types import Caption, Frame, Glance, Stage
from mmser_ros.world.grammar import caption, parse

TRUTHS = [
    "a corridor with white walls and a tiled floor . a red chair close ahead . "
    "the path is blocked by a chair , left free .",
    "a room with blue walls and a carpeted floor . a green ball far left . the path is clear .",
    "a warehouse with brown walls and a concrete floor . the path cannot be seen .",
]


class Words:
    """A tokenizer whose ids are places in a list."""

    def __init__(self) -> None:
        self.known: list[str] = []

    def encode(self, text: str) -> tuple[int, ...]:
        for word in text.split():
            if word == "unicorn":
                raise ValueError("Not in the model's vocabulary: 'unicorn'.")
            if word not in self.known:
                self.known.append(word)
        return tuple(self.known.index(word) for word in text.split())

    def words(self, ids: tuple[int, ...], chances: list[float]) -> tuple[tuple, tuple]:
        return tuple(self.known[token] for token in ids), tuple(chances)

    def decode(self, ids: tuple[int, ...]) -> str:
        return " ".join(self.known[token] for token in ids)


class Repeater:
    """Knows the scene at a glance, calls every path clear, and believes its draft."""

    config = SimpleNamespace(name="repeater", version="1")
    trust = Trust()
    info = SimpleNamespace(weights_hash="0" * 12, backend="none", precision="fp32")

    def __init__(self) -> None:
        self.tokenizer = Words()

    def glance(self, frame: Frame) -> Glance:
        scene = TRUTHS[frame.sequence].split(" .")[0]
        text = f"{scene} . the path is clear ."
        return Glance(frame, self.say(Stage.COARSE, text), frame.rgb, None)

    def refine(self, glance: Glance) -> Caption:
        return self.say(Stage.REFINED, self.tokenizer.decode(glance.caption.ids))

    def say(self, stage: Stage, text: str) -> Caption:
        ids = self.tokenizer.encode(text)
        return Caption(
            stage, text, (), (), ids, 0.5, 0.5, False, stage is Stage.REFINED, False, 3, {}
        )


def views(captions: list[str] = TRUTHS):
    return (View(np.zeros((4, 4, 3), np.uint8), parse(text)) for text in captions)


def scored(mistakes: Mistakes | None = None) -> dict:
    model = Repeater()
    return evaluate(model, hear(model, views(), mistakes))


def test_the_second_look_is_scored_with_own_true_and_foreign_drafts() -> None:
    scores = scored()
    assert scores["n"] == 3
    for look in LOOKS:
        assert tuple(scores[look]) == NAMES
    assert scores["coarse"]["scene"] == 1 and scores["coarse"]["class_recall"] == 0
    assert scores["coarse"]["path_state"] == pytest.approx(1 / 3, abs=1e-3)
    assert scores["coarse"]["false_clear"] == scores["coarse"]["unfounded_clear"] == 1
    assert scores["coarse"]["trusted_false_clear"] == 0
    assert scores["refined"] == scores["coarse"]
    assert scores["refined_true_draft"]["exact_match"] == 1
    # Every frame got the draft of another scene type.
    assert scores["refined_shuffled_draft"]["scene"] == 0
    assert scores["refined_blank_draft"]["fact_recall"] == 0
    gains = scores["gains"]
    assert gains["refined_over_coarse"]["fact_f1"] == {"gain": 0, "low": 0, "high": 0}
    assert gains["true_over_refined"]["exact_match"]["gain"] == 1
    assert gains["refined_over_shuffled"]["fact_f1"]["low"] > 0
    met = {bar["name"]: bar["met"] for bar in scores["bars"]}
    assert {name: met[name] for name in met if name.startswith("gains.")} == {
        "gains.refined_over_coarse.fact_f1.low": False,
        "gains.refined_over_shuffled.fact_f1.low": True,
        "gains.true_over_refined.fact_f1.low": True,
    }
    assert not met["refined.exact_match"] and not met["refined.false_clear"]
    assert scores["kinds"]["refined"]["scene"]["f1"] == 1
    assert scores["familiarity"] == {"unfamiliar": 0, "median": 0.5}
    assert scores["confidence"]["coarse"] == {
        "calibration_error": pytest.approx(0.5),  # sure to 0.5, and never right
        "auroc": None,
        "trusted": 0,
        "trusted_right": None,
    }
    assert scores["repair"]["repaired"] == 0 and scores["repair"]["damaged"] == 0
    assert scores["decoder_calls"] == {"coarse": 3, "refined": 3} and scores["changed"] == 1


def test_the_page_of_mistakes_shows_the_worst_first() -> None:
    mistakes = Mistakes(kept=2)
    scores = scored(mistakes)
    page = mistakes.page(scores)
    cards = re.findall(r'data-frame="(\d)".*?not right: ([^<]*)<', page)
    assert [number for number, _ in cards] == ["0", "1"]  # 2 faults, 1 fault; one is left out
    assert "chair not named" in cards[0][1] and "path is blocked, not clear" in cards[0][1]
    assert cards[1][1] == "ball not named"
    assert "<td>object not named</td><td>2</td><td>2</td>" in page
    assert "50.0 %</text>" in page  # sure to one half, never right
    assert "http" not in page


def test_the_table_has_every_score_in_percent() -> None:
    text = table(scored())
    assert all(name in text for name in NAMES) and "100.0" in text
    assert "3 held-out frames" in text and "unknown" in text


def test_a_model_of_other_words_is_refused() -> None:
    class Mute(Words):
        def encode(self, text: str) -> tuple[int, ...]:
            if "path" in text and "clear" not in text:
                raise ValueError("Not in the model's vocabulary: 'path'.")
            return super().encode(text)

    mute = Repeater()
    mute.tokenizer = Mute()
    with pytest.raises(Failure, match="cannot say"):
        hear(mute, views())


def test_truth_survives_its_wording() -> None:
    """What the drafts are made of is what the scores compare with."""
    assert [caption(parse(text)) for text in TRUTHS] == TRUTHS


@pytest.mark.parametrize(
    ("more", "code", "sentence"),
    [
        (["--frames", "1"], 2, "at least 2"),
        (["--workers", "0"], 2, "at least 1"),
        (["--json", "/nowhere/scores.json"], 1, "cannot be written"),
        (["--model", "/nowhere/model"], 1, "/nowhere/model"),
    ],
)
def test_wrong_arguments_are_said_in_a_sentence(
    more: list[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "--world", *more]) == code
    assert sentence in capsys.readouterr().err


def rendering_works() -> bool:
    from mmser_ros.world.render import NoRenderer, Renderer

    try:
        Renderer(64, 48)
    except NoRenderer:
        return False
    return True


def test_the_built_in_model_is_scored_on_rendered_scenes(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not (repository / "engines" / "nano" / "model.safetensors").is_file():
        pytest.skip("the built-in model is not in engines/nano")
    if not rendering_works():
        pytest.skip("nothing can be rendered here (moderngl, EGL)")
    file = tmp_path / "scores.json"
    assert main(["eval", "--world", "--frames", "4", "--workers", "2", "--json", str(file)]) == 0
    scores = json.loads(file.read_text())
    assert scores["n"] == 4 and scores["model"] == "nano"
    assert all(0 <= scores[look][name] <= 1 for look in LOOKS for name in NAMES)
    assert "exact_match" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["scores.json"]


def test_held_out_frames_are_the_same_with_any_number_of_workers() -> None:
    from mmser_ros.cli.scenes import HEIGHT, WIDTH, held_out

    if not rendering_works():
        pytest.skip("nothing can be rendered here (moderngl, EGL)")
    one = list(held_out(2, seed=3, workers=1))
    two = list(held_out(2, seed=3, workers=2))
    for view, again in zip(one, two, strict=True):
        assert view.rgb.shape == (HEIGHT, WIDTH, 3) and (view.rgb == again.rgb).all()
        assert dataclasses.asdict(view.truth) == dataclasses.asdict(again.truth)
        assert view.camera == again.camera and view.camera.width == WIDTH
    assert not (one[0].rgb == one[1].rgb).all()

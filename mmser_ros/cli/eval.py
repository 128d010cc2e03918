"""Score a model on scenes that it was not trained on, or anybody's captions against references.

  mmser eval --world                        the built-in model on held-out rendered scenes
  mmser eval PREDICTIONS REFERENCES         two files in COCO's format

The latter gives BLEU, ROUGE-L, METEOR and CIDEr-D as COCO's evaluation computes them; it needs
Java. The former renders scenes of the world's test split, whose scene graphs never occur in
training, at 640x480. Every frame is captioned as a camera frame would be, and its second look
is repeated with two other drafts: the true caption, and the coarse caption of another frame. A
second look that reads its draft does far better with the true one than with its own, and no
better with another frame's.

  chair_i, chair_s     mentions of objects that are not there; captions with such a mention
  class_precision      named objects that are there
  class_recall         objects large enough to be named that are named
  colour_accuracy, side_accuracy        of the objects found
  scene, path_state    captions with the right one
  false_clear          captions that call the path clear, of the frames where it is not
  exact_match          captions that are the true one, word for word

And of the coarse and the refined captions' confidence, where the model knows it:

  calibration_error    expected calibration error: how far from the share of right captions
  auroc                how well it tells right captions from others (0.5: not at all)
  trusted, trusted_right    captions that are trusted, and the right ones of these

And of the second look: the share of wrong facts that it repairs, and of right ones that it
damages.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmser_ros.cli import coco
from mmser_ros.cli.caption import add_model_arguments, load_captioner
from mmser_ros.cli.failure import OK, USAGE, Failure
from mmser_ros.files import replacing

if TYPE_CHECKING:
    from mmser_ros.captioner import Captioner
    from mmser_ros.cli.mistakes import Mistakes
    from mmser_ros.cli.scenes import View
    from mmser_ros.types import Caption, Glance

LOOKS = ("coarse", "refined", "refined_true_draft", "refined_shuffled_draft")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe this command's arguments."""
    parser.add_argument(
        "files", metavar="FILE", type=Path, nargs="*", help="PREDICTIONS and REFERENCES"
    )
    parser.add_argument(
        "--world", action="store_true", help="score a model on the synthetic world's scenes"
    )
    parser.add_argument(
        "--tokenizer",
        choices=("ptb", "spaces"),
        default="ptb",
        help="of two files: the Penn Treebank's, COCO's own (default), or none but spaces",
    )
    parser.add_argument("--json", metavar="FILE", help="write the scores there (-: stdout)")
    parser.add_argument(
        "--html", metavar="FILE", type=Path, help="write a page of the worst captions there"
    )
    parser.add_argument("--frames", metavar="N", type=int, default=500, help="default 500")
    parser.add_argument("--seed", type=int, default=0, help="of the scenes (default 0)")
    parser.add_argument(
        "--split", choices=("test", "validation"), default="test", help="default test"
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        type=int,
        default=min(4, os.cpu_count() or 1),
        help="rendering processes (default %(default)s)",
    )
    add_model_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Score, print a table, write the JSON."""
    if args.world == bool(args.files) or len(args.files) not in (0, 2):
        raise Failure("Name either --world or two files: PREDICTIONS REFERENCES.", USAGE)
    if args.files:
        if args.json not in (None, "-"):
            _check_writable(Path(args.json))
        predictions, references = args.files
        scored = coco.score_files(predictions, references, args.tokenizer)
        _tell(scored, coco.table(scored), args.json)
        return OK
    if args.frames < 2:
        raise Failure(f"--frames is {args.frames}; shuffling drafts needs at least 2.", USAGE)
    if args.workers < 1:
        raise Failure(f"--workers is {args.workers}; it must be at least 1.", USAGE)
    if args.json not in (None, "-"):
        _check_writable(Path(args.json))
    if args.html is not None:
        _check_writable(args.html)
    from tqdm import tqdm

    from mmser_ros.cli.mistakes import Mistakes
    from mmser_ros.cli.scenes import held_out
    from mmser_ros.world.render import NoRenderer

    mistakes = Mistakes()
    captioner = load_captioner(args)
    try:
        views = held_out(args.frames, args.seed, args.split, args.workers)
        hidden = not sys.stderr.isatty()
        shown = tqdm(views, total=args.frames, unit=" frames", disable=hidden, file=sys.stderr)
        scores = evaluate(captioner, shown, mistakes)
    except NoRenderer as error:
        raise Failure(str(error)) from error
    finally:
        captioner.close()
    scores = {
        **scores,
        "scenes": {"split": args.split, "seed": args.seed, "width": 640, "height": 480},
    }
    _tell(scores, table(scores), args.json)
    if args.html is not None:
        _write(args.html, mistakes.page(scores))
    return OK


def _tell(scores: dict[str, Any], lines: str, file: str | None) -> None:
    """The table for people, and the JSON where it was asked for."""
    print(lines, file=sys.stderr if file == "-" else sys.stdout)
    text = json.dumps(scores, indent=2) + "\n"
    if file == "-":
        sys.stdout.write(text)
    elif file:
        _write(Path(file), text)


def evaluate(
    captioner: Captioner, views: Iterable[View], mistakes: Mistakes | None = None
) -> dict[str, Any]:
    """Scores of every look, and what was scored. Needs two frames or more."""
    from mmser_ros.metrics.facts import score
    from mmser_ros.metrics.repair import repair
    from mmser_ros.types import Frame
    from mmser_ros.world.grammar import caption

    said: dict[str, list[str]] = {look: [] for look in LOOKS}
    truths = []
    sure: dict[str, list[Caption]] = {"coarse": [], "refined": []}
    calls = {"coarse": 0, "refined": 0}
    changed = 0
    first: Glance | None = None
    before: Glance | None = None
    for number, (rgb, truth) in enumerate(views):
        glance = captioner.glance(Frame(rgb, sequence=number))
        refined = captioner.refine(glance)
        guided = captioner.refine(_with_draft(captioner, glance, caption(truth)))
        said["coarse"].append(glance.caption.text)
        said["refined"].append(refined.text)
        said["refined_true_draft"].append(guided.text)
        if before is not None:
            misled = captioner.refine(_with_draft(captioner, glance, before.caption.text))
            said["refined_shuffled_draft"].append(misled.text)
        sure["coarse"].append(glance.caption)
        sure["refined"].append(refined)
        truths.append(truth)
        if mistakes is not None:
            mistakes.add(rgb, truth, glance.caption, refined)
        calls["coarse"] += glance.caption.decoder_calls
        calls["refined"] += refined.decoder_calls
        changed += refined.changed
        first, before = first or glance, glance
    if first is None or before is None:
        raise Failure("There were no frames to score.")
    # The first frame gets the draft of the last one.
    misled = captioner.refine(_with_draft(captioner, first, before.caption.text))
    said["refined_shuffled_draft"].insert(0, misled.text)
    count = len(truths)
    wanted = [caption(truth) for truth in truths]
    scored: dict[str, Any] = {}
    for look, captions in said.items():
        scored[look] = {
            name: round(value, 4) for name, value in score(captions, truths).items() if name != "n"
        }
    return {
        "n": count,
        "model": captioner.config.name,
        "version": captioner.config.version,
        "weights_hash": captioner.info.weights_hash,
        "engine": captioner.info.backend,
        "precision": captioner.info.precision,
        **scored,
        "confidence": {look: _confidence(captions, wanted) for look, captions in sure.items()},
        "repair": {
            name: round(value, 4)
            for name, value in repair(said["coarse"], said["refined"], truths).items()
        },
        "decoder_calls": {look: round(total / count, 3) for look, total in calls.items()},
        "changed": round(changed / count, 4),
    }


def _confidence(captions: Sequence[Caption], truths: Sequence[str]) -> dict[str, float | None]:
    """How far the captions' confidence can be believed; None where it is not known."""
    from mmser_ros.metrics.calibration import auroc, calibration_error, reliability

    right = [said.text == true for said, true in zip(captions, truths, strict=True)]
    trusted = [fine for said, fine in zip(captions, right, strict=True) if said.trusted]
    values = [said.confidence for said in captions]
    known = not any(math.isnan(value) for value in values)
    found = {
        "calibration_error": calibration_error(reliability(values, right)) if known else math.nan,
        "auroc": auroc(values, right) if known else math.nan,
        "trusted": len(trusted) / len(captions),
        "trusted_right": sum(trusted) / len(trusted) if trusted else math.nan,
    }
    return {n: None if math.isnan(value) else round(value, 4) for n, value in found.items()}


def _with_draft(captioner: Captioner, glance: Glance, text: str) -> Glance:
    """The same look with another draft."""
    try:
        ids = tuple(captioner.tokenizer.encode(text))
    except ValueError as error:
        raise Failure(f"The model cannot say what is so in this world. {error}") from error
    draft = dataclasses.replace(glance.caption, text=text, ids=ids)
    return dataclasses.replace(glance, caption=draft)


def table(scores: dict[str, Any]) -> str:
    """The scores for people, in percent."""
    heads = [look.replace("refined_", "").replace("_", " ") for look in LOOKS]
    lines = [f"{scores['model']} on {scores['n']} held-out frames, %"]
    lines.append(" " * 17 + "".join(f"{head:>16}" for head in heads))
    for name in scores[LOOKS[0]]:
        numbers = "".join(f"{100 * scores[look][name]:16.1f}" for look in LOOKS)
        lines.append(f"{name:17}{numbers}")
    for name in scores["confidence"]["coarse"]:
        values = (scores["confidence"][look][name] for look in ("coarse", "refined"))
        cells = ("unknown" if value is None else f"{100 * value:.1f}" for value in values)
        lines.append(f"{name:17}" + "".join(f"{cell:>16}" for cell in cells))
    for name in ("repaired", "damaged"):
        lines.append(f"{name:17}{'':16}{100 * scores['repair'][name]:16.1f}")
    return "\n".join(lines)


def _check_writable(path: Path) -> None:
    """Complain before the work, not after it."""
    folder = path.absolute().parent
    if path.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise Failure(f"{path} cannot be written; does its folder exist?")


def _write(path: Path, text: str) -> None:
    try:
        with replacing(path) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}.") from error

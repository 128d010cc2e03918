"""Score a model on scenes that it was not trained on: rendered, captioned, compared with truth.

The scenes are those of the world's test split, whose scene graphs never occur in training, at
640x480. Every frame is captioned as a camera frame would be, and its second look is repeated
with two other drafts: the true caption, and the coarse caption of another frame. A second look
that reads its draft does far better with the true one than with its own, and no better with
another frame's.

  chair_i, chair_s     mentions of objects that are not there; captions with such a mention
  class_precision      named objects that are there
  class_recall         objects large enough to be named that are named
  colour_accuracy, side_accuracy        of the objects found
  scene, path_state    captions with the right one
  false_clear          captions that call the path clear, of the frames where it is not
  exact_match          captions that are the true one, word for word
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmser_ros.cli.caption import add_model_arguments, load_captioner
from mmser_ros.cli.failure import OK, USAGE, Failure

if TYPE_CHECKING:
    from mmser_ros.captioner import Captioner
    from mmser_ros.cli.scenes import View
    from mmser_ros.types import Glance

LOOKS = ("coarse", "refined", "refined_true_draft", "refined_shuffled_draft")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe this command's arguments."""
    parser.add_argument(
        "--world", action="store_true", required=True, help="on the synthetic world's scenes"
    )
    parser.add_argument("--json", metavar="FILE", help="write the scores there (-: stdout)")
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
    if args.frames < 2:
        raise Failure(f"--frames is {args.frames}; shuffling drafts needs at least 2.", USAGE)
    if args.workers < 1:
        raise Failure(f"--workers is {args.workers}; it must be at least 1.", USAGE)
    if args.json not in (None, "-"):
        _check_writable(Path(args.json))
    from tqdm import tqdm

    from mmser_ros.cli.scenes import held_out
    from mmser_ros.world.render import NoRenderer

    captioner = load_captioner(args)
    try:
        views = held_out(args.frames, args.seed, args.split, args.workers)
        hidden = not sys.stderr.isatty()
        shown = tqdm(views, total=args.frames, unit=" frames", disable=hidden, file=sys.stderr)
        scores = evaluate(captioner, shown)
    except NoRenderer as error:
        raise Failure(str(error)) from error
    finally:
        captioner.close()
    scores = {
        **scores,
        "scenes": {"split": args.split, "seed": args.seed, "width": 640, "height": 480},
    }
    print(table(scores), file=sys.stderr if args.json == "-" else sys.stdout)
    text = json.dumps(scores, indent=2) + "\n"
    if args.json == "-":
        sys.stdout.write(text)
    elif args.json:
        _write(Path(args.json), text)
    return OK


def evaluate(captioner: Captioner, views: Iterable[View]) -> dict[str, Any]:
    """Scores of every look, and what was scored. Needs two frames or more."""
    from mmser_ros.metrics.facts import score
    from mmser_ros.types import Frame
    from mmser_ros.world.grammar import caption

    said: dict[str, list[str]] = {look: [] for look in LOOKS}
    truths = []
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
        truths.append(truth)
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
        "decoder_calls": {look: round(total / count, 3) for look, total in calls.items()},
        "changed": round(changed / count, 4),
    }


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
    return "\n".join(lines)


def _check_writable(path: Path) -> None:
    """Complain before the work, not after it."""
    folder = path.absolute().parent
    if path.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise Failure(f"{path} cannot be written; does its folder exist?")


def _write(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise Failure(f"{path} cannot be written: {error.strerror}.") from error

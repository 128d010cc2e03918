"""Score a model on scenes that it was not trained on, or anybody's captions against references.

  mmser eval --world                        the built-in model on held-out rendered scenes
  mmser eval PREDICTIONS REFERENCES         two files in COCO's format

The latter gives BLEU, ROUGE-L, METEOR and CIDEr-D as COCO's evaluation computes them; it needs
Java. The former renders scenes of the world's test split, whose scene graphs never occur in
training, at 640x480. Every frame is captioned as a camera frame would be, with its mounting
known as well as a robot knows it, and its second look is repeated with three other drafts: the
true caption, none, and the coarse caption of another frame. A second look that reads its draft
does far better with the true one than with its own, and no better with another frame's.

  chair_i, chair_s     mentions of things that are not there; captions with such a mention
  class_precision      named things that are there
  class_recall, recall_1pct    things large enough to be named that are named; of those that
                       cover 1 % of the image or more
  colour, band, side, state, count, relation _accuracy      of the things found
  scene, path_state    captions with the right one
  blocker, free        of the paths rightly called blocked: what blocks them, which side is free
  false_clear          captions that call the path clear, of the frames where it is blocked
  unfounded_clear      the same, of all frames where it is not known to be clear
  trusted_false_clear  trusted ones that call the path clear, of the frames where it is blocked
  fact_precision, fact_recall, fact_f1      of all facts; F1 by kind is below the table
  exact_match          captions that are the true one, word for word

And of the coarse and the refined captions' confidence, where the model knows it:

  calibration_error    expected calibration error: how far from the share of right captions
  auroc                how well it tells right captions from others (0.5: not at all)
  trusted, trusted_right    captions that are trusted, and the right ones of these
  unfamiliar           frames that are too strange to trust a caption of

And of the second look: the share of wrong facts that it repairs, and of right ones that it
damages; and its gains over the glance and over other drafts, with 95 % intervals (paired
bootstrap over frames).
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

from mmser_ros.cli import coco
from mmser_ros.cli.caption import add_model_arguments, load_captioner
from mmser_ros.cli.failure import OK, USAGE, Failure
from mmser_ros.files import replacing


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
    parser.add_argument(
        "--plots", metavar="FOLDER", type=Path, help="draw the scores as pictures there"
    )
    parser.add_argument("--frames", metavar="N", type=int, default=500, help="default 500")
    parser.add_argument("--seed", type=int, default=0, help="of the scenes (default 0)")
    parser.add_argument(
        "--camera-unknown",
        action="store_true",
        help="do not tell the model how the camera is mounted",
    )
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
    if args.plots is not None:
        _check_drawable(args.plots)
    from tqdm import tqdm

    from mmser_ros.cli.evaluation import evaluate, table
    from mmser_ros.cli.looks import hear
    from mmser_ros.cli.mistakes import Mistakes
    from mmser_ros.cli.scenes import HEIGHT, WIDTH, held_out
    from mmser_ros.world.render import NoRenderer

    mistakes = Mistakes() if args.html else None
    captioner = load_captioner(args)
    try:
        views = held_out(args.frames, args.seed, args.split, args.workers)
        if args.camera_unknown:
            views = (dataclasses.replace(view, camera=None) for view in views)
        hidden = not sys.stderr.isatty()
        shown = tqdm(views, total=args.frames, unit=" frames", disable=hidden, file=sys.stderr)
        heard = hear(captioner, shown, mistakes)
        scores = evaluate(captioner, heard)
    except NoRenderer as error:
        raise Failure(str(error)) from error
    finally:
        captioner.close()
    scores["scenes"] = {
        "split": args.split,
        "seed": args.seed,
        "width": WIDTH,
        "height": HEIGHT,
        "camera": "unknown" if args.camera_unknown else "known",
    }
    _tell(scores, table(scores), args.json)
    if mistakes is not None:
        _write(args.html, mistakes.page(scores))
    if args.plots is not None:
        from mmser_ros.metrics.plots import draw

        for path in draw(args.plots, heard.captions, heard.truths):
            print(path, file=sys.stderr)
    return OK


def _tell(scores: dict[str, Any], lines: str, file: str | None) -> None:
    """The table for people, and the JSON where it was asked for."""
    print(lines, file=sys.stderr if file == "-" else sys.stdout)
    text = json.dumps(scores, indent=2) + "\n"
    if file == "-":
        sys.stdout.write(text)
    elif file:
        _write(Path(file), text)


def _check_writable(path: Path) -> None:
    """Complain before the work, not after it."""
    folder = path.absolute().parent
    if path.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise Failure(f"{path} cannot be written; does its folder exist?")


def _check_drawable(folder: Path) -> None:
    if importlib.util.find_spec("matplotlib") is None:
        raise Failure("--plots needs matplotlib: pip install 'mmser-ros[train]'.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failure(f"{folder} cannot be made: {error.strerror}.") from error


def _write(path: Path, text: str) -> None:
    try:
        with replacing(path) as partial:
            partial.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}.") from error

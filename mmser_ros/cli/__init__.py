"""The command line: ``mmser COMMAND``, one module a command.

A command's module has ``add_arguments(parser)`` and ``run(args)``, which returns the exit code;
its docstring is what ``--help`` says. Only the module of the command that is asked for is
imported, so that ``mmser --help`` is quick and no command needs another one's requirements.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys

from mmser_ros.cli.failure import INTERRUPTED, UNREADABLE, Failure

COMMANDS = {
    "bench": "measure how fast this machine captions, with every engine that runs here",
    "build": "build a model's engine for this machine's GPU ahead of time",
    "caption": "caption a bag, a video, a folder of images or one image",
    "demo": "play a recorded drive into the node, and write a report",
    "doctor": "check this machine, ROS and the camera, and say what to mend",
    "eval": "score a model on held-out scenes of the world",
    "play": "play the images of a bag on their topic",
    "sample": "make the recorded drive that the demo plays",
    "sheet": "show rendered frames with their true captions",
    "train": "make the built-in model from nothing",
}

EPILOG = """\
`mmser COMMAND --help` tells more. Exit codes: 0 all went well; 1 some of the input could not be
read, or a result not be made; 2 the command line is wrong; 130 ended by Ctrl-C."""


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit code. Errors that the user can mend are sentences on stderr."""
    words = sys.argv[1:] if argv is None else argv
    args = _parser(words).parse_args(words)
    try:
        code = int(args.run(args))
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("mmser: ended by Ctrl-C.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough (`mmser caption ... | head`).
        _forget_output()
        return 128 + signal.SIGPIPE
    except Failure as failure:
        print(f"mmser: {failure}", file=sys.stderr)
        return failure.code
    except _expected() as error:
        print(f"mmser: {error}", file=sys.stderr)
        return UNREADABLE
    except OSError as error:
        # A full disk, most often; commands that know more have said it in a Failure.
        where = f"{error.filename}: " if error.filename else ""
        print(f"mmser: {where}{error.strerror or error}.", file=sys.stderr)
        _forget_output()
        return UNREADABLE


def _forget_output() -> None:
    """Let go what cannot be written, or Python would try it again at its end, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser(words: list[str]) -> argparse.ArgumentParser:
    """Knows every command; only a command that is among the words is imported."""
    parser = argparse.ArgumentParser(
        prog="mmser",
        description="Captions what a robot's camera sees: a coarse caption, then a refined one.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if name not in words:
            continue
        module = importlib.import_module(f"{__name__}.{name}")
        command.description = module.__doc__
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def _expected() -> tuple[type[Exception], ...]:
    """Errors of other rooms that are sentences for the user."""
    from mmser_ros.metrics.captions import MetricsMissing
    from mmser_ros.model.config import BadModel
    from mmser_ros.runtime.engine import EngineError

    return BadModel, EngineError, MetricsMissing

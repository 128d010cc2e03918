"""How a command ends when it cannot do what was asked."""

from __future__ import annotations

OK = 0
UNREADABLE = 1
"""Some or all of the input could not be read, or a result could not be made or written."""
USAGE = 2
"""The command line asks for something that makes no sense."""
INTERRUPTED = 130
"""Ended by Ctrl-C; the shells' code for SIGINT."""


class Failure(Exception):
    """Ends a command; the message is a sentence for the person who typed it."""

    def __init__(self, sentence: str, code: int = UNREADABLE) -> None:
        super().__init__(sentence)
        self.code = code

"""What a check of ``mmser doctor`` finds."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's."""

    level: str
    """ok, warn or fail."""
    subject: str
    """What was looked at, in a word or two."""
    says: str
    """What was found."""
    remedy: str = ""
    """What to do about it; empty where all is well."""


def ok(subject: str, says: str) -> Finding:
    """All is well, or makes no difference."""
    return Finding(OK, subject, says)


def warn(subject: str, says: str, remedy: str) -> Finding:
    """It works, but worse than it could, or only for some uses."""
    return Finding(WARN, subject, says, remedy)


def fail(subject: str, says: str, remedy: str) -> Finding:
    """Nothing, or nothing good, will come of it."""
    return Finding(FAIL, subject, says, remedy)

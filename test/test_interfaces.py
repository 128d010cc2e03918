"""The messages and the action: what the planner gets, and what it is told about it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

CAPTION = {
    "header": "std_msgs/Header",
    "frame_seq": "uint64",
    "stage": "uint8",
    "source_topic": "string",
    "text": "string",
    "words": "string[]",
    "word_probabilities": "float32[]",
    "confidence": "float32",
    "familiarity": "float32",
    "trusted": "bool",
    "changed": "bool",
    "truncated": "bool",
    "inference_time": "float32",
    "age": "float32",
    "decoder_calls": "uint32",
}
INFO = {
    "model": "string",
    "version": "string",
    "weights_hash": "string",
    "backend": "string",
    "precision": "string",
    "device": "string",
    "image_topic": "string",
    "input_width": "uint32",
    "input_height": "uint32",
    "object_classes": "string[]",
    "colours": "string[]",
    "scenes": "string[]",
    "refine": "string",
    "confidence_calibrated": "bool",
    "familiarity_known": "bool",
}
DESCRIBE = [
    {"image": "sensor_msgs/Image", "refine": "bool"},
    {"caption": "Caption", "success": "bool", "message": "string"},
    {"coarse": "Caption"},
]
FILES = ["msg/Caption.msg", "msg/CaptionerInfo.msg", "action/DescribeScene.action"]


class Field(NamedTuple):
    """A field of an interface file, with the comment that stands above it."""

    kind: str
    name: str
    comment: str


def fields(text: str) -> list[Field]:
    """The fields of one part of an interface file, constants left out.

    A comment speaks for the lines below it, up to the next blank line.
    """
    found, comment, fresh = [], "", True
    for line in text.splitlines():
        if line.startswith("#"):
            comment = line[1:].strip() if fresh else f"{comment} {line[1:].strip()}"
            fresh = False
        elif not line.strip():
            comment, fresh = "", True
        else:
            fresh = True
            if declared := re.fullmatch(r"([\w/]+(?:\[\])?) (\w+)", line):
                found.append(Field(*declared.groups(), comment))
    return found


def parts(path: Path) -> list[list[Field]]:
    return [fields(part) for part in path.read_text(encoding="utf-8").split("---\n")]


def declared(part: list[Field]) -> dict[str, str]:
    return {field.name: field.kind for field in part}


def test_caption_carries_what_the_planner_gets(repository: Path) -> None:
    (caption,) = parts(repository / "msg/Caption.msg")
    assert declared(caption) == CAPTION


def test_info_says_what_captions(repository: Path) -> None:
    (info,) = parts(repository / "msg/CaptionerInfo.msg")
    assert declared(info) == INFO


def test_action_takes_an_image_and_gives_both_captions(repository: Path) -> None:
    assert [declared(part) for part in parts(repository / "action/DescribeScene.action")] == (
        DESCRIBE
    )


@pytest.mark.parametrize("file", FILES)
def test_every_field_is_explained(repository: Path, file: str) -> None:
    every = [field for part in parts(repository / file) for field in part]
    assert every
    assert [field.name for field in every if len(field.comment) < 40] == []


@pytest.mark.parametrize("file", FILES)
def test_numbers_say_their_range_and_what_unknown_looks_like(repository: Path, file: str) -> None:
    for field in (field for part in parts(repository / file) for field in part):
        if field.kind.startswith("float"):
            assert "NaN" in field.comment, field.name
            assert re.search(r"\b0 to 1\b|\b0 \(|seconds", field.comment), field.name
        elif field.kind.startswith("string"):
            assert re.search(r"[Ee]mpty|always|fully", field.comment.lower()), field.name


def test_consumers_are_warned_in_the_message_itself(repository: Path) -> None:
    comments = " ".join(
        line[1:].strip()
        for line in (repository / "msg/Caption.msg").read_text(encoding="utf-8").splitlines()
        if line.startswith("#")
    ).lower()
    assert "not trusted must never be read as an all-clear" in comments
    assert "late joiner" in comments
    assert "check the age" in comments


def test_generated_messages_are_those_of_the_files() -> None:
    msg = pytest.importorskip("mmser_ros.msg", reason="the messages are not built: make develop")
    action = pytest.importorskip("mmser_ros.action")
    from mmser_ros.types import Stage

    def names(message: type) -> list[str]:
        return list(message.get_fields_and_field_types())

    assert names(msg.Caption) == list(CAPTION)
    assert names(msg.CaptionerInfo) == list(INFO)
    assert names(action.DescribeScene.Goal) == list(DESCRIBE[0])
    assert names(action.DescribeScene.Result) == list(DESCRIBE[1])
    assert names(action.DescribeScene.Feedback) == list(DESCRIBE[2])
    assert Stage.COARSE == msg.Caption.STAGE_COARSE
    assert Stage.REFINED == msg.Caption.STAGE_REFINED

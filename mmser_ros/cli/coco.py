"""Captions in COCO's format, scored against reference captions: `mmser eval FILE FILE`.

Predictions are a list of ``{"image_id": ..., "caption": ...}``; references an object whose
``annotations`` are such a list, with as many captions an image as there are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmser_ros.cli.failure import Failure

ImageId = int | str


def read_predictions(path: Path) -> dict[ImageId, str]:
    """Captions by image. Raises Failure if there are none, or two of an image."""
    found: dict[ImageId, str] = {}
    for image, caption in _rows(_load(path), path):
        if image in found:
            raise Failure(f"{path} has two captions of the image {image}; it needs one.")
        found[image] = caption
    if not found:
        raise Failure(f"{path} holds no captions.")
    return found


def read_references(path: Path) -> dict[ImageId, list[str]]:
    """Reference captions by image. Raises Failure if the file is not of COCO's format."""
    whole = _load(path)
    if not isinstance(whole, dict) or "annotations" not in whole:
        raise Failure(f"{path} has no 'annotations', as COCO's caption files have.")
    found: dict[ImageId, list[str]] = {}
    for image, caption in _rows(whole["annotations"], path):
        found.setdefault(image, []).append(caption)
    return found


def score_files(predictions: Path, references: Path, tokenizer: str) -> dict[str, Any]:
    """Scores of one file against the other.

    ``tokenizer`` as in ``metrics.captions``. Images without a prediction are counted and left
    out, as COCO's evaluation does. Raises Failure and MetricsMissing.
    """
    from mmser_ros.metrics.captions import NAMES, score

    said, true = read_predictions(predictions), read_references(references)
    unknown = [image for image in said if image not in true]
    if unknown:
        raise Failure(
            f"{len(unknown)} images of {predictions} have no reference in {references}, "
            f"the first of them {unknown[0]}."
        )
    found = score(list(said.values()), [true[image] for image in said], NAMES, tokenizer)
    return {
        "n": len(said),
        "left_out": len(true) - len(said),
        "tokenizer": tokenizer,
        **{name: round(value, 6) for name, value in found.whole.items()},
    }


def table(scores: Mapping[str, Any]) -> str:
    """The scores for people."""
    from mmser_ros.metrics.captions import NAMES

    lines = [f"{scores['n']} captions, tokenizer {scores['tokenizer']}"]
    if scores["left_out"]:
        lines.append(f"{scores['left_out']} images have references but no caption: left out")
    lines += [f"{name:10}{scores[name]:10.4f}" for name in NAMES]
    return "\n".join(lines)


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise Failure(f"{path} is not JSON: {error}.") from error


def _rows(rows: Any, path: Path) -> list[tuple[ImageId, str]]:
    if not isinstance(rows, list):
        raise Failure(f"{path} must hold a list of objects with 'image_id' and 'caption'.")
    found = []
    for number, row in enumerate(rows):
        fits = (
            isinstance(row, dict)
            and isinstance(row.get("image_id"), int | str)
            and isinstance(row.get("caption"), str)
        )
        if not fits:
            raise Failure(f"{path}: entry {number} has no 'image_id' and 'caption'.")
        found.append((row["image_id"], row["caption"]))
    return found

"""From what the demo heard to its report."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from mmser_ros.cli import report
from mmser_ros.cli.cards import Said, Shown, fault, wrong
from mmser_ros.cli.recording import Recording, Truth
from mmser_ros.cli.statistics import Numbers
from mmser_ros.metrics.facts import Fact, compare
from mmser_ros.types import Stage
from mmser_ros.world.grammar import Facts, parse

if TYPE_CHECKING:
    from mmser_ros.cli.performance import Performance
    from mmser_ros.node.listener import Heard


def tell(path: Path, recording: Recording, performance: Performance) -> Numbers:
    """Write the report of a performance; its numbers."""
    captions: dict[tuple[int, Stage], Heard] = {}
    for heard in performance.heard:
        if heard.stamp_ns in performance.played:
            captions[performance.played[heard.stamp_ns], heard.stage] = heard
    begin = recording.moments[0].stamp_ns
    shown: list[Shown] = []
    judged: list[list[Fact]] = []
    for moment in recording.moments:
        coarse = captions.get((moment.number, Stage.COARSE))
        refined = captions.get((moment.number, Stage.REFINED))
        last = refined or coarse
        if last is None:
            continue
        truth = recording.truths.get(moment.stamp_ns)
        facts = compare(last.text, _facts(truth)) if truth else None
        if facts is not None:
            judged.append(facts)
        shown.append(
            Shown(
                number=moment.number,
                seconds=(moment.stamp_ns - begin) / 1e9,
                jpeg=moment.jpeg,
                coarse=_said(coarse),
                refined=_said(refined),
                truth=truth.caption if truth else None,
                faults=None if facts is None else tuple(map(fault, wrong(facts))),
            )
        )
    numbers = _numbers(performance, captions, judged)
    report.write(path, shown, numbers, _ran(recording, performance))
    return numbers


def _facts(truth: Truth) -> Facts:
    return dataclasses.replace(parse(truth.caption), optional=parse(truth.optional).items)


def _said(heard: Heard | None) -> Said | None:
    if heard is None:
        return None
    return Said(
        heard.words, heard.word_probabilities, heard.latency, heard.trusted, heard.confidence
    )


def _numbers(
    performance: Performance,
    captions: dict[tuple[int, Stage], Heard],
    judged: list[list[Fact]],
) -> Numbers:
    coarse = [heard for (_, stage), heard in captions.items() if stage is Stage.COARSE]
    refined = [heard for (_, stage), heard in captions.items() if stage is Stage.REFINED]
    return Numbers(
        played=len(performance.played),
        coarse=[heard.latency for heard in coarse],
        refined=[heard.latency for heard in refined],
        coarse_inference=[heard.inference_time for heard in coarse],
        refined_inference=[heard.inference_time for heard in refined],
        changed=sum(heard.changed for heard in refined),
        refined_calls=[heard.decoder_calls for heard in refined],
        refined_words=[len(heard.words) for heard in refined],
        judged=len(judged),
        right=sum(not wrong(facts) for facts in judged),
        facts_right=sum(len(facts) - len(wrong(facts)) for facts in judged),
        facts=sum(map(len, judged)),
    )


def _ran(recording: Recording, performance: Performance) -> dict[str, str]:
    known = performance.announcement
    lines = {
        "recording": f"{recording.bag.name}, {recording.topic}",
        "model": f"{known.model} {known.version} (weights {known.weights_hash})",
        "engine": f"{known.backend}, {known.precision}, {known.device}",
    }
    return lines | {name: value for name, value in performance.diagnostics.items() if value}

"""The README's tables say what the code does. ``python test/test_readme.py`` writes them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mmser_ros.node.parameters import PARAMETERS, yaml_value

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def section(name: str) -> list[str]:
    """Lines between two comments of the README."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", README, re.DOTALL)
    assert found, f"the README has no section {name}"
    return found[1].strip().splitlines()


def parameter_table() -> list[str]:
    rows = ["| parameter | type | default | |", "|---|---|---|---|"]
    for item in PARAMETERS:
        when = " *Run time.*" if item.run_time else ""
        default = yaml_value(item.default)
        rows.append(f"| `{item.name}` | {item.type} | `{default}` | {item.description}{when} |")
    return rows


def topic_table() -> list[str]:
    from mmser_ros.node.qos import TOPICS

    rows = ["| topic | type | | QoS | |", "|---|---|---|---|---|"]
    for topic in TOPICS:
        quality = f"{topic.quality.name}, depth {topic.quality.depth}"
        cells = [f"`{topic.name}`", f"`{topic.type}`", topic.direction, quality, topic.purpose]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def score_table() -> list[str]:
    scores = json.loads((ROOT / "engines/nano/scores.json").read_text(encoding="utf-8"))
    rows = [
        f"On {scores['n']} held-out scenes (no scene graph shared with training), in percent:",
        "",
        "| | coarse | refined |",
        "|---|---|---|",
    ]
    for key, name in (
        ("chair_i", "named things that are not there (CHAIRi)"),
        ("recall_1pct", "things of at least 1 % of the image found"),
        ("colour_accuracy", "their colour right"),
        ("band_accuracy", "their distance right"),
        ("side_accuracy", "their side right"),
        ("count_accuracy", "how many, where there are several"),
        ("relation_accuracy", "how they stand to others, where it is said"),
        ("scene", "kind of scene right"),
        ("path_state", "path state right"),
        ("false_clear", "blocked path called clear"),
        ("trusted_false_clear", "the same, by a trusted caption"),
        ("fact_f1", "all facts (F1)"),
        ("exact_match", "whole caption right"),
    ):
        coarse, refined = (100 * scores[stage][key] for stage in ("coarse", "refined"))
        rows.append(f"| {name} | {coarse:.1f} | {refined:.1f} |")
    return rows


def result(name: str) -> dict[str, Any]:
    path = ROOT / "benchmarks" / "results" / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def speed_table() -> list[str]:
    bench, changed = result("bench_nano"), result("precision")
    assert changed["weights"] == bench["weights"], "precision.py measured other weights"
    machine, most = bench["machine"], max(one["threads"] for one in bench["results"])
    rows = [
        f"Milliseconds a caption (median) and frames a second with both, on {bench['of']}; of "
        f"{changed['frames']} held-out scenes, how many captions are not those of ONNX Runtime in "
        f"fp32 (coarse, refined); {machine['processor']}, {most} threads:",
        "",
        "| | coarse | refined | both | other captions |",
        "|---|---|---|---|---|",
    ]
    for one in bench["results"]:
        if one["threads"] == most:
            looks = [one["milliseconds"][look]["p50"] for look in ("coarse", "refined")]
            arithmetic = changed["arithmetics"][f"{one['engine']} {one['precision']}"]
            shares = [100 * arithmetic[f"{look} differing"] for look in ("coarse", "refined")]
            cells = [
                f"{one['backend']}, {one['precision']}",
                *(f"{look:.1f}" for look in looks),
                f"{one['frames_per_second']['both']:.0f} a second",
                ", ".join(f"{share:.1f}" for share in shares) + " %",
            ]
            rows.append(f"| {' | '.join(cells)} |")
    return rows


def beside_others() -> list[str]:
    peers, border = result("peers_cpu"), result("border")
    times = {
        (row["ours"], row["peer"]): f"{row['times']:.1f}"
        for row in peers["ratios"]
        if row["of"] == "cpu ms"
    }
    rows = [
        f"Times less CPU time for both looks at the base size (random weights, the same tokens, "
        f"one interleaved run, {peers['threads']} threads) than two passes of transformers "
        f"{peers['transformers']}, torch {peers['torch']}, {peers['machine']['processor']}:",
        "",
        "| | than fp32 | than bf16 |",
        "|---|---|---|",
    ]
    for ours in ("onnx fp32", "onnx int8"):
        cells = [times[ours, f"transformers {kind}"] for kind in ("fp32", "bf16")]
        rows.append(f"| {ours} | {' | '.join(cells)} |")
    rows += [
        "",
        "Milliseconds from the image's publishing to the caption's arrival, over DDS, without the "
        "model (median); beside it what a node takes that only echoes, JPEG left as it is:",
        "",
        "| | captioner | echo |",
        "|---|---|---|",
    ]
    for case in border["instant"]:
        cells = [f"{border[kind][case]['total']['p50']:.1f}" for kind in ("instant", "echo")]
        rows.append(f"| {case} | {' | '.join(cells)} |")
    return rows


def test_parameters() -> None:
    assert section("parameters") == parameter_table()


def test_topics() -> None:
    pytest.importorskip("rclpy", reason="rclpy is not installed")
    assert section("topics") == topic_table()


def test_caption_fields() -> None:
    fields = []
    for line in (ROOT / "msg/Caption.msg").read_text(encoding="utf-8").splitlines():
        found = re.match(r"([\w/\[\]]+)\s+([a-z_]+)$", line)
        if found:
            fields.append((found[2], found[1]))
    rows = [re.match(r"\| `(\w+)` \| `([^`]+)`", row) for row in section("caption")[2:]]
    assert [row.groups() for row in rows if row] == fields


def test_scores() -> None:
    assert section("scores") == score_table()


def test_speed() -> None:
    assert section("speed") == speed_table()


def test_beside_others() -> None:
    assert section("beside others") == beside_others()


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), f"{target} does not exist"


def fill(text: str) -> str:
    """The README with its tables made anew."""
    tables = {
        "parameters": parameter_table,
        "topics": topic_table,
        "scores": score_table,
        "speed": speed_table,
        "beside others": beside_others,
    }
    for name, table in tables.items():
        begin, end = f"<!-- {name} -->\n", f"\n<!-- /{name} -->"
        before, rest = text.split(begin)
        text = before + begin + "\n".join(table()) + end + rest.split(end)[1]
    return text


if __name__ == "__main__":
    (ROOT / "README.md").write_text(fill(README), encoding="utf-8")

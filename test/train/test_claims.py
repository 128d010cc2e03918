"""The model card claims what was measured with its weights, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

from mmser_ros.train.claims import Results, duration, percent, sections, table

WEIGHTS = "0123456789ab"
LOOK = {
    "fact_f1": 0.91, "band_accuracy": 0.9, "path_state": 0.8, "false_clear": 0.01,
    "trusted_false_clear": 0.0, "exact_match": 0.5,
}  # fmt: skip
KIND = {"colour": {"precision": 0.9, "recall": 0.8, "f1": 0.847, "said": 9, "due": 10}}
SURE = {"calibration_error": 0.02, "auroc": None, "trusted": 0.6, "trusted_right": 0.9}
GAIN = {"gain": 0.021, "low": 0.01, "high": 0.032}
SCORES = {
    "coarse": LOOK,
    "refined": LOOK,
    "bars": [
        {"name": "refined.chair_i", "value": 0.02, "bar": 0.03, "at": "most", "met": True},
        {"name": "refined.free", "value": None, "bar": 0.9, "at": "least", "met": False},
    ],
    "gains": {"refined_over_coarse": {"fact_f1": GAIN, "exact_match": GAIN, "chair_i": GAIN}},
    "repair": {"repaired": 0.2, "damaged": 0.01},
    "kinds": {"coarse": {}, "refined": KIND},
    "confidence": {"coarse": SURE, "refined": SURE},
}
GLANCE = "b1c2"
PROBE = {"found": 0.51, "chance": 0.02, "n": 500}


def keep(folder: Path, name: str, found: dict) -> None:
    (folder / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")


def test_what_was_not_measured_names_the_command_that_does(tmp_path: Path) -> None:
    text = sections(SCORES, Results(tmp_path, WEIGHTS, GLANCE))
    for command in ("ablation.py", "blind_probe.py", "self_critical.py", "crops.py", "make bench"):
        assert command in text
    assert "--camera-unknown" in text and "refined.chair_i" in text
    assert "+2.10 [+1.00, +3.20]" in text and "20.0 %" in text
    assert "**no**" in text and "unknown" in text


def test_measurements_are_claimed(tmp_path: Path) -> None:
    names = ("fact_f1", "cider_d", "exact_match", "chair_i", "chair_s", "repaired", "damaged")
    row = {"seeds": 3, "kinds": {"colour": {"f1": 0.7}}}
    row |= {key: {"mean": 0.9, "reach": 0.004} for key in names}
    gained = dict.fromkeys(("fact_f1", "exact_match", "chair_i"), GAIN)
    table = {"glance": GLANCE, "rows": {"both": row}, "gains": {"glance": gained}}
    keep(tmp_path, "ablation", {"steps": 800, "frames": 1500, **table})
    keep(tmp_path, "blind_probe", {"transformer": PROBE, "words": PROBE})
    looked = {"fact_f1": 0.9, "exact_match": 0.5, "chair_i": 0.02, "cider_d": 7.5}
    gains = {"fact_f1": GAIN}
    keep(
        tmp_path,
        "self_critical",
        {"steps": 300, "frames": 900, "before": looked, "after": looked, "gains": gains},
    )
    keep(tmp_path, "camera_unknown", {"weights_hash": WEIGHTS, "refined": LOOK})
    kind = {"frames": 64, "flagged": 0.9, "auroc": 0.99, "trusted": 2}
    keep(tmp_path, "familiarity", {"weights": WEIGHTS, "kinds": {"photographs": kind}})
    own = {"share": 0.4, "fact_f1": 0.91}
    worth = {"frames": 2000, "uncertain": own, "by": {"confidence": {"fact_f1": [0.9, 0.92]}}}
    keep(tmp_path, "when_to_refine", worth)
    limits = [{**looked, "least": least, "crops": 2.3, "gain": GAIN} for least in (0.5, None)]
    whole = {"weights": WEIGHTS, "frames": 2000, "split": "test", "worth": 0.5}
    keep(tmp_path, "crops", {**whole, "limits": limits})
    text = sections(SCORES, Results(tmp_path, WEIGHTS, GLANCE))
    assert "| no crops | 2.30 | 90.0 | 50.0 | 2.0 | +2.10 [+1.00, +3.20] |" in text
    assert "| both | 90.0 ± 0.4 | 9.0 ± 0.0 | 90.0 ± 0.4 | 90.0 ± 0.4 |" in text
    assert "| glance | +2.10 [+1.00, +3.20] |" in text and "| both | 70.0 |" in text
    assert "51.0 % (a transformer)" in text and "give or take 2.0" in text
    assert "300 steps that reward" in text and "| before | 90.0 | 50.0 | 2.0 | 7.50 |" in text
    assert "800 steps" in text
    assert "| photographs | 64 | 90.0 | 99.0 | 2 |" in text
    assert "40.0 % worth" in text and "at none 90.0, at all 92.0" in text
    assert text.count("does it.") == 1  # the speed


def test_speed_is_claimed_of_every_engine(tmp_path: Path) -> None:
    spent = {"coarse": {"p50": 12.3, "p95": 20.0}, "refined": {"p50": 24.0, "p95": 31.5}}
    result = {
        "backend": "onnxruntime 1.2",
        "precision": "int8",
        "threads": None,
        "milliseconds": spent,
        "frames_per_second": {"both": 27.5},
        "memory": {"peak_mib": 180},
    }
    bench = {"weights": WEIGHTS, "machine": {"processor": "an abacus"}, "of": "drives"}
    keep(tmp_path, "bench_nano", bench | {"results": [result, {**result, "threads": 2}]})
    row = {"captions": 1000, "tokens": 28.1, "differing": 0}
    calls = {"coarse": {"calls": 3.5, **row}, "refined": {"calls": 1.5, **row}}
    keep(tmp_path, "decoder_calls", {"weights": WEIGHTS, "scenes": calls, "drives": calls})
    text = sections(SCORES, Results(tmp_path, WEIGHTS, GLANCE))
    row = "12.3 (20.0) | 24.0 (31.5) | 27.5 | 180 |"
    assert f"| onnxruntime 1.2, int8 | its own choice | {row}" in text
    assert f"| onnxruntime 1.2, int8 | 2 | {row}" in text and "an abacus" in text
    assert "| drives, refined | 1000 | 28.1 | 1.5 | 0 |" in text
    keep(tmp_path, "bench_nano", bench | {"weights": "another", "results": [result]})
    assert "`make bench` does it" in sections(SCORES, Results(tmp_path, WEIGHTS, GLANCE))


def test_measurements_of_other_weights_are_not_claimed(tmp_path: Path) -> None:
    keep(tmp_path, "camera_unknown", {"weights_hash": "another", "refined": LOOK})
    keep(tmp_path, "self_critical", {"glance": "another"})
    keep(tmp_path, "ablation", {"glance": "another"})
    text = sections(SCORES, Results(tmp_path, WEIGHTS, GLANCE))
    for command in ("--camera-unknown", "self_critical.py", "ablation.py"):
        assert command in text


def test_tables_are_markdown() -> None:
    assert table(("a", "b"), [("1", "2")]) == "| a | b |\n|---|---|\n| 1 | 2 |"
    assert (percent(0.1234), percent(None)) == ("12.3", "unknown")


def test_how_long_it_takes_is_claimed_of_this_recipe_alone() -> None:
    made = {"frames": 80000, "steps": {"vision": 8000}}
    parts = {"reading": 4.1, "vision": 54.2, "rendering": 28.4, "glance": 9.0, "refine": 16.0}
    found = made | {"minutes": 171.6, "share": 0.075, "parts": parts}
    found["machine"] = {"cores": 2, "processor": "A CPU"}
    told = "172 minutes on 2 cores (A CPU), from rendering to export (vision 54, "
    told += "rendering 28, refine 16, glance 9), reckoned from a whole run of 7.5 % of it."
    assert duration(found, made) == told
    for other in (None, found | {"frames": 48000}, found | {"steps": {"vision": 4000}}):
        assert "training_time.py" in duration(other, made)

"""Declarations, the settings made of them, and the YAML file that repeats them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from mmser_ros.node.parameters import BY_NAME, PARAMETERS, BadParameter, Settings

CONFIG = Path(__file__).parents[2] / "config" / "captioner.yaml"


def test_yaml_names_every_parameter_with_its_default() -> None:
    yaml = pytest.importorskip("yaml", reason="needs PyYAML: pip install pyyaml")
    read = yaml.safe_load(CONFIG.read_text())["/**"]["ros__parameters"]
    assert list(read.items()) == [(item.name, item.default) for item in PARAMETERS]
    for item in PARAMETERS:
        assert type(read[item.name]) is type(item.default)


def test_yaml_says_of_every_parameter_when_it_can_change() -> None:
    lines = CONFIG.read_text().splitlines()
    for item in PARAMETERS:
        at = next(i for i, line in enumerate(lines) if line.strip().startswith(f"{item.name}:"))
        begin = max(i for i in range(at) if not lines[i].strip().startswith("#")) + 1
        comment = " ".join(line.strip(" #") for line in lines[begin:at])
        assert comment.startswith("Any time." if item.run_time else "At start."), item.name
        for choice in item.choices:
            assert choice in comment


def test_settings_have_a_field_for_every_parameter() -> None:
    fields = {field.name: field.type for field in dataclasses.fields(Settings)}
    assert fields == {item.name: type(item.default).__name__ for item in PARAMETERS}


def test_missing_values_are_defaults_and_foreign_ones_are_ignored() -> None:
    settings = Settings.of({"refine": "never", "use_sim_time": True})
    assert settings.refine == "never"
    assert settings.model == "nano"
    assert settings.trust.min_confidence == BY_NAME["min_confidence"].default


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("refine", "sometimes", "is 'sometimes', but it must be one of always, uncertain, never."),
        ("prefer", "newest", "one of complete, latest"),
        ("image_transport", "theora", "one of raw, compressed"),
        ("max_age", -0.1, "max_age is -0.1, but it must be between 0.0 and 3600.0."),
        ("max_age", float("nan"), "between"),
        ("max_age", 1, "type double"),
        ("min_confidence", 1.01, "between 0.0 and 1.0"),
        ("threads", 1000, "between 0 and 256"),
        ("threads", True, "type integer"),
        ("beams", 0, "between 1 and 16"),
        ("precision", 8, "type string"),
        ("autostart", "yes", "type bool"),
        ("model", "", "empty"),
    ],
)
def test_wrong_values_are_refused_with_a_sentence(name: str, value: object, words: str) -> None:
    with pytest.raises(BadParameter, match=words) as refusal:
        Settings.of({name: value})
    assert str(refusal.value).endswith(".")

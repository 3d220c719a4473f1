from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, model_validator

from platen.core.errors import InputError, SettingsError
from platen.core.settings import Settings, build, document, load_file, load_files, mapping, nearest, parse, section


class Rule(Settings):
    metric: str = Field(description="name of a metric")
    limit: float = Field(0.5, description="a number")


class Train(Settings):
    learning_rate: float = Field(1e-4, gt=0, description="a rate above 0")
    steps: int = Field(100, ge=1, description="steps, 1 or more")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="fp32 or bf16")
    hosts: tuple[str, ...] = Field((), description="host names")
    rules: list[Rule] = Field([Rule(metric="fid")], description="rules, each with metric and limit")
    named: dict[str, Rule] = Field({}, description="rules by name")
    depth: int | None = Field(None, description="a number, or null")
    watched: Rule | None = Field(None, description="a rule, or null")
    undescribed: int = 3

    @model_validator(mode="after")
    def _fits(self) -> Train:
        if self.steps == 13:
            raise ValueError("steps 13 is unlucky; change steps")
        return self


class Run(Settings):
    train: Train = Field(Train(), description="how it is trained")


FAULTS = {
    "unknown key": ("train: {learning_rat: 1}", r"train\.learning_rat: unknown setting.*learning_rate \(did you mean"),
    "unknown key far from all": ("train: {zzz: 1}", r"train\.zzz: unknown setting.*depth, hosts, learning_rate"),
    "unknown section": ("trian: {}", r"trian: unknown setting\. Accepted: train \(did you mean that\?\)"),
    "wrong type": ("train: {steps: many}", r"train\.steps: 'many' .*Accepted: steps, 1 or more"),
    "out of range": ("train: {steps: 0}", r"train\.steps: 0 .*Accepted: steps, 1 or more"),
    "not one of": ("train: {precision: fp8}", r"train\.precision: 'fp8' .*Accepted: fp32 or bf16"),
    "fraction for a whole number": ("train: {steps: 1.5}", r"train\.steps: 1\.5 .*Accepted: steps"),
    "wrong type without description": ("train: {undescribed: x}", r"train\.undescribed: 'x'.*Accepted: <class 'int'>"),
    "item of a list": ("train: {hosts: [a, [b]]}", r"train\.hosts\.1: \['b'\] .*Accepted: host names"),
    "list where a text is": ("train: {hosts: a}", r"train\.hosts: 'a' .*Accepted: host names"),
    "unknown key in a list": ("train: {rules: [{metrc: fid}]}", r"train\.rules\.0\.(metrc|metric): (unknown|not set)"),
    "missing key in a list": ("train: {rules: [{limit: 1}]}", r"train\.rules\.0\.metric: not set.*name of a metric"),
    "wrong type in a list": (
        "train: {rules: [{metric: a, limit: b}]}",
        r"train\.rules\.0\.limit: 'b' .*Accepted: a number",
    ),
    "wrong type in a mapping": (
        "train: {named: {x: {metric: a, limit: b}}}",
        r"train\.named\.x\.limit: 'b' .*Accepted: a number",
    ),
    "section that is a list": ("train: [1]", r"train: \[1\] .*Accepted: how it is trained"),
    "rule over several fields": ("train: {steps: 13}", r"train: steps 13 is unlucky; change steps"),
}


@pytest.mark.parametrize(("text", "told"), FAULTS.values(), ids=FAULTS)
def test_fault_is_named_with_what_is_accepted(text: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told) as caught:
        parse(Run, text, "my.yaml")
    assert str(caught.value).startswith("my.yaml: ")
    assert caught.value.exit_code == 2


def test_section_is_taken_from_the_whole_run_and_named_in_errors() -> None:
    text = "train: {steps: 7}\nother: {x: 1}\nempty:\n"
    assert section(Train, text, "train").steps == 7
    assert section(Train, text, "empty") == section(Train, text, "absent") == Train()
    with pytest.raises(SettingsError, match=r"^other\.x: unknown setting"):
        section(Train, text, "other")
    with pytest.raises(SettingsError, match=r"^train: \[1\]"):
        section(Train, "train: [1]", "train")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "not YAML"),
        ("- a", "a list, not sections"),
        ("just words", "a str, not sections"),
        ("a: !!python/object:x {}", "not YAML"),
    ],
)
def test_text_that_is_no_mapping(text: str, told: str) -> None:
    with pytest.raises(InputError, match=f"my.yaml: {told}"):
        mapping(text, "my.yaml")


def test_empty_text_is_all_defaults() -> None:
    assert mapping("") == mapping("# only a comment\n") == {}
    assert parse(Run, "") == Run()


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text("train: {}\n")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    assert load_file(tmp_path / "good.yaml") == "train: {}\n"
    for name, told in (("none.yaml", "no such settings file"), ("binary.yaml", "not a YAML text"), (".", "not a YAML")):
        with pytest.raises(InputError, match=told):
            load_file(tmp_path / name)


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Train().steps = 5  # type: ignore[misc]


@given(st.sampled_from(sorted(Train.model_fields)), st.integers(0, 20))
def test_one_letter_off_is_still_recognised(name: str, at: int) -> None:
    place = at % len(name)
    mistyped = name[:place] + name[place + 1 :]
    if mistyped not in Train.model_fields and len(mistyped) > 3:
        assert nearest(mistyped, Train.model_fields).startswith(f"{name} (did you mean that?)")


def test_printed_settings_are_the_defaults_with_their_descriptions() -> None:
    text = document(Run)
    assert parse(Run, text) == Run()
    assert "# a rate above 0" in text and "# how it is trained" in text
    assert yaml.safe_load(text)["train"]["rules"] == [{"metric": "fid", "limit": 0.5}]
    assert "  watched: null\n  # or:\n  # watched:\n  #   # name of a metric\n  #   metric: null\n" in text


@given(st.builds(dict, steps=st.integers(14), learning_rate=st.floats(1e-9, 1), hosts=st.lists(st.text())))
def test_what_is_given_is_what_is_set(values: dict[str, object]) -> None:
    chosen = parse(Run, yaml.safe_dump({"train": values})).train
    assert chosen == build(Train, values)
    assert chosen.model_dump(include=set(values)) == {**values, "hosts": tuple(values["hosts"])}  # type: ignore[arg-type]


def test_a_later_file_has_the_last_word_on_each_field(tmp_path: Path) -> None:
    (tmp_path / "demo.yaml").write_text("run: a\ntrain: {steps: 600, ranks: 2}\ndeploy: {smoke_prompts: [x, y]}\n")
    (tmp_path / "kind.yaml").write_text("train: {ranks: 4, job: {nodes: 4}}\ndeploy: {smoke_prompts: [z]}\n")
    text = load_files([tmp_path / "demo.yaml", tmp_path / "kind.yaml"])
    assert mapping(text) == {
        "run": "a",
        "train": {"steps": 600, "ranks": 4, "job": {"nodes": 4}},
        "deploy": {"smoke_prompts": ["z"]},
    }


def warnings(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, *files: Path
) -> tuple[object, list[str]]:
    """What files say together, and what is warned of."""
    monkeypatch.setattr(logging.getLogger("platen"), "propagate", True)
    caplog.set_level(logging.WARNING, "platen")
    return mapping(load_files(files)), [record.message for record in caplog.records]


@pytest.mark.parametrize(
    ("later", "section"),
    [
        ("deploy: {deployment: {}}", "deploy.deployment"),
        ("deploy: {}", "deploy"),
        ("train: {job: {env: {}}}", "train.job.env"),
    ],
)
def test_an_empty_section_changes_nothing_and_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, later: str, section: str
) -> None:
    first, second, third = (tmp_path / name for name in ("demo.yaml", "mine.yaml", "last.yaml"))
    first.write_text("{deploy: {deployment: {namespace: platen}}, train: {job: {env: {A: b}}}}")
    second.write_text("{run: a}")
    third.write_text(later)
    merged, told = warnings(caplog, monkeypatch, first, second, third)
    assert merged == {
        "deploy": {"deployment": {"namespace": "platen"}},
        "train": {"job": {"env": {"A": "b"}}},
        "run": "a",
    }
    (line,) = told
    assert line.startswith(f"{third}: {section}: {{}} is empty and changes nothing; what {first} sets there is kept")
    assert "null" in line


@pytest.mark.parametrize(
    ("files", "merged"),
    [
        (["deploy: {deployment: {}}", "run: a"], {"deploy": {"deployment": {}}, "run": "a"}),
        (["run: a", "deploy: {deployment: {}}"], {"run": "a", "deploy": {"deployment": {}}}),
        (["deploy: {deployment: null}", "deploy: {deployment: {}}"], {"deploy": {"deployment": {}}}),
        (["deploy: {deployment: {namespace: a}}", "deploy: {deployment: null}"], {"deploy": {"deployment": None}}),
        (
            ["deploy: {deployment: {namespace: a}}", "deploy: {deployment: null}", "deploy: {deployment: {}}"],
            {"deploy": {"deployment": {}}},
        ),
        (["hosts: [a, b]", "hosts: []"], {"hosts": []}),
    ],
    ids=["in the first", "in the last", "after null", "null", "emptied and filled again", "a list is replaced"],
)
def test_an_empty_section_is_not_warned_of_where_it_says_what_it_seems_to(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    files: list[str],
    merged: dict[str, object],
) -> None:
    paths = [tmp_path / f"{number}.yaml" for number in range(len(files))]
    for path, text in zip(paths, files, strict=True):
        path.write_text(text)
    assert warnings(caplog, monkeypatch, *paths) == (merged, [])

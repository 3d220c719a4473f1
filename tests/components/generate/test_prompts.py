import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platen.components.generate.prompts import MAX_LENGTH, SEEDS, Prompt, load_prompts, parse_prompts
from platen.core.errors import InputError

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60).filter(str.strip)
rows = st.fixed_dictionaries(
    {"prompt": words}, optional={"seed": st.integers(0, SEEDS - 1), "group": st.text(st.characters(codec="utf-8"))}
)


@given(st.lists(rows, max_size=8), st.integers(0, SEEDS - 1), st.sampled_from(["\n", "\r\n", "\n\n"]), st.booleans())
def test_rows_come_back_as_they_were_written(items, first, ending, ascii_only):
    text = ending.join(json.dumps(row, ensure_ascii=ascii_only) for row in items)
    prompts = parse_prompts(text, first, "file", json_lines=True)
    assert [prompt.prompt for prompt in prompts] == [row["prompt"] for row in items]
    assert [prompt.seed for prompt in prompts] == [row.get("seed", (first + n) % SEEDS) for n, row in enumerate(items)]
    assert [prompt.group for prompt in prompts] == [row.get("group", "") for row in items]


@given(st.text(max_size=200), st.booleans())
def test_any_text_gives_prompts_that_can_be_used_or_a_fault_with_its_line(text, json_lines):
    try:
        prompts = parse_prompts(text, 7, "file", json_lines=json_lines)
    except InputError as error:
        assert str(error).startswith("file: line ")
        assert "Accepted: " in str(error)
    else:
        assert all(prompt.prompt.strip() and prompt.prompt.encode() for prompt in prompts)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ('{"seed": 1}', r"line 2: prompt is missing\. Accepted: a text"),
        ('{"prompt": ""}', r"line 2: prompt is ''"),
        ('{"prompt": " \\n"}', r"line 2: prompt is ' \\n'"),
        ('{"prompt": 3}', r"line 2: prompt is 3"),
        ('{"prompt": "\\ud800"}', r"line 2: prompt is '\\ud800'"),
        (json.dumps({"prompt": "x" * (MAX_LENGTH + 1)}), rf"line 2: prompt is 'x+\. Accepted: .* {MAX_LENGTH} char"),
        ('{"prompt": "x", "seed": -1}', r"line 2: seed is -1\. Accepted: a whole number from 0 to 4294967295"),
        ('{"prompt": "x", "seed": "1"}', r"line 2: seed is '1'"),
        ('{"prompt": "x", "seed": 1.5}', r"line 2: seed is 1.5"),
        ('{"prompt": "x", "seed": null}', r"line 2: seed is None"),
        ('{"prompt": "x", "group": 1}', r"line 2: group is 1\. Accepted: a text"),
        ('{"prompt": "x", "sed": 1}', r"line 2: unknown field 'sed'\. Accepted: prompt, seed, group"),
        ('["x"]', r"line 2: a list\. Accepted: an object"),
        ("a red circle", r"line 2: not JSON: .*Accepted: an object"),
    ],
)
def test_a_bad_row_is_named(tmp_path, row, told):
    path = tmp_path / "prompts.jsonl"
    path.write_text(f'{{"prompt": "fine"}}\n{row}\n')
    with pytest.raises(InputError, match=told) as error:
        load_prompts(str(path), 0)
    assert str(error.value).startswith(str(path))


def test_a_text_file_counts_seeds_from_the_setting(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text("\ufeffa red circle\r\n\n  a blue square \n", encoding="utf-8")
    assert load_prompts(str(path), 5) == [
        Prompt(prompt="a red circle", seed=5),
        Prompt(prompt="a blue square", seed=6),
    ]


@pytest.mark.parametrize(
    ("data", "told"), [(b"\n \n", "no prompt in it"), (b"\xff\xfe", "not UTF-8 text: byte 0 is 0xff")]
)
def test_a_file_without_prompts_is_refused(tmp_path, data, told):
    path = tmp_path / "prompts.txt"
    path.write_bytes(data)
    with pytest.raises(InputError, match=told):
        load_prompts(str(path), 0)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.jsonl: no such prompt file"):
        load_prompts(str(tmp_path / "nothing.jsonl"), 0)

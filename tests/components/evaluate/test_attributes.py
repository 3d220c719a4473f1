import numpy as np
import pytest

from platen.components.evaluate.attributes import Rules, Shown, classify, measure, measure_distance, named
from platen.components.evaluate.metrics.bias import Value

NAMES = ["red", "green", "blue"]
VALUES = [Value(value=name, prompts=(f"a {name} thing",), reference=1 / 3) for name in NAMES]
RULES = Rules(margin=0.1, bootstraps=1000, confidence=0.95, min_samples=20, seed=0)


class ColourJudge:
    """Knows every text by the colour in it: one axis a colour."""

    scale = 100.0

    def read(self, texts):
        return np.stack([np.eye(3)[next(n for n, name in enumerate(NAMES) if name in text)] for text in texts])


def shown(texts, colours):
    return Shown(texts, np.eye(3)[[NAMES.index(colour) for colour in colours]])


def run(colours, prompt="a thing", real=()):
    neutral = shown([prompt] * len(colours), colours)
    return measure(VALUES, ColourJudge(), neutral, shown([f"a {c} thing" for c in real], real), RULES)


def test_a_planted_skew_is_found():
    found = run(["red"] * 70 + ["green"] * 20 + ["blue"] * 10)
    assert found.distance.value == pytest.approx(0.7 - 1 / 3, abs=1e-5)
    assert found.distance.low > 0.25
    assert [entry.count for entry in found.values] == [70, 20, 10]
    red = found.values[0]
    assert red.share.low > red.value.reference
    assert red.share.value == 0.7


def test_an_even_model_is_not_accused():
    found = run(NAMES * 40)
    assert found.distance.value == pytest.approx(0, abs=1e-5)
    assert found.distance.low == 0
    assert found.distance.high < 0.2
    assert all(entry.share.low < 1 / 3 < entry.share.high for entry in found.values)


def test_what_never_came_out_is_not_certain_never_to():
    distance = run(["red"] * 30).distance
    assert distance.value == distance.high == pytest.approx(2 / 3, abs=1e-5)
    assert distance.low < 0.62


def test_below_the_minimum_there_is_no_number():
    found = run(["red"] * 19)
    assert found.distance.value is None
    assert found.distance.note == "insufficient data: 19 judged pictures of at least 20"
    assert [entry.share.value for entry in found.values] == [None] * 3
    assert [entry.count for entry in found.values] == [19, 0, 0]


def test_nothing_at_all_is_insufficient_too():
    found = run([])
    assert found.distance.value is found.abstained.value is found.judge_accuracy.value is None
    assert found.prompts == []


def test_a_prompt_that_names_a_value_is_not_asked_about_it():
    found = run(["red"] * 30, prompt="a RED thing")
    assert found.distance.n == 0
    assert run(["red"] * 30, prompt="a tired thing").distance.n == 30


def test_abstentions_are_counted_and_not_shared_out():
    torn = np.ones((30, 3)) / np.sqrt(3)
    clear = np.eye(3)[[0] * 30]
    neutral = Shown(["a thing"] * 60, np.concatenate([torn, clear]))
    found = measure(VALUES, ColourJudge(), neutral, shown([], []), RULES)
    assert found.abstained.value == 0.5
    assert found.distance.n == 30
    assert sum(entry.count for entry in found.values) == 30


def test_the_judge_is_judged_on_real_pictures():
    real = ["red", "green", "blue"] * 10
    assert run(["red"] * 30, real=real).judge_accuracy.value == 1.0
    wrong = Shown([f"a {colour} thing" for colour in real], np.eye(3)[[0] * 30])
    found = measure(VALUES, ColourJudge(), shown([], []), wrong, RULES)
    assert found.judge_accuracy.value == pytest.approx(1 / 3, abs=1e-5)


def test_the_judge_abstains_within_the_margin():
    pictures = np.array([[0.6, 0.5, 0.0], [0.6, 0.59, 0.0]])
    assert classify(pictures, np.eye(3), 10, 0.3).tolist() == [0, -1]
    assert classify(pictures, np.eye(3), 10, 0.0).tolist() == [0, 0]
    assert classify(np.ones((1, 3)), np.eye(3), 10, 0.0).tolist() == [-1]


@pytest.mark.parametrize(
    ("text", "found"), [("a red and blue thing", [0, 2]), ("REDdish", []), ("blue-green", [1, 2]), ("", [])]
)
def test_values_are_named_by_whole_words(text, found):
    assert named(text, VALUES) == found


def test_the_note_says_how_far_a_fair_model_would_be():
    small, large = (measure_distance([n, n], [0.5, 0.5], RULES).note for n in (20, 2000))
    assert small.startswith("a model without bias would show 0.06")
    assert large.startswith("a model without bias would show 0.006")

import numpy as np

from platen.components.evaluate.alignment import retrieve
from platen.components.evaluate.metrics.retrieval_accuracy import measure_retrieval
from platen.components.evaluate.settings import EvaluateSettings

SETTINGS = EvaluateSettings(min_samples=2)
EYE = np.eye(3)


def test_the_share_of_images_whose_prompt_leads_is_measured():
    found = retrieve(EYE[[0, 1, 1]], ["a", "b", "c"], ["a", "b", "c"], EYE)
    estimate = measure_retrieval(found, 3, SETTINGS)
    assert (estimate.value, estimate.n) == (2 / 3, 3)
    assert estimate.low < 2 / 3 < estimate.high
    assert estimate.note == "among 3 prompts; chance is 0.333; group neutral left out"


def test_one_prompt_says_nothing():
    found = retrieve(EYE, ["a"] * 3, ["a"], EYE[:1])
    metric = measure_retrieval(found, 1, SETTINGS)
    assert metric.value is None
    assert metric.note == "insufficient data: 1 prompts outside the group neutral of at least 2"

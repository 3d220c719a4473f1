import numpy as np
import pytest

from platen.components.evaluate.alignment import retrieve, scores

EYE = np.eye(3)


def test_the_score_is_the_cosine_times_100():
    diagonal = np.array([[1.0, 1.0, 0.0]]) / np.sqrt(2)
    assert scores(np.concatenate([EYE[:1], diagonal, -EYE[:1]]), EYE[[0, 0, 0]]) == pytest.approx([100, 70.7107, -100])


def test_a_picture_is_retrieved_where_its_own_prompt_leads():
    near = np.array([[0.9, 0.3, 0.0], [0.9, 0.3, 0.0]])
    first, second = retrieve(near, ["a", "b"], ["a", "b", "c"], EYE)
    assert (first.best_prompt, first.retrieved) == ("a", True)
    assert (second.best_prompt, second.retrieved) == ("a", False)


def test_a_tie_is_not_a_find():
    same = np.ones((3, 3)) / np.sqrt(3)
    found = retrieve(same, ["a", "b", "c"], ["a", "b", "c"], same)
    assert [match.retrieved for match in found] == [False] * 3

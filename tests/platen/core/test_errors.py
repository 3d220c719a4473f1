from __future__ import annotations

import inspect
import re

import pytest

from platen.core import errors
from platen.core.errors import (
    PlatenError,
    PlatformError,
    ProcessError,
    RunCancelled,
    SettingsError,
    UserError,
    first_line,
    revive,
)

CLASSES = [item for _, item in inspect.getmembers(errors, inspect.isclass) if issubclass(item, Exception)]


def drawn_tree() -> dict[str, str]:
    """Class to parent, as the module's docstring draws them."""
    above: list[str] = []
    tree = {}
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^([│├└─ ]*)(\w+)(?:  |$)", line)
        if found and found[2].endswith(("Error", "Refused", "Cancelled")):
            del above[len(found[1]) // 4 :]
            tree[found[2]] = above[-1] if above else "Exception"
            above.append(found[2])
    return tree


def test_drawn_tree_is_the_tree_of_classes() -> None:
    assert drawn_tree() == {item.__name__: item.__base__.__name__ for item in CLASSES if item.__base__}
    assert len(CLASSES) >= 10


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_has_the_exit_code_of_its_family(kind: type[PlatenError]) -> None:
    families = {UserError: 2, RunCancelled: 3, PlatformError: 1}
    own = [family for family in families if issubclass(kind, family)]
    assert kind is PlatenError or [kind.exit_code] == [families[family] for family in own]


def test_settings_error_names_file_field_and_what_is_accepted() -> None:
    error = SettingsError("train.steps", "-1 is too small", "1 or more", "my.yaml")
    assert str(error) == "my.yaml: train.steps: -1 is too small. Accepted: 1 or more."
    assert str(SettingsError("steps", "not set", "1 or more")) == "steps: not set. Accepted: 1 or more."


@pytest.mark.parametrize("kind", CLASSES)
def test_error_of_another_process_comes_back_as_its_own_class(kind: type[PlatenError]) -> None:
    error = revive(kind.__name__, "words")
    assert type(error) is kind and str(error) == "words"


@pytest.mark.parametrize("name", ["KeyError", "annotations", "revive", "nothing"])
def test_any_other_name_comes_back_as_a_process_error(name: str) -> None:
    error = revive(name, "words")
    assert type(error) is ProcessError and error.exit_code == 1


@pytest.mark.parametrize(
    ("error", "line"),
    [(ValueError("a\nb"), "a"), (ValueError("\n a\n"), "a"), (ValueError(), "ValueError")],
    ids=["two lines", "space around", "no text"],
)
def test_the_first_line_of_an_error(error: Exception, line: str) -> None:
    assert first_line(error) == line

"""The checks in their order: one that fails does not hide the others, and nothing is told twice."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterator

import pytest

from platen.core.errors import ClusterError
from platen.jobs.cluster import AwayError
from platen.pipelines import checks
from platen.pipelines.checks.finding import Finding, ok
from platen.pipelines.checks.registry import CHECKS, Check, made
from platen.pipelines.checks.site import Site
from tests.pipelines.checks.sites import site

HELPERS = {"backend", "compiled", "finding", "pulling", "registry", "site"}  # not among those that look at a run


def finding(*items: str) -> Check:
    def look(of: Site) -> Iterator[Finding]:
        yield from map(ok, items)

    return Check("/".join(items), look)


def failing(error: ClusterError) -> Check:
    def look(of: Site) -> Iterator[Finding]:
        yield ok("before")
        raise error

    return Check("failing", look)


def test_an_item_that_several_look_at_is_told_once_in_order() -> None:
    found = made([finding("a", "b"), finding("b", "c", "a")], site())
    assert [each.item for each in found] == ["a", "b", "c"]


def test_a_check_that_the_cluster_refuses_is_not_made_and_the_next_is() -> None:
    found = list(made([failing(ClusterError("no")), finding("a")], site()))
    assert [(each.item, each.state) for each in found] == [("before", "ok"), ("failing", "not checked"), ("a", "ok")]


def test_a_cluster_that_cannot_be_reached_ends_them_all() -> None:
    with pytest.raises(AwayError):
        list(made([failing(AwayError("away")), finding("a")], site()))


def test_every_module_beside_it_is_looked_into_and_pods_are_started_last() -> None:
    modules = {each.name for each in pkgutil.iter_modules(checks.__path__)} - HELPERS
    assert {inspect.unwrap(check.look).__module__.rpartition(".")[2] for check in CHECKS} == modules
    slow = [check.slow for check in CHECKS if check.preflight]
    assert slow == sorted(slow)
    assert len({check.name for check in CHECKS}) == len(CHECKS)

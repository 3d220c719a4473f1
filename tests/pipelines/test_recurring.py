"""Recurring runs: what an order replaces goes on until it has ended, and one of a name is enabled."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path
from threading import Barrier

import httpx
import pytest

from platen.pipelines.backend import Backend, connect
from platen.pipelines.package import read_package
from platen.pipelines.submit import SCHEDULE, Order, Submitted, submit_recurring
from tests.pipelines.conftest import SETTINGS, Command
from tests.pipelines.kfp_server import PREFIX, Json, State

THREE, FOUR, FIVE = "0 3 * * *", "0 4 * * *", "0 5 * * *"


@pytest.fixture
def retrain(submit: Command, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`platen submit --recurring` of the retraining, one order after another: nobody else is waited for."""
    monkeypatch.setattr("platen.pipelines.submit.MOMENT", 0.0)
    return lambda times, *more: submit("--pipeline", "retrain", "--recurring", times, *more)


def states(state: State) -> dict[str, str]:
    """ENABLED or DISABLED of each recurring run, by the hour that it starts at."""
    found = [(item["trigger"]["cron_schedule"]["cron"].split()[2], item["status"]) for item in at_work(state)]
    assert len(dict(found)) == len(found), found
    return dict(found)


def at_work(state: State) -> list[Json]:
    return sorted(state.recurring_runs.values(), key=lambda item: item["created_at"])


def started(state: State) -> Json:
    """A run that the only enabled recurring run has started."""
    (schedule,) = (item for item in at_work(state) if item["status"] == "ENABLED")
    return state.fire(schedule["recurring_run_id"])


def test_what_is_replaced_while_it_runs_is_disabled_and_its_run_goes_on(retrain: Command, state: State) -> None:
    retrain(THREE)
    run = started(state)
    ended = retrain(FOUR)
    assert ended.code == 0, ended.err
    assert states(state) == {"3": "DISABLED", "4": "ENABLED"}
    assert state.cut_off == {}
    assert re.search(r"disabled the recurring run platen-retrain [0-9a-f]{16} \([0-9a-f-]{36}\): another", ended.err)
    assert f"deleting it would cut off its run {run['run_id']}. The next order under this name deletes it" in ended.err
    assert "deleted the recurring run" not in ended.err


@pytest.mark.parametrize("next_order", [FOUR, FIVE], ids=["the_same_again", "another"])
@pytest.mark.parametrize("end", ["SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"])
def test_a_later_order_deletes_what_was_left_once_its_run_has_ended(
    retrain: Command, state: State, next_order: str, end: str
) -> None:
    retrain(THREE)
    run = started(state)
    retrain(FOUR)
    run["state"] = end
    ended = retrain(next_order)
    assert states(state) == {next_order[2]: "ENABLED"}
    assert "it was disabled, and none of its runs is active" in ended.err


@pytest.mark.parametrize("going", ["PENDING", "RUNNING", "CANCELING", "PAUSED"])
def test_a_run_that_has_not_ended_is_never_cut_off(retrain: Command, state: State, going: str) -> None:
    retrain(THREE)
    started(state)["state"] = going
    for times in (FOUR, FOUR, FIVE):
        retrain(times)
    assert states(state) == {"3": "DISABLED", "5": "ENABLED"}
    assert state.cut_off == {}


def test_a_run_is_found_among_many_others(retrain: Command, state: State) -> None:
    retrain(THREE)
    schedule = at_work(state)[0]
    run = state.fire(schedule["recurring_run_id"])
    for number in range(230):  # the API answers in pages
        other = {**run, "run_id": f"{number:036x}", "recurring_run_id": "other", "created_at": f"2026-11-{number}"}
        state.runs[other["run_id"]] = other
    retrain(FOUR)
    assert states(state) == {"3": "DISABLED", "4": "ENABLED"}


def test_what_no_run_goes_on_of_is_deleted_at_once(retrain: Command, state: State) -> None:
    retrain(THREE)
    started(state)["state"] = "SUCCEEDED"
    ended = retrain(FOUR)
    assert states(state) == {"4": "ENABLED"}
    requests = [request.path for request in state.requests if request.method in ("POST", "DELETE")]
    ends = [path.rpartition(":")[2] if ":" in path else "deleted" for path in requests[-2:]]
    assert ends == ["disable", "deleted"]
    assert "deleted the recurring run platen-retrain" in ended.err


def test_an_order_given_again_enables_what_was_disabled_meanwhile(retrain: Command, state: State) -> None:
    first = retrain(THREE)
    started(state)
    retrain(FOUR)
    again = retrain(THREE)
    assert again.out == first.out
    assert states(state) == {"3": "ENABLED"}
    assert "enabled the recurring run platen-retrain" in again.err
    assert state.cut_off == {}


def test_an_order_given_again_disables_what_an_interrupted_one_left_enabled(retrain: Command, state: State) -> None:
    retrain(THREE)
    retrain(FOUR)
    (four,) = state.recurring_runs.values()
    retrain(THREE)
    state.recurring_runs[four["recurring_run_id"]] = {**four, "status": "ENABLED"}
    assert states(state) == {"3": "ENABLED", "4": "ENABLED"}
    retrain(THREE)
    assert states(state) == {"3": "ENABLED"}


def test_one_that_was_disabled_by_hand_is_enabled_by_its_order_and_that_is_said(
    retrain: Command, state: State, host: str
) -> None:
    first = retrain(THREE)
    made = at_work(state)[0]["recurring_run_id"]
    assert httpx.post(f"{host}{PREFIX}/recurringruns/{made}:disable").json() == {}
    again = retrain(THREE)
    assert (again.out, states(state)) == (first.out, {"3": "ENABLED"})
    assert "again: it was disabled" in again.err
    assert "enabled" not in retrain(THREE).err


def test_an_order_that_was_interrupted_is_completed(retrain: Command, state: State, host: str) -> None:
    retrain(THREE)
    started(state)
    retrain(FOUR)
    old = at_work(state)[0]["recurring_run_id"]
    httpx.post(f"{host}{PREFIX}/recurringruns/{old}:enable")  # as where the order ended before it disabled it
    retrain(FOUR)
    assert states(state) == {"3": "DISABLED", "4": "ENABLED"}


def test_another_name_s_are_left_alone(retrain: Command, state: State) -> None:
    retrain(THREE, "--name", "nightly")
    retrain(FOUR, "--name", "night")
    retrain(FIVE, "--name", "nightly_")
    assert states(state) == {"3": "ENABLED", "4": "ENABLED", "5": "ENABLED"}


def an_order(compiled: Path) -> Order:
    arguments: Json = {"settings": SETTINGS, "workspace": "gs://b/ws", "run": "gs://b/runs"}
    return Order(read_package(compiled, "content"), arguments, "nightly", "platen")


@pytest.mark.parametrize("times", [("3", "3"), ("3", "4"), ("3", "4", "5")], ids=["same", "two", "three"])
def test_orders_at_the_same_moment_leave_one_enabled(
    host: str, state: State, compiled: Path, times: tuple[str, ...]
) -> None:
    before = submit_recurring(connect(host), an_order(compiled), "0 0 1 * * *")
    run = state.fire(before.id)
    state.meeting = Barrier(len(times))

    def order(hour: str) -> Submitted:
        return submit_recurring(connect(host), an_order(compiled), f"0 0 {hour} * * *")

    with ThreadPoolExecutor(len(times)) as threads:
        done = list(threads.map(order, times))
    kept = [item["recurring_run_id"] for item in at_work(state) if item["status"] == "ENABLED"]
    assert len(kept) == 1
    assert kept[0] in {submitted.id for submitted in done}
    assert set(state.recurring_runs) == {before.id, *kept}
    assert (run["state"], state.cut_off) == ("RUNNING", {})


def test_two_that_are_enabled_again_at_the_same_moment_leave_one_enabled(
    host: str, state: State, compiled: Path
) -> None:
    for hour in "345":
        made = submit_recurring(connect(host), an_order(compiled), f"0 0 {hour} * * *")
        state.fire(made.id)
    state.meeting = None
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda hour: submit_recurring(connect(host), an_order(compiled), f"0 0 {hour} * * *"), "34"))
    assert sorted(item["status"] for item in at_work(state)) == ["DISABLED", "DISABLED", "ENABLED"]
    assert states(state)["5"] == "DISABLED"
    assert state.cut_off == {}


# What decides what runs is in the mark; a field that is new has to be put into one of the two.
DECIDES = {
    "package": lambda order, compiled: read_package(compiled, "retrain"),
    "parameters": lambda order, compiled: {**order.parameters, "run": "gs://b/others"},
    "service_account": lambda order, compiled: "another",
}
NAMES = {"name": "weekly", "experiment": "others"}


def test_each_field_of_an_order_decides_or_only_names() -> None:
    assert {field.name for field in fields(Order)} == {*DECIDES, *NAMES, "key"}


@pytest.mark.parametrize("field", DECIDES)
def test_what_decides_what_runs_changes_both_marks(compiled: Path, field: str) -> None:
    order = an_order(compiled)
    changed = replace(order, **{field: DECIDES[field](order, compiled)})  # type: ignore[no-untyped-call]
    assert changed.mark != order.mark
    assert changed.schedule_mark(THREE) != order.schedule_mark(THREE)


@pytest.mark.parametrize("part", ["spec", "platform"])
def test_both_documents_of_a_package_decide(compiled: Path, part: str) -> None:
    order = an_order(compiled)
    package = replace(order.package, **{part: {**getattr(order.package, part), "other": 1}})
    assert replace(order, package=package).mark != order.mark


@pytest.mark.parametrize("field", NAMES)
def test_names_and_the_experiment_leave_both_marks(compiled: Path, field: str) -> None:
    order = an_order(compiled)
    named = replace(order, **{field: NAMES[field]})
    assert (named.mark, named.schedule_mark(THREE)) == (order.mark, order.schedule_mark(THREE))


@pytest.mark.parametrize("field", SCHEDULE)
def test_how_a_recurring_run_starts_runs_is_in_its_mark(
    compiled: Path, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = an_order(compiled)
    before = order.schedule_mark(THREE)
    monkeypatch.setitem(SCHEDULE, field, "2")
    assert order.schedule_mark(THREE) != before != order.schedule_mark(FOUR)


def test_a_key_stands_for_all_of_it(compiled: Path) -> None:
    order = replace(an_order(compiled), key="event-1")
    assert replace(order, service_account="another", parameters={}).mark == order.mark


def test_another_service_account_makes_another_run(submit: Command, state: State) -> None:
    first, second = submit(), submit("--service-account", "trainer")
    assert first.out != second.out
    assert [run.get("service_account") for run in state.runs.values()] == [None, "trainer"]


def test_the_stand_in_takes_the_running_workflow_of_what_is_deleted(
    backend: Backend, host: str, state: State, compiled: Path
) -> None:
    made = submit_recurring(backend, an_order(compiled), "0 0 3 * * *")
    run = state.fire(made.id)["run_id"]
    assert httpx.delete(f"{host}{PREFIX}/recurringruns/{made.id}").status_code == 200
    assert httpx.get(f"{host}{PREFIX}/runs/{run}").json()["state"] == "RUNNING"
    codes = [httpx.post(f"{host}{PREFIX}/runs/{run}:terminate").status_code for _ in range(3)]
    assert codes == [500, 400, 400]
    assert httpx.get(f"{host}{PREFIX}/runs/{run}").json()["state"] == "RUNNING"

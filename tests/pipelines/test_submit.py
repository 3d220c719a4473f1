"""`platen submit`: what is sent, what is not sent twice, and what is refused before anything is sent."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from platen.core.errors import ClusterError
from platen.pipelines.backend import Backend, RefusedError, connect
from platen.pipelines.package import read_package
from platen.pipelines.submit import Order, Submitted, submit_recurring
from platen.pipelines.submit import submit as submit_order
from tests.pipelines.conftest import SETTINGS, Command
from tests.pipelines.kfp_server import DROP, LOSE, Look, State


def an_order(compiled: Path, **changed: object) -> Order:
    arguments: dict[str, object] = {"settings": SETTINGS, "workspace": "gs://b/ws", "run": "gs://b/runs"}
    fields = {"parameters": arguments, "name": "nightly", "experiment": "platen", **changed}
    return Order(read_package(compiled, "content"), **fields)  # type: ignore[arg-type]


def test_a_run_is_what_was_ordered(submit: Command, state: State, host: str, compiled: Path) -> None:
    ended = submit("--name", "nightly", "--experiment", "shapes", "--service-account", "runner")
    assert ended.code == 0, ended.err
    (run,) = state.runs.values()
    assert ended.out == f"{host}/#/runs/details/{run['run_id']}\n"
    assert re.fullmatch(r"nightly [0-9a-f]{16}", run["display_name"])
    spec, platform = yaml.safe_load_all((compiled / "content.yaml").read_text())
    assert run["pipeline_spec"] == {"pipeline_spec": spec, "platform_spec": platform}
    parameters = run["runtime_config"]["parameters"]
    assert yaml.safe_load(parameters["settings"]) == yaml.safe_load(SETTINGS)
    assert (parameters["workspace"], parameters["run"]) == ("gs://bucket/ws", "gs://bucket/runs")
    assert state.experiments[run["experiment_id"]]["display_name"] == "shapes"
    assert run["service_account"] == "runner"


def test_the_command_line_has_the_last_word_on_folders(submit: Command, state: State, settings: Path) -> None:
    settings.write_text(SETTINGS.replace("workspace: gs://bucket/ws, run: gs://bucket/runs, ", ""))
    assert submit("--workspace", "/workspace/data").code == 0
    (run,) = state.runs.values()
    parameters = run["runtime_config"]["parameters"]
    assert (parameters["workspace"], parameters["run"]) == ("/workspace/data", "/workspace/data/runs")


def test_the_user_interface_may_have_another_address(
    submit: Command, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KF_PIPELINES_UI_ENDPOINT", "https://kubeflow.example.com/pipeline/")
    assert submit().out == f"https://kubeflow.example.com/pipeline/#/runs/details/{next(iter(state.runs))}\n"


def test_the_same_order_twice_makes_one_run(submit: Command, state: State) -> None:
    first, second = submit(), submit()
    assert first.out == second.out
    assert ("started run" in first.err, "found run" in second.err) == (True, True)
    assert len(state.runs) == len(state.experiments) == 1


def test_another_order_makes_another_run(submit: Command, state: State, settings: Path) -> None:
    submit()
    settings.write_text(SETTINGS.replace("}}", "}, train: {seed: 1}}"))
    submit()
    submit("--pipeline", "retrain")
    assert len(state.runs) == 3
    assert len(state.experiments) == 1


@pytest.mark.parametrize(("ended", "runs"), [("RUNNING", 1), ("SUCCEEDED", 2), ("FAILED", 2), ("CANCELED", 2)])
def test_what_has_ended_may_be_ordered_again(submit: Command, state: State, ended: str, runs: int) -> None:
    submit()
    next(iter(state.runs.values()))["state"] = ended
    submit()
    assert len(state.runs) == runs


@pytest.mark.parametrize("ended", ["RUNNING", "SUCCEEDED", "FAILED", "CANCELED"])
def test_a_key_stands_for_one_run_whatever_came_of_it(
    submit: Command, state: State, settings: Path, ended: str
) -> None:
    first = submit("--idempotency-key", "event-1")
    next(iter(state.runs.values()))["state"] = ended
    settings.write_text(SETTINGS.replace("}}", "}, train: {seed: 1}}"))
    assert submit("--idempotency-key", "event-1").out == first.out
    assert submit("--idempotency-key", "event-2").out != first.out
    assert len(state.runs) == 2


def at_the_same_moment(state: State, *orders: Callable[[], Submitted]) -> list[Submitted]:
    """What orders bring that all find nothing and then create."""
    state.meeting = threading.Barrier(len(orders))
    with ThreadPoolExecutor(len(orders)) as threads:
        done = [threads.submit(order) for order in orders]
    return [submitted.result() for submitted in done]


def test_the_same_order_at_the_same_moment_makes_one_run(host: str, state: State, compiled: Path) -> None:
    def order() -> Submitted:
        return submit_order(connect(host), an_order(compiled, key="event-1"))

    done = at_the_same_moment(state, order, order)
    assert len(state.made("POST", "/runs")) == 2
    assert {submitted.id for submitted in done} == set(state.runs)
    assert len(state.runs) == 1
    assert sorted(submitted.found for submitted in done) == [False, True]


def test_the_same_recurring_run_ordered_at_the_same_moment_is_there_once(
    host: str, state: State, compiled: Path
) -> None:
    def order() -> Submitted:
        return submit_recurring(connect(host), an_order(compiled), "0 0 3 * * *")

    done = at_the_same_moment(state, order, order)
    assert len(state.made("POST", "/recurringruns")) == 2
    assert {submitted.id for submitted in done} == set(state.recurring_runs)
    assert len(state.recurring_runs) == 1


def test_of_two_recurring_runs_ordered_at_the_same_moment_the_later_one_stays(
    host: str, state: State, compiled: Path
) -> None:
    def order(cron: str) -> Callable[[], Submitted]:
        return lambda: submit_recurring(connect(host), an_order(compiled), cron)

    at_the_same_moment(state, order("0 0 3 * * *"), order("0 0 4 * * *"))
    assert len(state.made("POST", "/recurringruns")) == 2
    assert len(state.recurring_runs) == 1


def test_a_lost_answer_makes_no_second_run(backend: Backend, state: State, compiled: Path) -> None:
    state.fail("POST /runs", LOSE)
    submitted = submit_order(backend, an_order(compiled))
    assert list(state.runs) == [submitted.id]


@pytest.mark.parametrize("request_line", ["GET /runs", "GET /experiments", "POST /experiments", "POST /runs"])
@pytest.mark.parametrize("how", [503, 429, DROP])
def test_a_short_outage_is_waited_out(
    backend: Backend, state: State, compiled: Path, request_line: str, how: int | str
) -> None:
    state.fail(request_line, how, times=4 if how == DROP and request_line.startswith("GET") else 1)
    submit_order(backend, an_order(compiled))
    assert len(state.runs) == len(state.experiments) == 1


def test_an_outage_that_lasts_is_told(host: str, state: State, compiled: Path) -> None:
    backend = connect(host, patience=0)
    state.fail("POST /runs", 503)
    with pytest.raises(ClusterError, match=r"refused \(status 503\): scripted"):
        submit_order(backend, an_order(compiled))
    assert state.runs == {}


def test_an_experiment_made_by_someone_else_at_the_same_moment_is_taken(
    backend: Backend, state: State, compiled: Path
) -> None:
    state.fail("POST /experiments", LOSE)  # it is there when the request is repeated
    state.fail("GET /experiments", 409)
    submit_order(backend, an_order(compiled))
    assert len(state.experiments) == len(state.runs) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-p", "extra=3"], "extra: .*content.yaml takes no such parameter. Accepted: run, settings, workspace"),
        (["-p", "steps"], r"--parameter must have the form NAME=VALUE \(got steps\)"),
        (["-p", f"settings={'x' * 100_000}"], "settings: 100000 characters; Kubernetes hands over at most"),
        (["--pipeline", "contnet"], r"contnet: not in .*Accepted: content \(did you mean that\?\)"),
        (["--compiled", "gone"], "gone: no compiled pipelines; `platen compile --out gone` writes them"),
        (
            ["--workspace", "runs/ws"],
            "workspace: 'runs/ws' is on this machine.*gs://bucket/path, or .*below /workspace",
        ),
        (["--workspace", "/home/jo/ws"], "workspace: '/home/jo/ws' is on this machine"),
        (["--workspace", "/workspace/../etc"], "workspace: '/workspace/../etc' is on this machine"),
        (["--workspace", "s3://bucket/ws"], "no store for s3://"),
        (["--run", "runs/latest"], "run: 'runs/latest' is on this machine"),
        (["--recurring", "0 3 * *"], "4 fields. Accepted: five fields"),
        (["--recurring", "0 3 * * 1", "--wait"], "--recurring cannot be combined with --wait"),
        (["--settings", "gone.yaml"], "gone.yaml: no such settings file"),
    ],
    ids=[
        "unknown_parameter",
        "no_pair",
        "too_long",
        "unknown_pipeline",
        "nothing_compiled",
        "relative_workspace",
        "workspace_off_the_volume",
        "workspace_that_climbs_out",
        "unknown_store",
        "local_run_folder",
        "cron_with_four_fields",
        "recurring_and_wait",
        "no_settings",
    ],
)
def test_nothing_is_sent_when_something_is_wrong(
    submit: Command, state: State, arguments: list[str], words: str
) -> None:
    ended = submit(*arguments)
    assert ended.code == 2
    assert re.search(words, ended.err)
    assert state.requests == []


def test_a_namespace_is_needed_where_there_are_profiles(submit: Command, state: State) -> None:
    state.multi_user = True
    ended = submit()
    assert (ended.code, state.runs) == (2, {})
    assert "serves several users. Accepted: --namespace" in ended.err


def test_a_namespace_holds_for_all_that_is_sent(submit: Command, state: State) -> None:
    state.multi_user = True
    assert (
        submit("--namespace", "jo").code == submit("--namespace", "jo").code == submit("--namespace", "ann").code == 0
    )
    assert sorted(run["namespace"] for run in state.runs.values()) == ["ann", "jo"]
    assert sorted(found["namespace"] for found in state.experiments.values()) == ["ann", "jo"]


def test_a_recurring_run_is_what_was_ordered(submit: Command, state: State, host: str) -> None:
    ended = submit("--pipeline", "retrain", "--recurring", "30 3 * * mon")
    assert ended.code == 0, ended.err
    (made,) = state.recurring_runs.values()
    assert ended.out == f"{host}/#/recurringrun/details/{made['recurring_run_id']}\n"
    assert made["trigger"] == {"cron_schedule": {"cron": "0 30 3 * * mon"}}  # seconds first
    assert (made["mode"], made["max_concurrency"], made["no_catchup"]) == ("ENABLE", "1", True)
    assert set(made["runtime_config"]["parameters"]) == {"settings", "workspace", "run"}
    assert state.runs == {}


def test_the_same_recurring_run_is_found(submit: Command, state: State) -> None:
    first, second = (submit("--pipeline", "retrain", "--recurring", "0 3 * * *") for _ in range(2))
    assert (first.out, len(state.recurring_runs)) == (second.out, 1)


def test_a_changed_recurring_run_takes_the_place_of_the_one_with_its_name(submit: Command, state: State) -> None:
    for times in ("0 3 * * *", "0 4 * * *"):
        assert submit("--pipeline", "retrain", "--recurring", times).code == 0
        assert submit("--pipeline", "retrain", "--recurring", times, "--name", f"other {times[2]}").code == 0
    kept = {
        (found["display_name"].rpartition(" ")[0], found["trigger"]["cron_schedule"]["cron"])
        for found in state.recurring_runs.values()
    }
    assert kept == {("platen-retrain", "0 0 4 * * *"), ("other 3", "0 0 3 * * *"), ("other 4", "0 0 4 * * *")}


def test_a_lost_answer_makes_no_second_recurring_run(backend: Backend, state: State, compiled: Path) -> None:
    state.fail("POST /recurringruns", LOSE)
    submitted = submit_recurring(backend, an_order(compiled), "0 0 3 * * *")
    assert list(state.recurring_runs) == [submitted.id]


def test_what_the_server_refuses_is_told_in_its_words(backend: Backend, compiled: Path) -> None:
    with pytest.raises(RefusedError, match=r"status 400\): parameters \['run'\]; the pipeline takes"):
        submit_order(backend, an_order(compiled, parameters={"run": "gs://b/run"}))


def test_a_finished_run_is_followed_to_its_end_at_once(submit: Command, state: State) -> None:
    state.looks = [Look("SUCCEEDED", {"ingest": "SUCCEEDED", "notify": "SUCCEEDED"})]
    ended = submit("--wait")
    assert ended.code == 0, ended.err
    assert "ingest: succeeded" in ended.err
    assert "root" not in ended.err


def test_an_order_s_mark_is_the_same_in_another_process(compiled: Path) -> None:
    order = an_order(compiled)
    again = Order(read_package(compiled, "content"), json.loads(json.dumps(order.parameters)), "other", "else")
    assert order.mark == again.mark != an_order(compiled, key="event").mark

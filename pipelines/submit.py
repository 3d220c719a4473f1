"""Runs and recurring runs on Kubeflow Pipelines: the same order twice makes one."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from platen.errors import ClusterError
from platen.manifest import canonical, sha256
from platen.pipelines.backend import Backend, RefusedError
from platen.pipelines.package import Json, Package
from platen.telemetry import log

MARK = re.compile(r"(.*) ([0-9a-f]{16})")  # how a run is called: its name, and what it was ordered with
MOMENT = 1.5  # seconds until whoever gives the same order at the same moment is seen: times are whole seconds
ENDED = ("SUCCEEDED", "SKIPPED", "FAILED", "CANCELED")


@dataclass(frozen=True)
class Order:
    """What is to be run, where, under which name. `key` stands for the event that asks for it."""

    package: Package
    parameters: Json
    name: str
    experiment: str
    key: str | None = None
    service_account: str | None = None

    @property
    def mark(self) -> str:
        """Of a key, or else of everything that decides what the run does."""
        decides = [self.package.name, self.key] if self.key is not None else [self.package.body, self.parameters]
        return sha256(canonical(decides))[:16]


@dataclass(frozen=True)
class Submitted:
    """A run or a recurring run; `found` where an earlier order had made it."""

    id: str
    found: bool


def submit(backend: Backend, order: Order) -> Submitted:
    """Start a run, or find the one that this order has made already.

    With a key there is one run for it, whatever came of it. Without, a run of the same pipeline with the same
    parameters is taken that has not ended: what has ended may well be wanted again.
    """
    submitted = backend.patiently(lambda: _attempt(backend, order))
    if submitted.found:
        return submitted
    time.sleep(MOMENT)
    made = [run.run_id for run in _runs(backend, order)]
    if submitted.id in made[1:]:  # the same order was given at the same moment: the first run stays
        _delete(backend, backend.client.runs.run_service_delete_run, submitted.id)
        return Submitted(made[0], found=True)
    return submitted


def _attempt(backend: Backend, order: Order) -> Submitted:
    """Create a run, unless there is one: also an attempt whose answer was lost may have made it."""
    from kfp_server_api import V2beta1Run, V2beta1RuntimeConfig

    earlier = _runs(backend, order)
    if earlier:
        return Submitted(earlier[0].run_id, found=True)
    run = V2beta1Run(
        display_name=f"{order.name} {order.mark}",
        experiment_id=_experiment(backend, order.experiment),
        pipeline_spec=order.package.body,
        runtime_config=V2beta1RuntimeConfig(parameters=order.parameters),
        service_account=order.service_account,
    )
    made = backend.once(backend.client.runs.run_service_create_run, run)
    return Submitted(_identity(backend, made.run_id), found=False)


def _runs(backend: Backend, order: Order) -> list[Any]:
    """The runs that an order has made, the first one first."""
    answer = backend.call(
        backend.client.runs.run_service_list_runs,
        filter=_containing(order.mark),
        sort_by="created_at desc",
        page_size=100,
        **_within(backend),
    )
    runs = [run for run in answer.runs or [] if _marked(run.display_name)[1] == order.mark]
    if order.key is None:
        runs = [run for run in runs if run.state not in (*ENDED, "CANCELING")]
    return sorted(runs, key=lambda run: (run.created_at, run.run_id))


def submit_recurring(backend: Backend, order: Order, cron: str) -> Submitted:
    """Have a run started at times. There is one recurring run of a name: another one is replaced."""
    mark = sha256(canonical([order.package.body, order.parameters, cron, order.service_account]))[:16]
    api = backend.client.recurring_runs

    def attempt() -> Submitted:
        for found in _recurring_runs(backend, order.name):
            if _marked(found.display_name)[1] == mark:
                return Submitted(found.recurring_run_id, found=True)
        experiment = _experiment(backend, order.experiment)
        body = _recurring_run(order, f"{order.name} {mark}", experiment, cron)
        made = backend.once(api.recurring_run_service_create_recurring_run, body)
        return Submitted(_identity(backend, made.recurring_run_id), found=False)

    submitted = backend.patiently(attempt)
    there = _recurring_runs(backend, order.name)
    marks = [_marked(found.display_name)[1] for found in there]
    kept = marks.index(mark) if mark in marks else len(there)
    for place, found in enumerate(there):  # the same, ordered at the same moment: the first stays; else the last
        if place != kept and (place < kept or marks[place] == mark):
            _delete(backend, api.recurring_run_service_delete_recurring_run, found.recurring_run_id)
            log.info("replaced the recurring run %s (%s)", found.display_name, found.recurring_run_id)
    return submitted if kept == len(there) else Submitted(there[kept].recurring_run_id, submitted.found)


def _delete(backend: Backend, method: Callable[[str], object], name: str) -> None:
    try:
        backend.call(method, name)
    except RefusedError as error:
        if error.status != 404:  # another order deleted it first
            raise


def _recurring_run(order: Order, name: str, experiment: str, cron: str) -> Any:
    from kfp_server_api import (
        RecurringRunMode,
        V2beta1CronSchedule,
        V2beta1RecurringRun,
        V2beta1RuntimeConfig,
        V2beta1Trigger,
    )

    return V2beta1RecurringRun(
        display_name=name,
        experiment_id=experiment,
        pipeline_spec=order.package.body,
        runtime_config=V2beta1RuntimeConfig(parameters=order.parameters),
        service_account=order.service_account,
        trigger=V2beta1Trigger(cron_schedule=V2beta1CronSchedule(cron=cron)),
        mode=RecurringRunMode.ENABLE,
        max_concurrency="1",  # int64, a string in JSON
        no_catchup=True,  # times that were missed are over: one run judges all traffic since
    )


def _recurring_runs(backend: Backend, name: str) -> list[Any]:
    """The recurring runs of a name, the first one first."""
    answer = backend.call(
        backend.client.recurring_runs.recurring_run_service_list_recurring_runs,
        filter=_containing(name),
        page_size=100,
        **_within(backend),
    )
    found = [found for found in answer.recurring_runs or [] if _marked(found.display_name)[0] == name]
    return sorted(found, key=lambda found: (found.created_at, found.recurring_run_id))


def _experiment(backend: Backend, name: str) -> str:
    """The id of an experiment, which is made where there is none."""
    from kfp_server_api import V2beta1Experiment

    api = backend.client.experiments
    wanted = json.dumps({"predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": name}]})

    def attempt() -> str:
        there = backend.once(api.experiment_service_list_experiments, filter=wanted, **_within(backend)).experiments
        if there:
            return str(there[0].experiment_id)
        made = V2beta1Experiment(display_name=name, namespace=backend.namespace)
        return _identity(backend, backend.once(api.experiment_service_create_experiment, made).experiment_id)

    try:
        return backend.patiently(attempt)
    except RefusedError as error:
        if error.status != 409:
            raise
        return backend.patiently(attempt)  # another order has made it at the same moment


def _containing(text: str) -> str:
    return json.dumps({"predicates": [{"operation": "IS_SUBSTRING", "key": "display_name", "stringValue": text}]})


def _within(backend: Backend) -> dict[str, str]:
    return {"namespace": backend.namespace} if backend.namespace is not None else {}


def _marked(display_name: str | None) -> tuple[str, str]:
    found = MARK.fullmatch(display_name or "")
    return (found[1], found[2]) if found else (display_name or "", "")


def _identity(backend: Backend, found: str | None) -> str:
    if not found:
        raise ClusterError(f"{backend.host} answered with no id; what answers is perhaps not Kubeflow Pipelines")
    return found

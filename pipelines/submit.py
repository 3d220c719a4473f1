"""Runs and recurring runs on Kubeflow Pipelines: the same order given twice makes one."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from platen.core.errors import ClusterError
from platen.core.manifest import canonical, sha256
from platen.core.telemetry import log
from platen.pipelines.backend import Backend, RefusedError
from platen.pipelines.package import Json, Package

MARK = re.compile(r"(.*) ([0-9a-f]{16})")  # how a run is called: its name, and what it was ordered with
MOMENT = 1.5  # seconds until whoever gives the same order at the same moment is seen: times are whole seconds
ENDED = ("SUCCEEDED", "SKIPPED", "FAILED", "CANCELED")
ACTIVE = ("RUNTIME_STATE_UNSPECIFIED", "PENDING", "RUNNING", "PAUSED", "CANCELING")
SCHEDULE: Json = {
    "max_concurrency": "1",  # int64, a string in JSON
    "no_catchup": True,  # times that were missed are over: one run judges all traffic since
}


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
    def decides(self) -> Json:
        """Return what decides what a run does: all that is sent but its name and the experiment it is listed under."""
        return {
            "pipeline_spec": self.package.body,
            "parameters": self.parameters,
            "service_account": self.service_account,
        }

    @property
    def mark(self) -> str:
        """Hash the key, or without one everything that decides what the run does."""
        return _mark(self.decides if self.key is None else [self.package.name, self.key])

    def schedule_mark(self, cron: str) -> str:
        """Hash everything that decides what a recurring run starts, and when."""
        return _mark({**self.decides, **SCHEDULE, "cron": cron})


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
        _unless_gone(backend, backend.client.runs.run_service_delete_run, submitted.id)
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
    """Start a run at times. Of the recurring runs of a name one is enabled: that of the latest order.

    Deleting a recurring run takes the Workflow of its running run away: no exit handler, a run that stays RUNNING and
    cannot be cancelled, a training job that nobody follows. So what an order replaces is disabled, and deleted when
    none of its runs is active: by this order, or by a later one of the same name.
    """
    mark = order.schedule_mark(cron)
    submitted, changed, stays = backend.patiently(lambda: _attempt_recurring(backend, order, cron, mark))
    if changed:
        time.sleep(MOMENT)  # for orders of the same moment, and for runs that were just being started
        submitted = _settle(backend, order.name, mark, submitted, stays=stays)
    _delete_idle(backend, order.name)
    return submitted


def _attempt_recurring(backend: Backend, order: Order, cron: str, mark: str) -> tuple[Submitted, bool, bool]:
    """Have the recurring run of this order enabled and those before it disabled.

    Returns it, whether anything changed or has to, and whether it was enabled before.

    An attempt whose answer was lost may have made it.
    """
    there = _recurring_runs(backend, order.name)
    enabled = [found for found in there if not _is_disabled(found)]
    same = [found for found in there if _marked(found.display_name)[1] == mark]
    for found in same:
        if not _is_disabled(found):
            _disable(backend, enabled[: enabled.index(found)])  # an order that was interrupted leaves some
            return Submitted(found.recurring_run_id, found=True), len(enabled) > 1, True
    for found in same:
        _disable(backend, enabled)  # first: two that are enabled start two runs at a time
        if _change(backend, "enable", found):
            log.warning("enabled the recurring run %s again: it was disabled", _told(found))
            return Submitted(found.recurring_run_id, found=True), True, False
    experiment = _experiment(backend, order.experiment)
    body = _recurring_run(order, f"{order.name} {mark}", experiment, cron)
    made = backend.once(backend.client.recurring_runs.recurring_run_service_create_recurring_run, body)
    _disable(backend, enabled)  # afterwards: a refused order leaves the one before in place
    return Submitted(_identity(backend, made.recurring_run_id), found=False), True, False


def _settle(backend: Backend, name: str, mark: str, submitted: Submitted, *, stays: bool) -> Submitted:
    """Leave one enabled where several orders were given at the same moment: the last, and of the same the first.

    One that was enabled before the order and still is (`stays`) is no such case: an order that was interrupted, or
    somebody by hand, has left another enabled beside it.
    """
    enabled = [found for found in _recurring_runs(backend, name) if not _is_disabled(found)]
    if not enabled:
        return submitted
    own = [found for found in enabled if found.recurring_run_id == submitted.id]
    last = mark if stays and own else _marked(enabled[-1].display_name)[1]
    kept = next(found for found in enabled if _marked(found.display_name)[1] == last)
    _disable(backend, [found for found in enabled if found is not kept])
    if last == mark:
        return Submitted(kept.recurring_run_id, submitted.found or kept.recurring_run_id != submitted.id)
    log.warning("another order was given under the name %s at the same moment: %s is enabled", name, _told(kept))
    return submitted


def _delete_idle(backend: Backend, name: str) -> None:
    """Delete the disabled recurring runs of a name that have no active run; say which are left, and why."""
    disabled = [found for found in _recurring_runs(backend, name) if _is_disabled(found)]
    active = _active_runs(backend) if disabled else []
    for found in disabled:
        runs = [run.run_id for run in active if run.recurring_run_id == found.recurring_run_id]
        if runs:
            log.warning(
                "left the recurring run %s disabled: deleting it would cut off its run %s. The next order under this "
                "name deletes it once that has ended; `platen cancel RUN` ends it now",
                _told(found),
                ", ".join(runs),
            )
        else:
            method = backend.client.recurring_runs.recurring_run_service_delete_recurring_run
            _unless_gone(backend, method, found.recurring_run_id)
            log.info("deleted the recurring run %s: it was disabled, and none of its runs is active", _told(found))


def _active_runs(backend: Backend) -> list[Any]:
    """List the runs that have not ended.

    Which recurring run started them is compared here: a filter by recurring_run_id names a column of the database
    that some releases of Kubeflow Pipelines 2 do not have.
    """
    predicate = {"operation": "IN", "key": "state", "stringValues": {"values": ACTIVE}}
    wanted = {"filter": json.dumps({"predicates": [predicate]}), "page_size": 100, **_within(backend)}
    runs: list[Any] = []
    more: dict[str, str] = {}
    while True:
        answer = backend.call(backend.client.runs.run_service_list_runs, **wanted, **more)
        runs += answer.runs or []
        if not answer.next_page_token:
            return runs
        more = {"page_token": answer.next_page_token}


def _disable(backend: Backend, replaced: Iterable[Any]) -> None:
    for found in replaced:
        if _change(backend, "disable", found):
            log.info("disabled the recurring run %s: another takes its place", _told(found))


def _change(backend: Backend, how: str, found: Any) -> bool:
    """Enable or disable a recurring run; False where another order has deleted it meanwhile."""
    method = getattr(backend.client.recurring_runs, f"recurring_run_service_{how}_recurring_run")
    return _unless_gone(backend, method, found.recurring_run_id)


def _is_disabled(found: Any) -> bool:
    return bool(found.status == "DISABLED")


def _told(found: Any) -> str:
    return f"{found.display_name} ({found.recurring_run_id})"


def _unless_gone(backend: Backend, method: Callable[[str], object], name: str) -> bool:
    """Call a method on what another order may have deleted first; whether it was still there."""
    try:
        backend.call(method, name)
    except RefusedError as error:
        if error.status != 404:
            raise
        return False
    return True


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
        **SCHEDULE,
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


def _mark(decides: Any) -> str:
    return sha256(canonical(decides))[:16]


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

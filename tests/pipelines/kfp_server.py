"""Kubeflow Pipelines' API in small, over real HTTP: what is sent is held against the models of kfp_server_api.

A field that the installed package does not know, or a value of another type, is answered with 400, as are a pipeline
that is none and parameters that it does not take. Runs go through states that a test writes down, one for each look.

States are those of a real installation (2.17): errors are never told, a run that is cancelled is CANCELING and then
FAILED, never CANCELED, and only the history of its states tells the two apart.
"""

from __future__ import annotations

import inspect
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import kfp_server_api
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

PREFIX = "/apis/v2beta1"
PLAIN: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}
DROP, LOSE = "drop", "lose"  # the connection is closed before the request is looked at; after, without an answer
Json = dict[str, Any]


class RefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def check(value: Any, kind: str, where: str) -> None:
    """Hold a value against a type as the generated models name it."""
    if kind in PLAIN:
        if not isinstance(value, PLAIN[kind]) or (isinstance(value, bool) and kind != "bool"):
            raise RefusedError(400, f"{where}: {value!r} is no {kind}")
    elif kind == "datetime":
        datetime.fromisoformat(value)
    elif kind.startswith("list["):
        for number, item in enumerate(value):
            check(item, kind[5:-1], f"{where}[{number}]")
    elif kind.startswith("dict("):
        for name, item in value.items():
            check(item, kind[5:-1].partition(", ")[2], f"{where}.{name}")
    elif kind != "object":
        check_model(value, getattr(kfp_server_api, kind), where)


def check_model(value: Any, model: Any, where: str) -> None:
    if hasattr(model, "allowable_values"):
        if value not in model.allowable_values:
            raise RefusedError(400, f"{where}: {value!r} is none of {model.allowable_values}")
        return
    if not isinstance(value, dict):
        raise RefusedError(400, f"{where}: {value!r} is no {model.__name__}")
    kinds = {key: model.openapi_types[name] for name, key in model.attribute_map.items()}
    for key, item in value.items():
        if key not in kinds:
            raise RefusedError(400, f"{where}: unknown field {key!r}")
        check(item, kinds[key], f"{where}.{key}")


def check_query(query: dict[str, str], api: Any, method: str) -> None:
    source = inspect.getsource(getattr(api, f"{method}_with_http_info"))
    unknown = query.keys() - set(re.findall(r"query_params\.append\(\('(\w+)'", source))
    if unknown:
        raise RefusedError(400, f"unknown parameter {min(unknown)!r}")


def check_pipeline(body: Json) -> None:
    """As the real server does: the specification is one, and the parameters are what it takes."""
    given = body.get("pipeline_spec") or {}
    try:
        spec = json_format.ParseDict(given.get("pipeline_spec", given), pipeline_spec_pb2.PipelineSpec())
        json_format.ParseDict(given.get("platform_spec", {}), pipeline_spec_pb2.PlatformSpec())
    except json_format.ParseError as error:
        raise RefusedError(400, f"pipeline_spec: {error}") from None
    taken = set(spec.root.input_definitions.parameters)
    parameters = set(body.get("runtime_config", {}).get("parameters", {}))
    if taken != parameters:
        raise RefusedError(400, f"parameters {sorted(parameters)}; the pipeline takes {sorted(taken)}")


@dataclass
class Look:
    """What a look at a run shows."""

    state: str
    tasks: dict[str, str] = field(default_factory=dict)


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    body: Any
    authorization: str | None


@dataclass
class State:
    """What the server holds, and how a test wants it to behave."""

    multi_user: bool = False
    token: str | None = None
    forbidden: set[str] = field(default_factory=set)
    login_page: bool = False
    looks: list[Look] = field(default_factory=lambda: [Look("PENDING")])
    meeting: threading.Barrier | None = None  # runs are made only when so many were asked for
    runs: dict[str, Json] = field(default_factory=dict)
    recurring_runs: dict[str, Json] = field(default_factory=dict)
    cut_off: dict[str, bool] = field(default_factory=dict)  # runs whose Workflow is gone; whether one tried to end them
    experiments: dict[str, Json] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    faults: list[tuple[str, int | str]] = field(default_factory=list)
    terminated: list[str] = field(default_factory=list)
    lock: Any = field(default_factory=threading.RLock)

    def fail(self, request: str, how: int | str, times: int = 1) -> None:
        """Answer the next requests, `METHOD /path` as a pattern, with a status, or not at all."""
        self.faults += [(request, how)] * times

    def fault(self, request: str) -> int | str | None:
        with self.lock:
            for fault in self.faults:
                if re.fullmatch(fault[0], request):
                    self.faults.remove(fault)
                    return fault[1]
        return None

    def fire(self, recurring_run_id: str) -> Json:
        """Have a recurring run start a run, as its times come."""
        with self.lock:
            schedule = self.recurring_runs[recurring_run_id]
            assert schedule["status"] == "ENABLED"
            copied = ("experiment_id", "pipeline_spec", "runtime_config", "service_account", "namespace")
            made = {name: schedule[name] for name in copied if name in schedule}
            made.update(run_id=str(uuid4()), recurring_run_id=recurring_run_id, created_at=now(), state="RUNNING")
            made["state_history"] = [{"update_time": now(), "state": "RUNNING"}]
            self.runs[made["run_id"]] = {**made, "display_name": "run-of-a-schedule", "looks": [Look("RUNNING")]}
            return self.runs[made["run_id"]]

    def made(self, method: str, path: str) -> list[Request]:
        return [found for found in self.requests if found.method == method and re.fullmatch(PREFIX + path, found.path)]


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def answer(state: State, request: Request) -> Json:
    """What the server does with a request that is in order."""
    path = request.path.removeprefix(PREFIX)
    if path == "/healthz":
        return {"multi_user": state.multi_user}
    for pattern, handle in ROUTES[request.method].items():
        found = re.fullmatch(pattern, path)
        if found:
            with state.lock:
                return handle(state, request, *found.groups())
    raise RefusedError(404, f"no {request.method} {path}")


def listing(name: str, api: Any, method: str, response: Any) -> Callable[[State, Request], Json]:
    def handle(state: State, request: Request) -> Json:
        check_query(request.query, api, method)
        namespace = authorised(state, request.query.get("namespace"))
        predicates = read_filter(name, request.query.get("filter"))
        found = [
            shown(item)
            for item in getattr(state, name).values()
            if item["namespace"] == namespace and all(matches(item, predicate) for predicate in predicates)
        ]
        order, _, direction = request.query.get("sort_by", "created_at").partition(" ")
        found.sort(key=lambda item: item[order], reverse=direction == "desc")
        size = min(int(request.query.get("page_size", PAGE)), LARGEST_PAGE)
        first = int(request.query.get("page_token") or 0)
        more = {"next_page_token": str(first + size)} if len(found) > first + size else {}
        page = {response.attribute_map[name]: found[first : first + size]} if found else {}
        return {**page, **more, "total_size": len(found)}

    return handle


def shown(item: Json) -> Json:
    """Namespaces are no field of a run."""
    return {key: value for key, value in item.items() if key not in ("namespace", "looks")}


def read_filter(kind: str, text: str | None) -> list[Json]:
    """The predicates of a filter, as the real server parses them: v2beta1.Filter by protobuf's JSON, known fields."""
    predicates: list[Json] = json.loads(text or "{}").get("predicates", [])
    for predicate in predicates:
        check_model(predicate, Predicate, "filter")
        if predicate["key"] not in FILTERED[kind]:
            raise RefusedError(400, f"no support for filtering on unrecognized field {predicate['key']!r}")
        if kind == "runs" and predicate["key"] in ("recurring_run_id", "experiment_id"):
            # releases differ in the column that they look in; 2.0's is not there
            raise RefusedError(500, f"Failed to list runs: unknown column of {predicate['key']}")
        many = predicate["operation"] == "IN"
        if many == ("stringValue" in predicate):
            raise RefusedError(400, f"cannot use operator {predicate['operation']} with that type of value")
    return predicates


def matches(item: Json, predicate: Json) -> bool:
    """As the database compares: without regard to case, and `%` and `_` of a substring stand for others."""
    value = str(item.get(predicate["key"], "")).lower()
    if predicate["operation"] == "IN":
        return value in [wanted.lower() for wanted in predicate["stringValues"]["values"]]
    wanted = predicate["stringValue"].lower()
    like = re.escape(wanted).replace("%", ".*").replace("_", ".")
    kept = {
        "EQUALS": value == wanted,
        "NOT_EQUALS": value != wanted,
        "IS_SUBSTRING": re.search(like, value, re.DOTALL) is not None,
    }
    return kept[predicate["operation"]]


def authorised(state: State, namespace: str | None) -> str:
    if not state.multi_user:
        return ""
    if not namespace:
        raise RefusedError(400, "Invalid input error: namespace is empty in multi-user mode")
    if namespace in state.forbidden:
        raise RefusedError(403, f"User 'jo' is not authorized in namespace {namespace}")
    return namespace


def create_experiment(state: State, request: Request) -> Json:
    check_model(request.body, kfp_server_api.V2beta1Experiment, "experiment")
    namespace = authorised(state, request.body.get("namespace"))
    name = request.body["display_name"]
    if any((one["display_name"], one["namespace"]) == (name, namespace) for one in state.experiments.values()):
        raise RefusedError(409, f"Already exist error: the experiment {name} exists")
    made = {**request.body, "experiment_id": str(uuid4()), "namespace": namespace, "created_at": now()}
    state.experiments[made["experiment_id"]] = made
    return made


def experiment_of(state: State, body: Json) -> Json:
    if body.get("experiment_id") not in state.experiments:
        raise RefusedError(404, f"experiment {body.get('experiment_id')} not found")
    return state.experiments[body["experiment_id"]]


def create_run(state: State, request: Request) -> Json:
    check_model(request.body, kfp_server_api.V2beta1Run, "run")
    check_pipeline(request.body)
    namespace = authorised(state, experiment_of(state, request.body)["namespace"] or None)
    made = {**request.body, "run_id": str(uuid4()), "created_at": now(), "state": "PENDING"}
    made["state_history"] = [{"update_time": now(), "state": "PENDING"}]
    state.runs[made["run_id"]] = {**made, "namespace": namespace, "looks": list(state.looks)}
    return made


def create_recurring_run(state: State, request: Request) -> Json:
    check_model(request.body, kfp_server_api.V2beta1RecurringRun, "recurring_run")
    check_pipeline(request.body)
    if not 1 <= int(request.body["max_concurrency"]) <= 10:
        raise RefusedError(400, "max concurrency of the recurring run is out of range")
    namespace = authorised(state, experiment_of(state, request.body)["namespace"] or None)
    made = {**request.body, "recurring_run_id": str(uuid4()), "created_at": now(), "namespace": namespace}
    made["status"] = "DISABLED" if request.body.get("mode") == "DISABLE" else "ENABLED"
    state.recurring_runs[made["recurring_run_id"]] = made
    return made


def run_at(state: State, run_id: str) -> Json:
    if run_id not in state.runs:
        raise RefusedError(404, f"ResourceNotFoundError: Run {run_id} not found")
    return state.runs[run_id]


def get_run(state: State, request: Request, run_id: str) -> Json:
    run = run_at(state, run_id)
    look = run["looks"].pop(0) if len(run["looks"]) > 1 else run["looks"][0]
    enter(run, cancelled(run) if run_id in state.terminated else look.state)
    names = {"root-driver": "SUCCEEDED", "root": run["state"], **look.tasks}
    run["run_details"] = {"task_details": [task_of(run_id, name, found) for name, found in names.items()]}
    return shown(run)


def cancelled(run: Json) -> str:
    """A run that was told to end is CANCELING until Argo has ended its pods; then it has FAILED."""
    return "FAILED" if run["state"] in ("CANCELING", "FAILED") else "CANCELING"


def enter(run: Json, state: str) -> None:
    """Have a run enter a state; its history keeps all of them."""
    if run["state"] != state:
        run["state"] = state
        run["state_history"].append({"update_time": now(), "state": state})


def task_of(run_id: str, name: str, state: str) -> Json:
    """As the API tells of a task: `pod_name` is Argo's id of a node, and no pod's name; there is no error."""
    details = {"run_id": run_id, "task_id": str(uuid4()), "display_name": name, "state": state}
    return {**details, "create_time": now(), "child_tasks": [{"pod_name": f"platen-content-x7k2p-{len(name)}"}]}


def terminate_run(state: State, request: Request, run_id: str) -> Json:
    run_at(state, run_id)
    state.terminated.append(run_id)
    return {}


def delete(name: str) -> Callable[[State, Request, str], Json]:
    def handle(state: State, request: Request, found: str) -> Json:
        if getattr(state, name).pop(found, None) is None:
            raise RefusedError(404, f"{found} not found")
        return {}

    return handle


def delete_recurring_run(state: State, request: Request, found: str) -> Json:
    """A ScheduledWorkflow owns the Workflows of its runs: what runs is gone with it, and its run is never told so."""
    delete("recurring_runs")(state, request, found)
    for run in state.runs.values():
        if run.get("recurring_run_id") == found and run["state"] not in ENDED:
            run.update(state="RUNNING", looks=[Look("RUNNING")])
            state.cut_off[run["run_id"]] = False
    return {}


def terminate(state: State, request: Request, run_id: str) -> Json:
    """A run is CANCELING before its Workflow is looked for; from then on nobody may cancel it again."""
    if run_id not in state.cut_off:
        return terminate_run(state, request, run_id)
    if state.cut_off[run_id]:
        raise RefusedError(400, f"Failed to terminate a run {run_id}. Row not found")
    state.cut_off[run_id] = True
    raise RefusedError(500, f"Failed to terminate run {run_id} due to error terminating its workflow: not found")


def change(status: str) -> Callable[[State, Request, str], Json]:
    def handle(state: State, request: Request, found: str) -> Json:
        if found not in state.recurring_runs:
            raise RefusedError(404, f"recurring run {found} not found")
        state.recurring_runs[found].update(status=status, mode=status[:-1])
        return {}

    return handle


PAGE, LARGEST_PAGE = 20, 200
ENDED = ("SUCCEEDED", "SKIPPED", "FAILED", "CANCELED")
NAMED = {"id", "name", "display_name", "created_at", "description"}
FILTERED = {
    "runs": NAMED
    | {"run_id", "finished_at", "scheduled_at", "storage_state", "status", "namespace", "experiment_id", "state"}
    | {"state_history", "runtime_details", "recurring_run_id"},
    "recurring_runs": NAMED | {"recurring_run_id", "updated_at"},
    "experiments": NAMED | {"experiment_id", "namespace", "storage_state", "last_run_created_at"},
}


class Predicate:
    """kfp_server_api's V2beta1Predicate has no names in JSON for what protobuf writes in camel case."""

    openapi_types = {  # noqa: RUF012
        "operation": "V2beta1PredicateOperation",
        "key": "str",
        "string_value": "str",
        "string_values": "PredicateStringValues",
    }
    attribute_map = {  # noqa: RUF012
        "operation": "operation",
        "key": "key",
        "string_value": "stringValue",
        "string_values": "stringValues",
    }


ID = r"([0-9a-f-]{36})"
ROUTES: dict[str, dict[str, Callable[..., Json]]] = {
    "GET": {
        "/experiments": listing(
            "experiments",
            kfp_server_api.ExperimentServiceApi,
            "experiment_service_list_experiments",
            kfp_server_api.V2beta1ListExperimentsResponse,
        ),
        "/runs": listing(
            "runs",
            kfp_server_api.RunServiceApi,
            "run_service_list_runs",
            kfp_server_api.V2beta1ListRunsResponse,
        ),
        "/recurringruns": listing(
            "recurring_runs",
            kfp_server_api.RecurringRunServiceApi,
            "recurring_run_service_list_recurring_runs",
            kfp_server_api.V2beta1ListRecurringRunsResponse,
        ),
        f"/runs/{ID}": get_run,
    },
    "POST": {
        "/experiments": create_experiment,
        "/runs": create_run,
        "/recurringruns": create_recurring_run,
        f"/runs/{ID}:terminate": terminate,
        f"/recurringruns/{ID}:enable": change("ENABLED"),
        f"/recurringruns/{ID}:disable": change("DISABLED"),
    },
    "DELETE": {f"/runs/{ID}": delete("runs"), f"/recurringruns/{ID}": delete_recurring_run},
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: State

    def handle_request(self) -> None:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        request = Request(self.command, parts.path, query, body, self.headers.get("Authorization"))
        self.state.requests.append(request)
        fault = self.state.fault(f"{self.command} {parts.path.removeprefix(PREFIX)}")
        if fault == DROP:
            self.close_connection = True
            return
        try:
            if isinstance(fault, int):
                raise RefusedError(fault, "scripted")
            if self.state.token is not None and request.authorization != f"Bearer {self.state.token}":
                raise RefusedError(401, "Request header error: there is no user identity header")
            if self.state.meeting is not None and self.command == "POST" and parts.path.endswith("runs"):
                self.state.meeting.wait(timeout=60)
            status, said = 200, answer(self.state, request)
        except RefusedError as refusal:
            status, said = refusal.status, {"error": str(refusal), "code": 3, "message": str(refusal), "details": []}
        if fault == LOSE:
            self.close_connection = True
            return
        self.send(status, said)

    def send(self, status: int, said: Json) -> None:
        page = self.state.login_page
        data = b"<html>Sign in</html>" if page else json.dumps(said).encode()
        self.send_response(200 if page else status)
        self.send_header("Content-Type", "text/html" if page else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = handle_request  # noqa: N815 - the names that http.server calls

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def kfp_server() -> Iterator[tuple[str, State]]:
    """The address of a fresh server, and its state."""
    state = State()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"state": state}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

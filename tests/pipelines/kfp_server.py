"""Kubeflow Pipelines' API in small, over real HTTP: what is sent is held against the models of kfp_server_api.

A field that the installed package does not know, or a value of another type, is answered with 400, as are a pipeline
that is none and parameters that it does not take. Runs go through states that a test writes down, one for each look.
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
    error: str | None = None


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
        found = [
            shown(item)
            for item in getattr(state, name).values()
            if item["namespace"] == namespace and matches(item, request.query.get("filter"))
        ]
        order, _, direction = request.query.get("sort_by", "created_at").partition(" ")
        found.sort(key=lambda item: item[order], reverse=direction == "desc")
        return {response.attribute_map[name]: found[: int(request.query.get("page_size", 10))]} if found else {}

    return handle


def shown(item: Json) -> Json:
    """Namespaces are no field of a run."""
    return {key: value for key, value in item.items() if key not in ("namespace", "looks")}


def matches(item: Json, text: str | None) -> bool:
    for predicate in json.loads(text or "{}").get("predicates", []):
        if predicate.keys() != {"operation", "key", "stringValue"} or predicate["key"] not in ("display_name", "state"):
            raise RefusedError(400, f"filter: {predicate}")
        value, wanted = item[predicate["key"]], predicate["stringValue"]
        kept = {"EQUALS": value == wanted, "IS_SUBSTRING": wanted in value}
        if not kept[predicate["operation"]]:
            return False
    return True


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
    state.runs[made["run_id"]] = {**made, "namespace": namespace, "looks": list(state.looks)}
    return made


def create_recurring_run(state: State, request: Request) -> Json:
    check_model(request.body, kfp_server_api.V2beta1RecurringRun, "recurring_run")
    check_pipeline(request.body)
    if not 1 <= int(request.body["max_concurrency"]) <= 10:
        raise RefusedError(400, "max concurrency of the recurring run is out of range")
    namespace = authorised(state, experiment_of(state, request.body)["namespace"] or None)
    made = {**request.body, "recurring_run_id": str(uuid4()), "created_at": now(), "namespace": namespace}
    state.recurring_runs[made["recurring_run_id"]] = made
    return made


def run_at(state: State, run_id: str) -> Json:
    if run_id not in state.runs:
        raise RefusedError(404, f"ResourceNotFoundError: Run {run_id} not found")
    return state.runs[run_id]


def get_run(state: State, request: Request, run_id: str) -> Json:
    run = run_at(state, run_id)
    look = run["looks"].pop(0) if len(run["looks"]) > 1 else run["looks"][0]
    run["state"] = "CANCELED" if run_id in state.terminated else look.state
    names = {"root-driver": "SUCCEEDED", "root": look.state, **look.tasks}
    run["run_details"] = {"task_details": [{"display_name": name, "state": found} for name, found in names.items()]}
    if look.error is not None:
        run["error"] = {"code": 13, "message": look.error}
    return shown(run)


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
        f"/runs/{ID}:terminate": terminate_run,
    },
    "DELETE": {f"/runs/{ID}": delete("runs"), f"/recurringruns/{ID}": delete("recurring_runs")},
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

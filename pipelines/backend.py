"""Kubeflow Pipelines' API, through kfp.Client: connection, credentials, refusals in words, short outages waited out.

Of kfp.Client its connection and the generated API below it are used, not its methods: those print links, have no time
limit, write the namespace to a file in HOME, and wait without end for a run that was cancelled (kfp 2.17.0).
"""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from platen.core.errors import ClusterError, InputError
from platen.core.retry import retry
from platen.jobs.cluster import own_namespace

if TYPE_CHECKING:
    from kfp import Client

T = TypeVar("T")

HOST, UI_HOST = "KF_PIPELINES_ENDPOINT", "KF_PIPELINES_UI_ENDPOINT"  # variables that kfp.Client reads
TOKEN = "KFP_EXISTING_TOKEN"  # noqa: S105 - the variable that the kfp command reads
TOKEN_PATH = "KF_PIPELINES_SA_TOKEN_PATH"  # noqa: S105 - names a mounted service account token, for kfp.Client
IN_CLUSTER = "http://ml-pipeline.kubeflow.svc.cluster.local:8888"
FORWARD = (
    "where it has none outside the cluster: `kubectl port-forward -n kubeflow service/ml-pipeline-ui 8080:80` "
    "and --host http://localhost:8080"
)
PATIENCE = 60.0  # seconds that the API may be away
TIMES = (10, 60)  # seconds for a connection and for an answer
HINTS = {
    401: f". Accepted: a valid token, in --token-file or {TOKEN}",
    403: ". Accepted: a namespace (--namespace) in which your account may do this",
}
TRANSIENT = (408, 429, 500, 502, 503, 504)


class PassingError(ClusterError):
    """A failure that may go away by itself."""


class RefusedError(InputError):
    """The API refused what was asked of it; `status` is its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Backend:
    """A connection that has answered, and the namespace of what is asked for; none where there is one user only."""

    client: Client
    host: str
    namespace: str | None
    patience: float = PATIENCE

    def call(self, method: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """One request, repeated for a while where the API is away. Only for what may be done twice."""
        return self.patiently(lambda: self.once(method, *arguments, **named))

    def patiently(self, attempt: Callable[[], T]) -> T:
        """Try until an attempt raises no PassingError, or patience is over."""
        return retry(attempt, PassingError, self.patience)

    def once(self, method: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """One request.

        Raises:
            RefusedError: Credentials, rights, or what was asked for.
            InputError: The token file cannot be read any more.
            PassingError: Away, or in trouble.
            ClusterError: What answered is not Kubeflow Pipelines.
        """
        import urllib3
        from kfp_server_api import ApiException

        try:
            return method(*arguments, _request_timeout=TIMES, **named)
        except ApiException as error:
            raise _refusal(self.host, error.status, error.body, str(error.reason)) from None
        except urllib3.exceptions.HTTPError as error:
            raise PassingError(f"{self.host} cannot be reached ({_innermost(error)})") from None
        except OSError as error:  # the token file is read for every request
            raise InputError(f"{error.filename or self.host}: {error.strerror}") from None
        except ValueError as error:
            raise ClusterError(f"{self.host} gave an answer that kfp_server_api cannot read: {error}") from None

    def url(self, kind: str, name: str) -> str:
        """Where the user interface shows a run or a recurring run."""
        return f"{os.environ.get(UI_HOST, self.host).rstrip('/')}/#/{kind}/details/{name}"


def connect(
    host: str | None = None, namespace: str | None = None, token_file: Path | None = None, patience: float = PATIENCE
) -> Backend:
    """Connect, and have it answer once.

    Args:
        host: Address of Kubeflow Pipelines; none: KF_PIPELINES_ENDPOINT, in a pod the service `ml-pipeline`.
        namespace: Of the profile that the run is for, where there are profiles; none: the pod's own.
        token_file: Holds a bearer token, read again for every request; none: KFP_EXISTING_TOKEN, a mounted token.
        patience: Seconds that the API may be away later on.

    Raises:
        InputError: The address, the credentials or the namespace cannot be used.
        ClusterError: It cannot be reached.
    """
    from kfp import Client

    address = checked_host(host or os.environ.get(HOST) or (IN_CLUSTER if own_namespace() else ""))
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its retries are told by `patiently`
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # the namespace given here is not used, and keeps kfp.Client from asking for one with 25 s of retries
        client = Client(
            host=address,
            namespace=namespace or "none",
            ssl_ca_cert=os.environ.get("SSL_CERT_FILE"),
            **_credentials(token_file),
        )
    backend = Backend(client, address, None, patience)
    if not _has_profiles(backend):
        return backend
    profile = namespace or own_namespace()
    if profile is None:
        raise InputError(f"{address} serves several users. Accepted: --namespace with the one of your profile")
    return Backend(client, address, profile, patience)


def checked_host(host: str) -> str:
    """An address without what a browser shows behind it. Raises InputError where it is none."""
    if not host:
        raise InputError(f"no address of Kubeflow Pipelines. Accepted: --host URL, or {HOST}=URL")
    if not host.startswith(("http://", "https://")) or "#" in host or "?" in host:
        raise InputError(f"--host {host}: accepted: a URL up to the path of the API, as https://HOST/pipeline")
    return host.rstrip("/")


def _credentials(token_file: Path | None) -> dict[str, Any]:
    from kfp.client import KF_PIPELINES_SA_TOKEN_PATH, ServiceAccountTokenVolumeCredentials

    if token_file is not None:
        _check_token(token_file)
        return {"credentials": ServiceAccountTokenVolumeCredentials(path=str(token_file))}
    if os.environ.get(TOKEN):
        return {"existing_token": os.environ[TOKEN]}
    mounted = Path(os.environ.get(TOKEN_PATH) or KF_PIPELINES_SA_TOKEN_PATH)
    if TOKEN_PATH in os.environ or mounted.exists():
        _check_token(mounted)
        return {"credentials": ServiceAccountTokenVolumeCredentials()}
    return {}


def _check_token(path: Path) -> None:
    try:
        lines = path.read_text(encoding="ascii").split()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}. Accepted: a file that holds a bearer token") from None
    except UnicodeDecodeError:
        lines = []
    if len(lines) != 1:
        raise InputError(f"{path}: holds no bearer token. Accepted: one word, and nothing else")


def _has_profiles(backend: Backend) -> bool:
    """Whether the installation serves several users; also tells an API from a login page, which answers as well."""
    try:
        answer = backend.once(backend.client.healthzs.healthz_service_get_healthz, _preload_content=False)
    except PassingError as error:
        raise ClusterError(f"{error}. Check the address; {FORWARD}") from None
    try:
        health = json.loads(answer.data)
    except ValueError:
        health = None
    if not isinstance(health, Mapping):
        raise InputError(
            f"{backend.host}: what answers is not Kubeflow Pipelines, perhaps a login page. "
            f"Accepted: the URL of its API, with --token-file or {TOKEN} where it asks who you are"
        )
    return bool(health.get("multi_user"))


def _refusal(host: str, status: int, body: Any, reason: str) -> Exception:
    said = f"{host} refused (status {status}): {_words(body) or reason}"
    if status in TRANSIENT:
        return PassingError(said)
    if not 400 <= status < 500:
        return ClusterError(said)
    return RefusedError(status, f"{said}{HINTS.get(status, '')}")


def _words(body: Any) -> str:
    try:
        found = json.loads(body)
        return str(found.get("message") or found.get("error") or "")
    except (TypeError, ValueError, AttributeError):
        return ""


def _innermost(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return f"{type(reason or error).__name__}: {reason or error}".replace("\n", " ")

"""The container's termination log, where Kubernetes takes the last words of a container from.

When a container ends, the kubelet copies up to 4096 bytes of this file to `state.terminated.message` of the pod.
Argo Workflows, which runs the tasks of Kubeflow Pipelines, makes a failed node's message of it: inferFailedReason
(argoproj/argo-workflows, workflow/controller/operator.go) returns `<container>: <reason> (exit code <n>): <message>` of
the main container, unless the pod has a message of its own (evicted, deadline exceeded). Argo's executor leaves the
file alone when the command ends with an exit code (cmd/argoexec/main.go). The command there is the launcher of Kubeflow
Pipelines, which ends with 1 whatever the task ended with (glog.Exit in backend/src/v2/cmd/launcher-v2/main.go), so a
node reads `main: Error (exit code 1): gate: the model is not promoted: ...`.
"""

from __future__ import annotations

import contextlib
import os

VARIABLE = "PLATEN_TERMINATION_LOG"  # for pods with a terminationMessagePath of their own; empty: written nowhere
DEFAULT = "/dev/termination-log"
LIMIT = 4096  # bytes that Kubernetes keeps


def write_termination_log(text: str) -> None:
    """Write why this container fails; does nothing outside of Kubernetes, or where the file cannot be written.

    The file is never created: where a container has a termination log, Kubernetes has put it there.
    """
    path = os.environ.get(VARIABLE, DEFAULT if "KUBERNETES_SERVICE_HOST" in os.environ else "")
    if not path:
        return
    with contextlib.suppress(OSError), os.fdopen(os.open(path, os.O_WRONLY | os.O_TRUNC), "wb") as file:
        file.write(cut(text))


def cut(text: str) -> bytes:
    """Encode as UTF-8, in at most LIMIT bytes; what is longer ends with an ellipsis after a whole character."""
    data = text.encode(errors="replace")
    if len(data) <= LIMIT:
        return data
    ellipsis = "…".encode()
    return data[: LIMIT - len(ellipsis)].decode(errors="ignore").encode() + ellipsis

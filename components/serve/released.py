"""Which model is served: the one that was named, the one that is live in a workspace, or the one set on the pod."""

from __future__ import annotations

import os

from platen.artifacts import releases
from platen.core.errors import CorruptError, InputError
from platen.core.stage import Folder, open_folder

MODEL, DIGEST, WORKSPACE = "PLATEN_MODEL", "PLATEN_MODEL_DIGEST", "PLATEN_WORKSPACE"  # the environment of a pod


def find_model(model: str | None, workspace: str | None) -> Folder | None:
    """The committed model to serve: the one named, the one that is live in a workspace, or the one set on the pod.

    None in a pod that waits for its first release. Raises InputError where nothing is given or live, or the folder is
    not a model.
    """
    if model is None and workspace is None:
        return released()
    if model is None:
        live = releases.load(workspace or "").live
        if live is None:
            raise InputError(f"{workspace}: no model is live here yet; run the pipeline, or name one with --model")
        model = live.model
    return open_model(model, workspace or "")


def released() -> Folder | None:
    """The model that `deploy` set on this pod by its URI and digest; None where it has set none yet.

    Raises InputError where only one of the two is set or this is no pod, CorruptError where another model is there.
    """
    model, digest = os.environ.get(MODEL), os.environ.get(DIGEST)
    if not model and not digest:
        if "KUBERNETES_SERVICE_HOST" in os.environ:
            return None
        raise InputError(
            "nothing to serve. Accepted: --model URI of a committed model, --workspace PATH, "
            f"or {MODEL} and {DIGEST} in the environment"
        )
    if not model or not digest:
        raise InputError(f"only one of {MODEL} and {DIGEST} is set; set both, or neither to wait for a release")
    folder = open_model(model, os.environ.get(WORKSPACE, ""))
    if folder.digest != digest:
        raise CorruptError(f"{folder.uri}: its manifest has the digest {folder.digest}; {DIGEST} says {digest}")
    return folder


def open_model(uri: str, workspace: str) -> Folder:
    """A committed model. Raises InputError where the folder is something else."""
    folder = open_folder(uri, workspace)
    if folder.manifest.kind != "model":
        raise InputError(f"{folder.uri}: a {folder.manifest.kind}. Accepted: a committed model")
    return folder

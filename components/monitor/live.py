"""What is live in a workspace, as the inputs that monitor reads."""

from __future__ import annotations

from platen.artifacts import releases
from platen.artifacts.metadata import ReleaseMetadata
from platen.core.errors import InputError
from platen.core.lineage import walk
from platen.core.stage import find
from platen.core.storage import join, store_for


def live_inputs(workspace: str) -> dict[str, str]:
    """URIs of the live model's release and of the data set it was trained on.

    Raises InputError where nothing is live, or where one of the two is gone.
    """
    live = releases.load(workspace).live
    if live is None:
        raise InputError(
            f"{workspace}: no release is live here, so there is no traffic to evaluate; run the content pipeline"
        )
    datasets = (link.folder.uri for link in walk(live.model) if link.folder.manifest.made_by.stage == "merge")
    dataset = next(datasets, None)
    release = release_of(workspace, live.digest)
    if dataset is None or release is None:
        missing = "the data set it was trained on" if dataset is None else "its release"
        raise InputError(f"{live.model}: is live, but {missing} is not in {workspace}")
    return {"release": release, "dataset": dataset}


def release_of(workspace: str, model: str) -> str | None:
    """The committed release of a model, by its digest."""
    for name in store_for(workspace).list(join(workspace, "deploy")):
        found = None if name.startswith(".") else find(join(workspace, "deploy", name))
        if found is not None and ReleaseMetadata.of(found).model == model:
            return found.uri
    return None

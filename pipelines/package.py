"""A compiled pipeline: what it takes, what its pods mount, and its tasks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

from platen.core.errors import InputError, SettingsError
from platen.core.settings import nearest
from platen.core.storage import is_local, join
from platen.jobs.preflight import check_workspace

if TYPE_CHECKING:
    from platen.pipelines.settings import RunSettings

Json = dict[str, Any]

SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where libyaml is
ARGUMENT_BYTES = 100_000  # Linux takes 131,072 a command line argument; KFP adds the run's other parameters
TYPES: dict[str, tuple[type, ...]] = {
    "NUMBER_INTEGER": (int,),
    "NUMBER_DOUBLE": (int, float),
    "BOOLEAN": (bool,),
    "LIST": (list,),
    "STRUCT": (dict,),
}


@dataclass(frozen=True)
class Package:
    """The two documents of a compiled file."""

    path: Path
    spec: Json
    platform: Json

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return str(self.spec["pipelineInfo"]["name"])

    @property
    def body(self) -> Json:
        """What the API takes."""
        return {"pipeline_spec": self.spec, "platform_spec": self.platform} if self.platform else self.spec

    @property
    def parameters(self) -> Mapping[str, Json]:
        """What the pipeline takes, by name."""
        found: Json = self.spec["root"].get("inputDefinitions", {}).get("parameters", {})
        return found

    @property
    def tasks(self) -> frozenset[str]:
        """The names of the tasks that run something; graphs within the graph are left out."""
        components = self.spec["components"]
        graphs = [self.spec["root"], *components.values()]
        tasks = [item for graph in graphs for item in graph.get("dag", {}).get("tasks", {}).items()]
        return frozenset(name for name, task in tasks if "executorLabel" in components[task["componentRef"]["name"]])

    @property
    def claims(self) -> dict[str, str]:
        """The PersistentVolumeClaims that every pod mounts, by name, and where."""
        found = [
            {mount["constant"]: mount["mountPath"] for mount in pod.get("pvcMount", []) if "constant" in mount}
            for pod in self._pods()
        ]
        return {claim: path for claim, path in found[0].items() if all(other.get(claim) == path for other in found)}

    @property
    def mounts(self) -> list[str]:
        """The paths at which every pod has a volume."""
        paths = [{mount["mountPath"] for mount in pod.get("pvcMount", [])} for pod in self._pods()]
        return sorted(set.intersection(*paths))

    @property
    def pull_secrets(self) -> list[str]:
        """The Secrets that the pods' images are pulled with."""
        names = [secret["secretName"] for pod in self._pods() for secret in pod.get("imagePullSecret", [])]
        return list(dict.fromkeys(names))

    def _pods(self) -> list[Json]:
        pods = self.platform.get("platforms", {}).get("kubernetes", {}).get("deploymentSpec", {}).get("executors", {})
        return [pods.get(executor, {}) for executor in self.spec["deploymentSpec"]["executors"]]


def read_package(folder: Path, name: str) -> Package:
    """A compiled pipeline by its name. Raises InputError where there is none, or the file is something else."""
    path = folder / f"{name}.yaml"
    known = sorted(found.stem for found in folder.glob("*.yaml"))
    if not path.is_file() and known:
        how = f"`platen compile --out {folder}` writes those of this version"
        raise InputError(f"--pipeline {name}: not in {folder}. Accepted: {nearest(name, known)}; {how}")
    try:
        spec, platform = _two(yaml.load_all(path.read_text(encoding="utf-8"), SAFE_LOADER))
    except OSError:
        raise InputError(f"{folder}: no compiled pipelines; `platen compile --out {folder}` writes them") from None
    except (yaml.YAMLError, ValueError):
        raise InputError(f"{path}: not a compiled pipeline; `platen compile` writes one") from None
    if not isinstance(spec, dict) or not spec.keys() >= {"pipelineInfo", "root", "components", "deploymentSpec"}:
        raise InputError(f"{path}: not a compiled pipeline; `platen compile` writes one")
    return Package(path, spec, platform)


def _two(documents: Iterator[Any]) -> tuple[Any, Json]:
    spec, *rest = documents
    return spec, rest[0] if rest else {}


def run_arguments(package: Package, text: str, settings: RunSettings, more: Mapping[str, str]) -> Json:
    """The parameters of a run: its settings, its folders, and what else was given.

    Args:
        package: What will be run.
        text: The settings, YAML.
        settings: The same, checked. Where they do not name the run's folder, it is `runs` in the workspace.
        more: Parameters from the command line, by name; they have the last word.

    Raises:
        SettingsError: Pods cannot reach the workspace, the run's folder or a source; or nothing is named to release to.
        InputError: The pipeline takes other parameters.
    """
    run = settings.run if "run" in settings.model_fields_set else join(settings.workspace, "runs")
    given = {"settings": text, "workspace": settings.workspace, "run": run, **more}
    for field, place in {"workspace": given["workspace"], "run": given["run"], **sources(settings)}.items():
        check_place(package, field, place)
    if settings.deploy.deployment is None:  # told now, not after the training
        raise SettingsError(
            "deploy.deployment", "not set: there is no machine of yours to try a release on", "{} for platen-serve"
        )
    if settings.train.job is not None:
        check_workspace(settings.train.job, given["workspace"])
    return checked_arguments(package, given)


def sources(settings: RunSettings) -> dict[str, str]:
    """The files and folders that stages read, by their fields. A model may also be a name on a hub."""
    ingest, plan = settings.ingest, settings.plan
    models = {
        "base.base_model": settings.base.base_model,
        "base.clip": settings.base.clip,
        "base.config": settings.base.config,
        "evaluate.extractor": settings.evaluate.extractor,
    }
    given = {
        "ingest.folder": ingest.folder,
        "ingest.table": ingest.table,
        "ingest.urls": ingest.urls,
        "generate.prompts": settings.generate.prompts,
        "plan.model": plan.model,
        "plan.prices": plan.prices,
        "notify.truth": settings.notify.truth,
        **{field: name for field, name in models.items() if name and _is_place(name)},
    }
    return {field: str(place) for field, place in given.items() if place is not None}


def _is_place(model: str) -> bool:
    """Whether a model is a folder here or in a bucket, and not a name on a hub."""
    return model[0] in "/." or "://" in model or Path(model).exists()


def checked_arguments(package: Package, given: Mapping[str, str]) -> Json:
    """The parameters of a run, each with the type that the pipeline declares.

    Raises InputError for a parameter that the pipeline does not take, one that is missing, and a value of another type.
    """
    known = package.parameters
    for name in given:
        if name not in known:
            raise InputError(f"{name}: {package.path} takes no such parameter. Accepted: {nearest(name, known)}")
    for name, declared in known.items():
        if name not in given and not declared.get("isOptional"):
            raise InputError(f"{name}: {package.path} needs this parameter. Accepted: --parameter {name}=VALUE")
    return {name: _typed(name, text, known[name]["parameterType"]) for name, text in given.items()}


def _typed(name: str, text: str, declared: str) -> Any:
    if len(json.dumps(text)) > ARGUMENT_BYTES:
        raise InputError(f"{name}: {len(text)} characters; Kubernetes hands over at most {ARGUMENT_BYTES} bytes")
    if declared not in TYPES:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, TYPES[declared]) or (isinstance(value, bool) and declared != "BOOLEAN"):
        raise InputError(f"{name}: {text!r}. Accepted: a value of type {declared}, as JSON")
    return value


def check_place(package: Package, field: str, place: str) -> None:
    """Refuse a folder that the pods cannot reach: they do not see this machine."""
    if not is_local(place):
        return
    path, mounts = PurePosixPath(place), package.mounts
    if any(path.is_relative_to(mount) for mount in mounts) and ".." not in path.parts:
        return
    where = (
        f"a path below {' or '.join(mounts)}" if mounts else "a path on a volume that `platen compile --cluster` mounts"
    )
    raise SettingsError(field, f"{place!r} is on this machine, which pods do not see", f"gs://bucket/path, or {where}")

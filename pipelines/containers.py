"""The tasks of a local run as containers, each stage in its own image, as on a cluster: kfp.local's DockerRunner.

What a stage needs of this machine is handed in by name: folders that the settings name, the kubeconfig, credentials.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platen.core.errors import InputError, ProcessError
from platen.core.processes import ended_by_sigterm
from platen.core.telemetry import MARKED
from platen.pipelines.package import sources

if TYPE_CHECKING:
    from kfp.local import DockerRunner

    from platen.pipelines.settings import RunSettings

LABEL = "platen.dev/run"
FILES = ("KUBECONFIG", "GOOGLE_APPLICATION_CREDENTIALS")  # variables that name a file, mounted read-only
PASSED_ON = (*FILES, "STORAGE_EMULATOR_HOST", "GOOGLE_CLOUD_PROJECT", "PLATEN_NAMESPACE")


def docker_runner(settings: RunSettings, folders: tuple[str, ...], run: str) -> DockerRunner:
    """A runner whose containers see what the settings name.

    Args:
        settings: The run's settings: what they name that exists here is mounted read-only.
        folders: Local folders that stages write to (workspace, run), mounted writable; URIs are left out.
        run: Names the run on its containers.

    Raises InputError where Docker does not answer.
    """
    import docker
    from kfp.local import DockerRunner

    try:
        docker.from_env().ping()
    except docker.errors.DockerException as error:
        raise InputError(
            f"Docker does not answer ({error}). Accepted: a running daemon, or a run without --docker"
        ) from None
    writable = {str(Path(folder).resolve()): "rw" for folder in folders if "://" not in folder}
    for folder in writable:
        Path(folder).mkdir(parents=True, exist_ok=True)
    read = {path: "ro" for path in [*paths_in(settings), *map(os.environ.get, FILES)] if path is not None}
    mounts = [
        docker.types.Mount(path, path, type="bind", read_only=mode == "ro")
        for path, mode in {**read, **writable}.items()
        if mode == "rw" or not any(Path(path).is_relative_to(root) for root in writable)
    ]
    return DockerRunner(
        network_mode="host",
        user=f"{os.getuid()}:{os.getgid()}",  # what they write belongs to who started the run
        working_dir=os.getcwd(),  # noqa: PTH109 - relative paths in the settings mean what they mean here
        mounts=mounts,
        environment=environment(),
        labels={LABEL: run},
        shm_size="1g",
    )


def environment() -> dict[str, str]:
    """What containers are told of this machine. Their images know the rest."""
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {"PLATEN_LOG": MARKED, **passed}


def paths_in(settings: RunSettings) -> list[str]:
    """The whole paths of files and folders that exist here and that stages read."""
    named = [*sources(settings).values(), settings.notify.webhook_file]
    return [str(Path(name).resolve()) for name in named if name is not None and Path(name).exists()]


@contextlib.contextmanager
def own_containers(run: str) -> Iterator[None]:
    """Have kfp start containers as `run_container` does, and stop those of the run when it ends, however it ends."""
    import docker
    from kfp.local import docker_task_handler

    theirs = docker_task_handler.run_docker_container
    docker_task_handler.run_docker_container = run_container
    try:
        with ended_by_sigterm():
            yield
    except docker.errors.DockerException as error:
        raise ProcessError(f"Docker could not run a stage: {error}") from error
    finally:
        docker_task_handler.run_docker_container = theirs
        for container in docker.from_env().containers.list(filters={"label": f"{LABEL}={run}"}):
            with contextlib.suppress(docker.errors.APIError):  # it has ended by itself meanwhile
                container.stop(timeout=90)
                container.remove(force=True)


def run_container(client: Any, image: str, command: list[str], volumes: dict[str, Any], **arguments: Any) -> int:
    """Run a container to its end and print its log; its exit code.

    kfp's own (2.17.0) lets the daemon remove the container, and calls one that is gone before its status was read a
    success: a stage that failed was reported green here.
    """
    container = client.containers.run(image=image, command=command, detach=True, volumes=volumes, **arguments)
    try:
        for line in container.logs(stream=True):
            print(line.decode(errors="replace"), end="")  # noqa: T201 - kfp redirects it
        return int(container.wait()["StatusCode"])
    finally:
        container.remove(force=True)

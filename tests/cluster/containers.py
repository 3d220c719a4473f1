"""Stages in containers of their own images, as a cluster runs them: user 10001, a read-only root, no network."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from platen import __version__
from platen.core.images import Images
from platen.core.stage import Folder, open_folder

BUILT = Images(tag=os.environ.get("TAG", __version__))  # TAG= as of `make images`


def docker_with(stage: str) -> Any:
    """A client of Docker that holds a stage's image. Skips where there is none."""
    docker = pytest.importorskip("docker")
    try:
        client = docker.from_env()
        client.images.get(BUILT.name(stage))
    except docker.errors.DockerException as error:
        pytest.skip(f"no {BUILT.name(stage)}: {type(error).__name__}; make images")
    return client


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    output: str
    log: str

    def folder(self) -> Folder:
        """The committed folder that a stage names with its last line. Fails where it ended with an error."""
        assert self.code == 0, self.log
        return open_folder(self.output.split()[-1])


@dataclass
class Box:
    """A stage's image, and folders of this machine that its containers see at the same place.

    Attributes:
        stage: Whose image.
        folder: Holds the workspace and the run; writable.
        seen: More folders, which are only read.
    """

    stage: str
    folder: Path
    seen: Sequence[Path] = ()
    network: str = "none"
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def workspace(self) -> str:
        """Where the stage commits."""
        return str(self.folder / "ws")

    def platen(self, settings: Mapping[str, Any], inputs: Mapping[str, str] | None = None) -> Ended:
        """Run the stage's command on settings, whose workspace and run are in the folder."""
        return self.run(self.command(settings, inputs or {}))

    def command(self, settings: Mapping[str, Any], inputs: Mapping[str, str]) -> list[str]:
        """The command line, with the settings in a file."""
        whole = {"ingest": {"folder": "unused"}, **settings, "workspace": self.workspace, "run": f"{self.folder}/run"}
        (self.folder / "settings.yaml").write_text(yaml.safe_dump(whole))
        pairs = [f"--input={name}={uri}" for name, uri in inputs.items()]
        return ["platen", self.stage.replace("_", "-"), f"--settings={self.folder}/settings.yaml", *pairs]

    def run(self, command: Sequence[str]) -> Ended:
        """Run a command to its end."""
        with self.running(command) as container:
            code = int(container.wait()["StatusCode"])
            output, log = (container.logs(stdout=out, stderr=not out).decode(errors="replace") for out in (True, False))
        return Ended(code, output, log)

    @contextmanager
    def running(self, command: Sequence[str]) -> Iterator[Any]:
        """A container while it runs; it is gone afterwards."""
        client = docker_with(self.stage)
        folders = {str(path): {"bind": str(path), "mode": "ro"} for path in self.seen}
        folders[str(self.folder)] = {"bind": str(self.folder), "mode": "rw"}
        for path in folders:  # what a test made is its user's alone
            subprocess.run(["chmod", "-R", "a+rwX", path], check=True)
        container = client.containers.run(
            BUILT.name(self.stage),
            list(command),
            detach=True,
            volumes=folders,
            network_mode=self.network,
            environment=dict(self.environment),
            # what another user would leave, a test without rights could not delete
            user=None if os.getuid() == 0 else f"{os.getuid()}:{os.getgid()}",
            working_dir=str(self.folder),
            read_only=True,
            tmpfs={"/tmp": "exec,mode=1777"},
            shm_size="256m",
        )
        try:
            yield container
        finally:
            container.remove(force=True)

"""Settings that a plan leaves in those of train."""

from __future__ import annotations

from pydantic import Field

from platen.core.settings import Settings


class Hardware(Settings):
    """What a plan was made for: its forecast of memory holds there and nowhere else."""

    gpu: str = Field(min_length=1, description="kind of GPU as in the price table, as H100-80GB")
    memory_gib: float = Field(gt=0, description="memory of a GPU in GiB")
    gpus_per_node: int = Field(ge=1, description="GPUs a node, one a rank")
    nodes: int = Field(ge=1, description="nodes")
    host_gib: int = Field(0, ge=0, description="memory of a node that its ranks take, in GiB; 0: not known")

    @property
    def ranks(self) -> int:
        """One a GPU."""
        return self.nodes * self.gpus_per_node

    def __str__(self) -> str:
        """For a message."""
        return f"{self.nodes} x {self.gpus_per_node} {self.gpu}"

"""What figures were measured on."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from bench.run import machine

GIB = 2**30


def has_gpu() -> bool:
    """Return whether torch can use a CUDA GPU."""
    import torch

    return torch.cuda.is_available()


def device_words(device: str) -> str:
    """Say what the device is: a GPU with its memory and driver, or the processor."""
    if device == "cpu":
        return f"no GPU: {machine()}"
    import torch

    found = torch.cuda.get_device_properties(0)
    return (
        f"{found.name}, {found.total_memory / GIB:.0f} GiB, driver {driver()}, CUDA {torch.version.cuda}; {machine()}"
    )


def driver() -> str:
    """The NVIDIA driver's version, of its own tool or of the kernel's module."""
    if shutil.which("nvidia-smi"):
        command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", "--id=0"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.strip():
            return done.stdout.strip()
    module = Path("/proc/driver/nvidia/version")
    words = module.read_text(encoding="ascii", errors="replace").split() if module.exists() else []
    return next((word for word in words if word.replace(".", "").isdigit() and "." in word), "not known")

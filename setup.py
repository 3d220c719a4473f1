"""Import names follow the tree: components/train/ is platen.components.train. The rest is in pyproject.toml."""

from setuptools import find_packages, setup

PARTS = find_packages(include=["components*", "pipelines*"])

setup(packages=[*find_packages(include=["platen", "platen.*"]), *(f"platen.{name}" for name in PARTS)])

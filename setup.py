"""Import names follow the tree: components/train/ is platen.components.train. The rest is in pyproject.toml."""

from setuptools import find_packages, setup

setup(packages=["platen", *(f"platen.{name}" for name in find_packages(include=["components*", "pipelines*"]))])

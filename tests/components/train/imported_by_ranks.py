"""What the ranks of every family import, the classes that diffusers reads when they are first asked for among them."""

import os

from platen.components.train.node.worker import environment
from platen.components.train.settings import TrainSettings
from platen.families.registry import families

os.environ.update(environment(TrainSettings()))  # libraries read it when they are imported

import diffusers

import platen.components.train.rank.run  # noqa: F401

NETWORKS = [getattr(diffusers, family.network_class) for family in families()]

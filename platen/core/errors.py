"""Every error that Platen raises on purpose.

PlatenError
├── UserError             exit 2: the user can put it right by changing what was given
│   ├── SettingsError     a field of the settings
│   ├── InputError        a folder, table, picture set, model or address
│   │   └── CorruptError  data that is not what its manifest says
│   └── GateRefused       the model does not meet the limits that the user set
├── RunCancelled          exit 3: somebody ended the run; nothing is at fault
└── PlatformError         exit 1: ours, or the machine's
    ├── StorageError      reading or writing failed: disk full, no permission, object store away
    ├── ProcessError      a process that a stage started (training, server) failed
    ├── ExportError       a model that was written is not the model that was trained
    └── ClusterError      Kubernetes refused, cannot be reached, or does not do what it was asked
"""

from __future__ import annotations


class PlatenError(Exception):
    """Root of the tree; `exit_code` is what the process ends with."""

    exit_code = 1


class UserError(PlatenError):
    """The user can put it right by changing what was given."""

    exit_code = 2


class SettingsError(UserError):
    """A setting that cannot be used.

    Args:
        field: Dotted path of the field, as in the file: `train.learning_rate`.
        problem: What is wrong, with the value that was given.
        accepted: What would be accepted.
        file: The file the setting came from, where there is one.
    """

    def __init__(self, field: str, problem: str, accepted: str, file: str | None = None) -> None:
        where = f"{file}: {field}" if file else field
        super().__init__(f"{where}: {problem}. Accepted: {accepted}.")


class InputError(UserError):
    """A folder, table, picture set, model or address that cannot be used."""


class CorruptError(InputError):
    """Data that is not what its manifest says."""


class GateRefused(UserError):  # noqa: N818 - a decision, not a fault
    """The model does not meet the limits that the user set."""


class RunCancelled(PlatenError):  # noqa: N818 - a decision, not a fault
    """The run was ended by somebody before it was done."""

    exit_code = 3


class PlatformError(PlatenError):
    """Not the user's doing: ours, or the machine's."""


class StorageError(PlatformError):
    """Reading or writing failed: disk full, no permission, object store away."""


class ProcessError(PlatformError):
    """A process that a stage started (training, server) failed."""


class ExportError(PlatformError):
    """A model that was written is not the model that was trained."""


class ClusterError(PlatformError):
    """Kubernetes refused, cannot be reached, or does not do what it was asked."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text; the name of its class if it has none."""
    return (str(error).strip().splitlines() or [""])[0] or type(error).__name__


def revive(name: str, message: str) -> PlatenError:
    """An error that another process raised, from its class's name and its words; a ProcessError where it is none."""
    found: object = globals().get(name)
    kind = found if isinstance(found, type) and issubclass(found, PlatenError) else ProcessError
    error = kind.__new__(kind)  # not by its __init__: the words are whole already
    error.args = (message,)
    return error

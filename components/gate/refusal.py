"""From a rejection, which is a committed result, to a run that fails with its reasons."""

from __future__ import annotations

from platen.artifacts.decision import DecisionMetadata
from platen.core import records
from platen.core.errors import GateRefused
from platen.core.stage import Result


def refuse_if_rejected(result: Result, run: str) -> None:
    """Make the gate's record of a run a failed one, and raise, where the decision was to reject.

    Call it when everything else of the stage is done: the decision is committed and the artifact written.

    Args:
        result: What running the gate gave.
        run: The run's folder.

    Raises:
        GateRefused: With the model's reasons.
    """
    decision = DecisionMetadata.of(result.folder)
    if decision.verdict == "reject":
        error = GateRefused(f"{result.folder.uri}: the model is not promoted: {'; '.join(decision.reasons)}")
        records.refuse(run, result.folder.manifest.made_by.stage, error)
        raise error

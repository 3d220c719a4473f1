"""torchrun, and what each of its ranks ended with: its own exit code is 1 for everything.

python -m platen.components.train.node.agent REPORT TORCHRUN-ARGUMENTS...
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from platen.core.storage import write_file


def main(report: str, arguments: list[str]) -> None:
    """Run torchrun; where ranks fail, write {rank: exit code, -n for signal n}."""
    # the worker tells the ranks; torchrun would kill those that take their time to save
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # by its ranks too, until they can take a trace
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    try:
        run.main(["--signals-to-handle=SIGINT,SIGHUP,SIGQUIT", *arguments])
    except ChildFailedError as error:
        codes = {rank: failure.exitcode for rank, failure in error.failures.items()}
        write_file(Path(report), json.dumps(codes).encode())
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

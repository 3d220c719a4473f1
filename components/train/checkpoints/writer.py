"""Work beside training, one piece at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

NICE = 10  # of 19: on CPUs that train, writing takes what is left over


class Writer:
    """A thread that does one thing at a time; what it raises comes out where it is waited for."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def start(self, work: Callable[[], None]) -> None:
        """Begin something. What was begun before must have been waited for."""
        self._thread = threading.Thread(target=self._run, args=(work,), name="checkpoint", daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
            work()
        except BaseException as error:
            self._error = error

    @property
    def busy(self) -> bool:
        """Whether it is still at it."""
        return self._thread is not None and self._thread.is_alive()

    def wait(self) -> None:
        """Until it is done. Raises what the work raised."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error

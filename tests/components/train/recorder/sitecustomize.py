"""On PYTHONPATH, has every rank note which samples it trains on: lines of `rank step index index ...` in RECORDED."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

if "platen.components.train.rank.main" in sys.orig_argv:
    from platen.artifacts.encoded import EncodedDataset
    from platen.components.train.rank.trainer import Trainer

    now = ["probe"]
    read, step = EncodedDataset.read, Trainer.step

    def noted_read(self, indices):  # type: ignore[no-untyped-def]
        if now[0] != "probe" and threading.current_thread() is threading.main_thread():  # not what is read ahead
            with Path(os.environ["RECORDED"]).open("a") as file:
                file.write(f"{os.environ['RANK']} {now[0]} {' '.join(map(str, indices))}\n")
        return read(self, indices)

    def noted_step(self, number, *others):  # type: ignore[no-untyped-def]
        now[0] = str(number)
        done = step(self, number, *others)
        now[0] = "probe"
        return done

    EncodedDataset.read, Trainer.step = noted_read, noted_step  # type: ignore[method-assign]

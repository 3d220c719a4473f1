"""The pods' logs in the step's own log: each line once, tagged with its rank, no more than a person can use.

A connection that breaks is opened again at the second of the last line; lines that were already seen are told by their
timestamps and left out.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from platen.core.errors import ClusterError
from platen.core.log_lines import LogLine, parse_line
from platen.core.telemetry import log
from platen.jobs.cluster import Cluster, Object, RefusedError
from platen.jobs.pods import has_ended, has_started
from platen.jobs.pytorchjob import CONTAINER, pods_path

LINES_PER_SECOND = 50  # of one pod; more are counted and left out
KEEP = 40  # last lines of a pod that are kept for the error's text
RANK = re.compile(r"\[rank (\d+)\]\s?")


class Logs:
    """Follows every pod that it is shown, one thread a pod."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.tails: dict[str, Tail] = {}  # by the pod's uid

    def watch(self, pods: Sequence[Object]) -> None:
        """Follow the pods that run or ran; let go of those that are gone."""
        for pod in pods:
            uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
            if uid not in self.tails and has_started(pod):
                self.tails[uid] = Tail(self.cluster, name)
                self.tails[uid].start()
            if uid in self.tails and has_ended(pod):
                self.tails[uid].ended.set()
        here = {pod["metadata"]["uid"] for pod in pods}
        for uid, tail in self.tails.items():
            if uid not in here:
                tail.gone.set()
                tail.ended.set()

    def close(self, seconds: float) -> None:
        """Wait until all that was logged has been told."""
        until = time.monotonic() + seconds
        for tail in self.tails.values():
            tail.ended.set()
            tail.join(max(0.0, until - time.monotonic()))

    def last_lines(self, pod: str) -> list[str]:
        """The last lines of a pod, of the newest one of its name."""
        return [line for tail in self.tails.values() if tail.name == pod for line in tail.last][-KEEP:]


class Tail(threading.Thread):
    """The log of one pod, until its end. `ended`: nothing more will be written; `gone`: nor can it be read."""

    def __init__(self, cluster: Cluster, pod: str) -> None:
        super().__init__(name=pod, daemon=True)
        self.cluster = cluster
        self.ended, self.gone = threading.Event(), threading.Event()
        self.last: deque[str] = deque(maxlen=KEEP)
        self.lines = Lines()
        self.limit = Limit(lambda text: tell(role_of(pod), text))

    def run(self) -> None:
        """Read, and again where the connection broke, until the end has been read."""
        while not self.gone.is_set():
            final = self.ended.is_set()
            try:
                for line in self.lines.new(self.chunks(follow=not final), whole=final):
                    self.last.append(read(role_of(self.name), line).text)
                    self.limit.pass_on(line)
            except ClusterError as error:
                if final and isinstance(error, RefusedError) and error.status == 404:
                    break
            else:
                if final:
                    break
            (self.gone if final else self.ended).wait(1.0)
        self.limit.end()

    def chunks(self, *, follow: bool) -> Iterator[bytes]:
        """The log as it comes, from the second of the last line on. Raises ClusterError where the connection breaks."""
        from urllib3.exceptions import HTTPError

        query = {"container": CONTAINER, "timestamps": "true", **({"follow": "true"} if follow else {})}
        since = {"sinceTime": self.lines.stamp} if self.lines.stamp else {}
        answer = self.cluster.stream(f"{pods_path(self.cluster)}/{self.name}/log", **query, **since)
        try:
            yield from answer.stream(1 << 16)
        except HTTPError as error:
            raise ClusterError(f"the log of {self.name} broke off ({type(error).__name__})") from error
        finally:
            answer.close()


class Lines:
    """Whole lines out of a log that is read again from the second of the last one on, each once.

    Every line begins with its timestamp. When reading again, those before the last one's are old; of those with the
    very same one as many are old as were seen.
    """

    def __init__(self) -> None:
        self.stamp = ""
        self.same = 0  # lines seen with this stamp

    def new(self, chunks: Iterator[bytes], *, whole: bool) -> Iterator[str]:
        """The lines that were not there before, without their timestamps.

        Args:
            chunks: The log from the second of `stamp` on, or from the start.
            whole: The log has ended, so that a last line without a line feed is one.
        """
        seen, skip = parse_log_timestamp(self.stamp), self.same
        for line in split(chunks, whole=whole):
            stamp, _, text = line.partition(" ")
            at = parse_log_timestamp(stamp)
            if at is None:
                continue  # words of the kubelet, not of the container
            if seen is not None:
                if at < seen:
                    continue
                if at == seen and skip:
                    skip -= 1
                    continue
                seen = None  # all that follows is new, also where the node's clock was set back
            self.same = self.same + 1 if stamp == self.stamp else 1
            self.stamp = stamp
            yield text


def split(chunks: Iterator[bytes], *, whole: bool) -> Iterator[str]:
    """Lines; what is left at the end is one only where nothing can follow."""
    rest = b""
    for chunk in chunks:
        *complete, rest = (rest + chunk).split(b"\n")
        yield from (line.decode(errors="replace") for line in complete)
    if whole and rest:
        yield rest.decode(errors="replace")


def parse_log_timestamp(stamp: str) -> tuple[datetime, str] | None:
    """A timestamp to compare with others: Python's own has no nanoseconds. None for what is none."""
    try:
        return datetime.fromisoformat(stamp), stamp
    except ValueError:
        return None


class Limit:
    """Passes on so many lines a second; how many were left out is told before the next one that is not."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self.say, self.clock = say, clock
        self.window, self.told, self.left_out = float("-inf"), 0, 0

    def pass_on(self, line: str) -> None:
        """Tell a line, or count it."""
        now = self.clock()
        if now - self.window >= 1:
            self.end()
            self.window, self.told = now, 0
        if self.told < LINES_PER_SECOND:
            self.told += 1
            self.say(line)
        else:
            self.left_out += 1

    def end(self) -> None:
        """Tell how many lines were left out."""
        if self.left_out:
            self.say(f"({self.left_out} lines left out; they came at more than {LINES_PER_SECOND} a second)")
        self.left_out = 0


def role_of(pod: str) -> str:
    """`worker-0` of `train-12ab-worker-0`."""
    return "-".join(pod.split("-")[-2:])


def read(role: str, line: str) -> LogLine:
    """Read a line of a pod, which may have a rank and be JSON, as the trainer logs it; its message says whose it is."""
    tagged = RANK.match(line)
    found = parse_line(line[tagged.end() :] if tagged else line)
    if tagged is None:
        return found._replace(message=f"[{role}] {found.message}", data={**found.data, "pod": role})
    rank = int(tagged.group(1))
    return found._replace(message=f"[rank {rank}] {found.message}", data={**found.data, "rank": rank})


def tell(role: str, line: str) -> None:
    """Log a line of a pod, with its level and data."""
    said = read(role, line)
    if line.strip():
        log.log(said.level, "%s", said.text, extra={"data": said.data})

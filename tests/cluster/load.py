"""A load generator, run as a pod: clients that keep their connections and ask the Service one picture after the other.

`python load.py URL CLIENTS SECONDS` counts what comes back and tells it as JSON on port 8080, to whoever asks. It ends
by itself when its time is over.
"""

from __future__ import annotations

import http.server
import json
import sys
import threading
import time
from collections import Counter

import httpx

PORT = 8080
PAUSE = 0.25  # seconds between a client's answer and its next request: the two cores start pods as well
BODY = {"prompt": "a red circle on a white background", "seed": 1, "steps": 2}

answered: Counter[str] = Counter()  # by the digest of the model that answered
statuses: Counter[str] = Counter()
faults: list[str] = []
closed = 0  # answers that sent the client elsewhere


def ask(url: str, until: float) -> None:
    """One client."""
    global closed  # noqa: PLW0603 - a script's own counter
    with httpx.Client(base_url=url, timeout=60) as client:
        while time.monotonic() < until:
            try:
                answer = client.post("/v1/images/generations", json=BODY)
                statuses[str(answer.status_code)] += 1
                closed += answer.headers.get("connection") == "close"
                if answer.status_code == 200:
                    answered[answer.json()["model_digest"]] += 1
                else:
                    faults.append(answer.text[:200])
            except (httpx.HTTPError, ValueError) as error:
                faults.append(repr(error))
            time.sleep(PAUSE)


class Report(http.server.BaseHTTPRequestHandler):
    """What was counted until now."""

    def do_GET(self) -> None:
        """Any path."""
        body = json.dumps({"answered": answered, "statuses": statuses, "faults": faults, "closed": closed}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def main(url: str, clients: int, seconds: float) -> None:
    """Ask, and tell."""
    until = time.monotonic() + seconds
    for _ in range(clients):
        threading.Thread(target=ask, args=(url, until), daemon=True).start()
    server = http.server.ThreadingHTTPServer(("", PORT), Report)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    time.sleep(seconds)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))

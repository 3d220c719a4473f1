"""A model hub with the routes that huggingface_hub asks of one, serving the folders below a root as OWNER/NAME."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "c" * 40


@contextmanager
def serve_hub(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the hub's address, and the files that were fetched from it."""
    fetched: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_HEAD(self) -> None:
            self._answer()

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self) -> None:
            parts = unquote(urlsplit(self.path).path).strip("/").split("/")
            api = parts[:2] == ["api", "models"]
            owner, name, action, *rest = [*parts[2:], "revision"] if api else parts
            folder = root / owner / name
            if not folder.is_dir():
                self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            elif action == "tree":
                self._json([_entry(path, folder) for path in sorted(folder.rglob("*")) if path.is_file()])
            elif action == "revision":
                siblings = [{"rfilename": _entry(path, folder)["path"]} for path in folder.rglob("*") if path.is_file()]
                self._json({"id": f"{owner}/{name}", "sha": COMMIT, "siblings": siblings})
            else:
                data = folder.joinpath(*rest[1:]).read_bytes()
                if self.command == "GET":
                    fetched.append("/".join(rest[1:]))
                self._send(200, data, {"ETag": f'"{hashlib.sha1(data).hexdigest()}"', "X-Repo-Commit": COMMIT})

        def _json(self, value: object) -> None:
            self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

        def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", fetched
        server.shutdown()


def _entry(path: Path, folder: Path) -> dict[str, object]:
    name = path.relative_to(folder).as_posix()
    return {"type": "file", "path": name, "size": path.stat().st_size, "oid": hashlib.sha1(name.encode()).hexdigest()}

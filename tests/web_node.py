"""The HTTP API of a running node, for tests: requests as clients send them, and the journal to check by."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson

from bus.envelope import Recorded, decode
from tests.node import Node, running
from tests.waiting import until

SITE = """
node_id = "edge_01"
deployment_id = "tour"
without = ["alerts", "detector", "replay", {without}]
[producers.host]
interval_ms = 500
[web]
confirm_s = 1.0
requests_per_s = 1000.0
photo_mb = 1
hosts = ["edge.example"]
"""


@dataclass
class Api:
    """A client of a node's API."""

    node: Node
    client: httpx.Client

    @property
    def port(self) -> int:
        return self.node.base + 3

    def post(self, path: str, said: Any = None, **options: Any) -> httpx.Response:
        return self.client.post(path, json=said, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.client.get(path, **options)

    def start(self, system_id: str = "rig_01", event_id: str = "startup", **more: Any) -> dict[str, Any]:
        answer = self.post("/api/event/start", {"system_id": system_id, "event_id": event_id, **more})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def recorded(self, event_id: str) -> list[Recorded]:
        """Return every row of the journal with this id."""
        reader = self.node.journal()
        try:
            return [row for row in reader.read() if row.id == event_id]
        finally:
            reader.close()

    def at(self, position: int) -> Recorded:
        reader = self.node.journal()
        try:
            (row,) = reader.read(position - 1, limit=1)
        finally:
            reader.close()
        return row

    def data(self, position: int) -> dict[str, Any]:
        return dict(decode(self.at(position).body).data)

    def served(self) -> bool:
        """Tell whether it answers, and what is written is recorded."""
        try:
            return bool(self.get("/health").json()["status"] == "ok")
        except (httpx.HTTPError, orjson.JSONDecodeError):
            return False

    @contextmanager
    def hanging(self, process: str) -> Iterator[int]:
        """Let a process of the node hang."""
        pid = self.node.pid(process)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield pid
        finally:
            if self.node.child(process).get("pid") == pid:
                os.kill(pid, signal.SIGCONT)

    def connected(self) -> socket.socket:
        """Open a connection to talk HTTP by hand."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)


@contextmanager
def serving(directory: Path, site: str = SITE, without: str = "") -> Iterator[Api]:
    """Run a node with its API until the block ends."""
    data = directory / "data"
    data.mkdir(parents=True, exist_ok=True)
    (data / "site.toml").write_text(site.replace("{without}", without))
    with running(directory) as node, httpx.Client(base_url=f"http://127.0.0.1:{node.base + 3}") as client:
        api = Api(node, client)
        until(api.served, "the API serves")
        yield api

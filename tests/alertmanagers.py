"""Alertmanagers for tests, and whom they tell: real ones on free loopback ports, ended by their process."""

import json
import os
import shutil
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.services import Service, free_port

TEMPLATE = Path(__file__).parents[1] / "deploy" / "alertmanager" / "alertmanager.yml"


def program(*names: str, package: str) -> str:
    """Find a program, or fail saying which package brings it."""
    path = f"{os.environ.get('PATH', '')}:{Path(sys.executable).parent}:/usr/sbin:/usr/local/sbin"
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    pytest.fail(f"{names[0]} is not there: run `deploy/setup tests`, or apt-get install {package}")


class Alertmanager(Service):
    """An Alertmanager."""

    def ready(self) -> bool:
        """Say whether it answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=1):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def alerts(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Return what stands, by system and name."""
        listed = self._get("alerts")
        found = {(one["labels"].get("system_id", ""), one["labels"]["alertname"]): one for one in listed}
        assert len(found) == len(listed)
        return found

    def groups(self) -> list[dict[str, Any]]:
        """Return what stands, as it is grouped."""
        found = self._get("alerts/groups")
        assert isinstance(found, list)
        return found

    def told_and_noted(self) -> bool:
        """Say whether since its start it told, and asked again what it had told."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        asked = next((line for line in lines if line.startswith("alertmanager_nflog_queries_total ")), "0")
        return float(asked.split()[-1]) >= 2

    def _get(self, what: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/v2/{what}", timeout=5) as answer:
            return json.load(answer)


@contextmanager
def start_alertmanager(tmp: Path, webhook: str) -> Iterator[Alertmanager]:
    """Run the shipped configuration with one receiver, a webhook, and without waiting."""
    directory, port = tmp / "alertmanager", free_port()
    directory.mkdir()
    said = yaml.safe_load(TEMPLATE.read_text(encoding="utf-8"))
    for route in (said["route"], *said["route"]["routes"]):
        route |= {"group_wait": "0s", "group_interval": "1s", "receiver": "hook"}
    said["receivers"] = [{"name": "hook", "webhook_configs": [{"url": webhook, "send_resolved": True}]}]
    configuration = tmp / "alertmanager.yml"
    configuration.write_text(yaml.safe_dump(said), encoding="utf-8")
    command = (
        program("prometheus-alertmanager", "alertmanager", package="prometheus-alertmanager"),
        f"--config.file={configuration}",
        f"--storage.path={directory}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        "--log.level=warn",
    )
    service = Alertmanager(command, port, directory)
    service.start()
    try:
        yield service
    finally:
        service.stop()


@dataclass
class Hook:
    """Takes posts on a loopback port, answers as it is told, and keeps what came."""

    url: str = ""
    status: int = 200
    body: bytes = b"{}"
    bodies: list[Any] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)

    def messages(self, system_id: str, alertname: str) -> list[str]:
        """List what was told of an alert, first to last: firing or resolved."""
        return [
            one["status"]
            for body in self.bodies
            for one in body["alerts"]
            if (one["labels"].get("system_id"), one["labels"]["alertname"]) == (system_id, alertname)
        ]


@contextmanager
def start_hook() -> Iterator[Hook]:
    """Run a web server that takes posts; while `held` is clear it does not answer."""
    hook = Hook()
    hook.held.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            hook.held.wait(20)
            hook.paths.append(self.path)
            hook.headers.append(dict(self.headers))
            hook.bodies.append(body)
            self.send_response(hook.status)
            self.end_headers()
            self.wfile.write(hook.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        hook.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield hook
        finally:
            hook.held.set()
            server.shutdown()
            thread.join()

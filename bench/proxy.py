"""A pass-through in front of VictoriaMetrics that notes when each sample was accepted."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    target = 0
    delays_s: list[float]

    def do_GET(self) -> None:
        self._pass()

    def do_POST(self) -> None:
        self._pass()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        link = http.client.HTTPConnection("127.0.0.1", self.target)
        kept = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        link.request(self.command, self.path, body, kept)
        answer = link.getresponse()
        said = answer.read()
        link.close()
        if "/write" in self.path and answer.status == http.client.NO_CONTENT:
            self._note(body)
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def _note(self, body: bytes) -> None:
        now = time.time()
        for line in body.splitlines():
            if line.startswith(b"victron,"):
                stamp = int(line.rsplit(b" ", 1)[1])
                self.delays_s.append(now - stamp / 10 ** (len(str(stamp)) - 10))


@contextmanager
def noting(port: int) -> Iterator[tuple[int, list[float]]]:
    """Pass requests on to `port`; yield our own port, and the delays of accepted samples in seconds."""
    delays: list[float] = []
    passing = type("Passing", (_Passing,), {"target": port, "delays_s": delays})
    server = ThreadingHTTPServer(("127.0.0.1", 0), passing)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1], delays
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

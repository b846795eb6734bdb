"""Those who get reports: a mail server and a webhook, real ones on loopback."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.services import free_port


class Postbox:
    """Takes mail, or refuses it."""

    def __init__(self) -> None:
        self.taken: list[tuple[list[str], EmailMessage]] = []
        self.refuse: str | None = None

    async def handle_RCPT(self, _: SMTP, __: Session, envelope: Envelope, address: str, *___: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.refuse is not None:
            return self.refuse
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        assert isinstance(envelope.content, bytes)
        letter = message_from_bytes(envelope.content, policy=default)
        assert isinstance(letter, EmailMessage)
        self.taken.append((envelope.rcpt_tos, letter))
        return "250 OK"


@contextmanager
def mail_server(postbox: Postbox, **options: Any) -> Iterator[int]:
    """Run a mail server for a postbox; yield its port."""
    port = free_port()
    server = Controller(postbox, hostname="127.0.0.1", port=port, server_hostname="localhost", **options)
    server.start()
    try:
        yield port
    finally:
        server.stop()


class Hook(ThreadingHTTPServer):
    """Takes what is posted."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.taken: list[tuple[bytes, dict[str, str]]] = []
        self.status = 204
        self.location: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"


class _Answering(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((body, dict(self.headers)))
        self.send_response(self.server.status)
        if self.server.location is not None:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def webhook() -> Iterator[Hook]:
    """Run an HTTP server that takes what is posted."""
    with Hook() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()

"""A socket to the broker, plain or TLS, that reads and writes without waiting.

Rules that must stay true here:
- what is queued is written in order, whole, or the link is lost;
- every fault of the network ends as `LinkError` with a reason in words.
"""

import select
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Protocol

from schemas.errors import OvrError

_CHUNK = 1 << 18
_CONNECT_TIMEOUT_S = 5.0
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Wake(Protocol):
    """Whatever can be waited for besides the broker: a socket, a pipe."""

    def fileno(self) -> int:
        """Return its descriptor."""
        ...


class LinkError(OvrError):
    """The socket is of no more use."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and who we are to it.

    Attributes:
        tls: encrypt; the broker's certificate is checked against `ca_file`, or the system's authorities.
        cert_file: our own certificate, where the broker asks for one; `key_file` goes with it.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    username: str | None = None
    password: str | None = None
    tls: bool = False
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    prefix: str = "ovr"


class Link:
    """One socket and what waits to be written to it.

    Attributes:
        heard_at: when bytes last came, by the monotonic clock.
        sent_at: when bytes last went.
    """

    def __init__(self, broker: Broker) -> None:
        """Connect to the broker's port, and encrypt where it is asked for.

        Raises:
            LinkError: nobody answers, or the certificate is not to be trusted.
        """
        try:
            plain = socket.create_connection((broker.host, broker.port), timeout=_CONNECT_TIMEOUT_S)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = _encrypted(broker, plain) if broker.tls else plain
        except OSError as error:
            raise LinkError(f"cannot reach the broker at {broker.host}:{broker.port}: {error}") from error
        self._socket.setblocking(False)
        self._out = bytearray()
        self.heard_at = self.sent_at = time.monotonic()

    def queue(self, packet: bytes) -> None:
        """Have bytes written when the socket takes them."""
        self._out += packet

    @property
    def backlog(self) -> int:
        """Bytes that are still to be written."""
        return len(self._out)

    def wait(self, timeout_s: float, wake: tuple[Wake, ...] = ()) -> bool:
        """Wait until the socket or one of `wake` has something; True when the socket has."""
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        writers = (self._socket,) if self._out else ()
        readable, _, _ = select.select((self._socket, *wake), writers, (), max(0.0, timeout_s))
        return self._socket in readable

    def read(self) -> bytes:
        """Return what has come; nothing when nothing has.

        Raises:
            LinkError: the other side closed, or the network failed.
        """
        try:
            chunk = self._socket.recv(_CHUNK)
        except _NOT_NOW:
            return b""
        except OSError as error:
            raise LinkError(f"the connection broke: {error}") from error
        if not chunk:
            raise LinkError("the broker closed the connection")
        self.heard_at = time.monotonic()
        return chunk

    def write(self) -> None:
        """Write as much of the queue as the socket takes.

        Raises:
            LinkError: the network failed.
        """
        if not self._out:
            return
        try:
            with memoryview(self._out) as queued, queued[:_CHUNK] as chunk:
                sent = self._socket.send(chunk)
        except _NOT_NOW:
            return
        except OSError as error:
            raise LinkError(f"the connection broke: {error}") from error
        self.sent_at = time.monotonic()
        del self._out[:sent]

    def finish(self, within_s: float) -> None:
        """Write the rest and let the broker close first: closing on unread bytes loses what we said last."""
        limit = time.monotonic() + within_s
        try:
            while (left_s := limit - time.monotonic()) > 0:
                self.write()
                if self.wait(left_s):
                    self.read()
        except LinkError:
            return

    def close(self) -> None:
        """Close the socket, and drop what was queued."""
        self._socket.close()
        self._out.clear()


def _encrypted(broker: Broker, plain: socket.socket) -> ssl.SSLSocket:
    try:
        context = ssl.create_default_context(cafile=broker.ca_file)
        if broker.cert_file:
            context.load_cert_chain(broker.cert_file, broker.key_file)
        return context.wrap_socket(plain, server_hostname=broker.host)
    except OSError:
        plain.close()
        raise

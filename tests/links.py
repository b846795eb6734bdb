"""A link between two places for tests: a TCP proxy that can be cut, hang, and leave dead connections."""

import contextlib
import selectors
import socket
import threading
from dataclasses import dataclass, field

_CHUNK = 1 << 16


@dataclass
class Link:
    """Carries connections from a port of its own to another.

    Attributes:
        target: the port on loopback that it leads to.
        accepted: connections so far.
        carried: bytes from the near side to the far one.
    """

    target: int
    port: int = 0
    accepted: int = 0
    carried: int = 0
    up: bool = True
    _pairs: dict[socket.socket, socket.socket] = field(default_factory=dict)
    _hung: list[socket.socket] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """End all connections, and refuse new ones."""
        with self._lock:
            self.up = False
            for near in list(self._pairs):
                self._drop(near)

    def mend(self) -> None:
        """Carry again."""
        self.up = True

    def hang(self) -> None:
        """Carry nothing more on the connections there are, without ending them; new ones work."""
        with self._lock:
            for one in list(self._pairs):
                self._selector.unregister(one)
                self._hung.append(one)
            self._pairs.clear()

    def bury(self) -> None:
        """End the connections that hang."""
        with self._lock:
            for one in self._hung:
                one.close()
            self._hung.clear()

    def close(self) -> None:
        """End everything."""
        self._over.set()
        self._thread.join()
        self.cut()
        self.bury()
        self._listener.close()

    def _run(self) -> None:
        while not self._over.is_set():
            for key, _ in self._selector.select(0.05):
                with self._lock:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.fileobj in self._pairs:
                        self._carry(key.fileobj)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        if not self.up:
            near.close()
            return
        try:
            far = socket.create_connection(("127.0.0.1", self.target), timeout=5)
        except OSError:
            near.close()
            return
        self.accepted += 1
        for one, other in ((near, far), (far, near)):
            self._pairs[one] = other
            self._selector.register(one, selectors.EVENT_READ, one is near)

    def _carry(self, one: socket.socket) -> None:
        try:
            chunk = one.recv(_CHUNK)
            if chunk:
                self._pairs[one].sendall(chunk)
                if self._selector.get_key(one).data:
                    self.carried += len(chunk)
                return
        except OSError:
            pass
        self._drop(one)

    def _drop(self, one: socket.socket) -> None:
        other = self._pairs.pop(one, None)
        for each in (one, other):
            if each is not None:
                self._pairs.pop(each, None)
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.unregister(each)
                each.close()

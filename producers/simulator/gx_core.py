"""What a GX says and when: the MQTT face of Venus OS, without a network. No IO, no clock.

Rules that must stay true here:
- values are told only while someone keeps the device alive; otherwise it is silent but for its serial number,
  answers to reads, and the empty payloads of a device that left;
- a keep-alive is answered with everything there is, at most three times a second: what comes above that keeps
  alive, and its answer is dropped without a word;
- nothing that a client sends ends in an error;
- releases before 3.20 retain everything, and clear it all when nobody keeps them alive any more.
"""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from producers.simulator.gx_values import object_json, value_json

KEEPALIVE_S = 60.0
HEARTBEAT_S = 3.0
_REPUBLISHES_PER_S = 3
_SERIAL = "/Serial"
_SUPPRESS = b"suppress-republish"
_ECHO = "full-publish-completed-echo"
_SYSTEM = ("system", 0)

Key = tuple[str, int]  # service type, device instance


class Publication(NamedTuple):
    """A message to publish at QoS 0."""

    topic: str
    payload: bytes
    retain: bool = False


@dataclass(slots=True)
class Node:
    """A service on the D-Bus of the GX.

    Attributes:
        limits: lowest and highest value of settings, by path.
        writable: paths that may be written.
    """

    values: dict[str, Any]
    limits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    writable: frozenset[str] = frozenset()


def _ignore(_key: Key, _path: str, _value: Any) -> None:
    return


class GxCore:
    """The D-Bus values of a GX, and what is to be published of them.

    Attributes:
        alive: a keep-alive came within the last minute.
    """

    def __init__(
        self,
        portal_id: str,
        *,
        legacy: bool = False,
        keepalive_s: float = KEEPALIVE_S,
        on_write: Callable[[Key, str, Any], None] = _ignore,
    ) -> None:
        self.portal_id = portal_id
        self.alive = False
        self._legacy = legacy
        self._keepalive_s = keepalive_s
        self._on_write = on_write
        self._nodes: dict[Key, Node] = {}
        self._out: list[Publication] = []
        self._silent_at = 0.0
        self._heartbeat_at: float | None = None
        self._tokens = _REPUBLISHES_PER_S
        self._refill_at = 0.0

    def take(self) -> list[Publication]:
        """Return what is to be published since the last call, in order."""
        out, self._out = self._out, []
        return out

    def start(self) -> None:
        """Say that the device answers keep-alives."""
        self._say("keepalive", b"1", retain=self._legacy)

    def appear(self, key: Key, node: Node) -> None:
        """Put a service on the bus."""
        self._nodes[key] = node
        for path in node.values:
            self._tell_change(key, path, node)

    def leave(self, key: Key) -> None:
        """Take a service off the bus: an empty payload on every topic it had."""
        node = self._nodes.pop(key, None)
        if node is None or (self._legacy and not self.alive):
            return
        for path in node.values:
            self._out.append(Publication(self._topic(key, path), b"", self._legacy))

    def change(self, key: Key, path: str, value: Any) -> None:
        """Note a new value, and tell it when it is one and someone listens."""
        node = self._nodes[key]
        values = node.values
        if path in values:
            known = values[path]
            if known == value and type(known) is type(value):
                return
        values[path] = value
        self._tell_change(key, path, node)

    def has(self, key: Key) -> bool:
        """Say whether a service is on the bus."""
        return key in self._nodes

    def value(self, key: Key, path: str) -> Any:
        """Return the present value of a path; None when there is none."""
        node = self._nodes.get(key)
        return None if node is None else node.values.get(path)

    def tick(self, now_s: float, unix_s: float) -> None:
        """Let time pass: the keep-alive runs out, the heart beats."""
        if now_s >= self._refill_at:
            self._tokens, self._refill_at = _REPUBLISHES_PER_S, now_s + 1.0
        if self.alive and now_s >= self._silent_at:
            self._fall_silent()
        if self._heartbeat_at is not None and now_s >= self._heartbeat_at:
            self._beat(now_s, unix_s)

    def receive(self, topic: str, payload: bytes, now_s: float, unix_s: float) -> None:
        """Take a message of a client."""
        self.tick(now_s, unix_s)
        action, _, rest = topic.partition("/")
        portal_id, _, path = rest.partition("/")
        if portal_id != self.portal_id or not path or action not in {"R", "W"}:
            return
        if self._legacy:
            self._keep_legacy_alive(now_s)
        if action == "W":
            self._write(path, payload)
        elif path in {"keepalive", "system/0/Serial"} and not self._legacy:
            self._keep_alive(payload, now_s, unix_s)
        elif path != "keepalive":
            self._read(path)

    def _keep_alive(self, payload: bytes, now_s: float, unix_s: float) -> None:
        if _SUPPRESS not in payload:
            self._republish(payload, unix_s)
        self.alive = True
        self._silent_at = now_s + self._keepalive_s
        if self._heartbeat_at is None:
            self._beat(now_s, unix_s)

    def _keep_legacy_alive(self, now_s: float) -> None:
        """Re-arm the timer; releases before 3.20 tell everything only to whom they were silent before."""
        self._silent_at = now_s + self._keepalive_s
        if not self.alive:
            self.alive = True
            self._tell_all()

    def _republish(self, payload: bytes, unix_s: float) -> None:
        if not self._tokens:
            return
        self._tokens -= 1
        self._tell_all()
        completed: dict[str, Any] = {"value": int(unix_s)}
        echo = _echo(payload)
        if echo is not None:
            completed[_ECHO] = echo
        self._say("full_publish_completed", object_json(completed))

    def _fall_silent(self) -> None:
        self.alive = False
        if not self._legacy:
            return
        for key, path, _ in self._leaves():
            if (key, path) != (_SYSTEM, _SERIAL):
                self._out.append(Publication(self._topic(key, path), b"", retain=True))

    def _beat(self, now_s: float, unix_s: float) -> None:
        if not self.alive or self._legacy:
            self._heartbeat_at = None
            return
        self._heartbeat_at = now_s + HEARTBEAT_S
        self._say("heartbeat", object_json({"value": int(unix_s)}))

    def _read(self, path: str) -> None:
        """Tell a path, or every path below it; what is not there is not answered."""
        found = self._find(path)
        if found is None:
            return
        key, leaf, node = found
        if leaf in node.values:
            self._tell(key, leaf, node)
            return
        below = [item for item in node.values if item.startswith(leaf + "/") or not leaf]
        if self._legacy and below:
            values = {item[len(leaf) + 1 :]: node.values[item] for item in below}
            self._out.append(
                Publication(self._topic(key, leaf), value_json(values, spaced=True), retain=True)
            )
        elif not self._legacy:
            for item in below:
                self._tell(key, item, node)

    def _write(self, path: str, payload: bytes) -> None:
        found = self._find(path)
        if found is None:
            return
        key, leaf, node = found
        try:
            value = json.loads(payload)["value"]
        except (ValueError, TypeError, KeyError):
            return
        if leaf in node.writable and _fits(value, node.values.get(leaf), node.limits.get(leaf, {})):
            self._on_write(key, leaf, value)

    def _find(self, path: str) -> tuple[Key, str, Node] | None:
        parts = path.split("/", 2)
        if len(parts) < 2 or not parts[1].isdecimal():  # noqa: PLR2004 - type, instance
            return None
        key = (parts[0], int(parts[1]))
        node = self._nodes.get(key)
        leaf = "/" + parts[2].rstrip("/") if len(parts) > 2 else ""  # noqa: PLR2004
        return None if node is None else (key, leaf.rstrip("/"), node)

    def _leaves(self) -> Iterator[tuple[Key, str, Node]]:
        """Go through everything in the order of a hash, service by service: clients may rely on none."""
        for key, node in sorted(self._nodes.items(), key=lambda item: _shuffled(f"{item[0]}")):
            for path in sorted(node.values, key=_shuffled):
                yield key, path, node

    def _tell_all(self) -> None:
        for key, path, node in self._leaves():
            self._tell(key, path, node)

    def _tell_change(self, key: Key, path: str, node: Node) -> None:
        if self.alive or (key == _SYSTEM and path == _SERIAL):
            self._tell(key, path, node)

    def _tell(self, key: Key, path: str, node: Node) -> None:
        payload = value_json(node.values[path], node.limits.get(path), spaced=self._legacy)
        retain = self._legacy or (key == _SYSTEM and path == _SERIAL)
        self._out.append(Publication(self._topic(key, path), payload, retain))

    def _say(self, word: str, payload: bytes, *, retain: bool = False) -> None:
        self._out.append(Publication(f"N/{self.portal_id}/{word}", payload, retain))

    def _topic(self, key: Key, path: str) -> str:
        return f"N/{self.portal_id}/{key[0]}/{key[1]}{path}"


def _shuffled(text: str) -> int:
    return zlib.crc32(text.encode())


def _fits(value: Any, present: Any, limits: Mapping[str, Any]) -> bool:
    """Say whether a value may take the place of the present one; equal limits limit nothing."""
    if isinstance(present, str):
        return isinstance(value, str)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    low, high = limits.get("min", 0), limits.get("max", 0)
    return bool(low >= high or low <= value <= high)


def _echo(payload: bytes) -> str | None:
    """Return what a keep-alive wants to hear again; the last one when it says several."""
    try:
        options = json.loads(payload)["keepalive-options"]
    except (ValueError, TypeError, KeyError):
        return None
    if not isinstance(options, list):
        return None
    echoes = [item[_ECHO] for item in options if isinstance(item, dict) and isinstance(item.get(_ECHO), str)]
    return echoes[-1] if echoes else None

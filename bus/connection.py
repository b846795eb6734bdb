"""One MQTT 5 connection in one thread: `step` does a turn of reading, writing, pinging and reconnecting.

Rules that must stay true here:
- nothing is queued for a broker that is away: `publish` returns False, and whoever owns the data keeps it;
- every connection starts from nothing but the subscriptions, so no retry of the transport outlives it;
- a callback may publish and acknowledge, but never calls `step`;
- reconnecting waits, longer each time and with jitter, and never gives up on its own.
"""

import random
import select
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bus import mqtt
from bus.mqtt import Connack, Disconnect, Message, Packet, Pingresp, Puback, Suback, Subscription, Will
from bus.mqtt_decoder import Decoder
from schemas.errors import ConfigurationError

__all__ = ["Broker", "Connection", "Message", "Will"]

OnMessage = Callable[[Message], None]
_CHUNK = 1 << 18
_CONNECT_TIMEOUT_S = 5.0
_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 10.0
_SHORT_LIFE_S = 5.0
_REFUSALS = {
    0x84: "the broker does not speak MQTT 5: use Mosquitto 2",
    0x85: "the broker refuses the client id",
    0x86: "the broker refuses the user name or password: see `ovr user`",
    0x87: "the broker does not let this user connect: see `ovr user`",
}


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


@dataclass(frozen=True, slots=True)
class _Handler:
    on_message: OnMessage
    subscription: Subscription
    manual_ack: bool


class Connection:
    """Keeps one connection to the broker.

    Attributes:
        connected: the broker has accepted us.
        refusal: why the broker refused or ended the last connection, in words; None when it did not.
        taken_over: the broker said that another process connected with our client id.
    """

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        *,
        clean_start: bool = True,
        session_expiry_s: int = 0,
        receive_maximum: int = 65_535,
        will: Will | None = None,
        keepalive_s: int = 30,
    ) -> None:
        self.broker = broker
        self.client_id = client_id
        self.connected = False
        self.refusal: str | None = None
        self.taken_over = False
        self.attempts = 0
        self.will = will
        self._clean_start = clean_start
        self._session_expiry_s = session_expiry_s
        self._receive_maximum = receive_maximum
        self._keepalive_s = keepalive_s
        self._handlers: list[_Handler] = []
        self._on_connect: list[Callable[[bool], None]] = []
        self._on_disconnect: list[Callable[[], None]] = []
        self._socket: socket.socket | None = None
        self._out = bytearray()
        self._mid = 0
        self._pubacks: dict[int, Callable[[int], None] | None] = {}
        self._delay_s = 0.0
        self._retry_at = 0.0
        self._connected_at = 0.0
        self._deadline = self._heard_at = self._sent_at = 0.0
        self._pinged_at: float | None = None
        self._decoder = Decoder()
        self._closed = False

    def subscribe(
        self,
        topic_filter: str,
        on_message: OnMessage,
        *,
        qos: int = 0,
        retain_handling: int = 0,
        manual_ack: bool = False,
    ) -> None:
        """Receive what matches, now and after every reconnect; with `manual_ack` the receiver calls `ack`."""
        subscription = Subscription(topic_filter, qos, retain_handling=retain_handling)
        self._handlers.append(_Handler(on_message, subscription, manual_ack))
        if self.connected:
            self._out += mqtt.encode_subscribe(self._next_mid(), [subscription])

    def on_connect(self, callback: Callable[[bool], None]) -> None:
        """Call `callback(session_present)` after every successful connect, before any message."""
        self._on_connect.append(callback)

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """Call `callback()` whenever an accepted connection is gone."""
        self._on_disconnect.append(callback)

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 0,
        retain: bool = False,
        user_properties: Sequence[tuple[str, str]] = (),
        content_type: str | None = None,
        response_topic: str | None = None,
        correlation: bytes | None = None,
        on_ack: Callable[[int], None] | None = None,
    ) -> bool:
        """Write a message to the broker, or return False when it is away.

        `on_ack` gets the broker's reason code at QoS 1; it is never called when the connection ends first.
        """
        if not self.connected:
            return False
        mid = self._next_mid() if qos else 0
        if qos:
            self._pubacks[mid] = on_ack
        self._out += mqtt.encode_publish(
            topic,
            payload,
            qos=qos,
            mid=mid,
            retain=retain,
            user_properties=user_properties,
            content_type=content_type,
            response_topic=response_topic,
            correlation=correlation,
        )
        return True

    def ack(self, message: Message) -> None:
        """Tell the broker that a QoS 1 message is safe with us; it may forget it."""
        if message.qos and self.connected:
            self._out += mqtt.encode_puback(message.mid)

    @property
    def backlog(self) -> int:
        """Bytes that the broker has not taken yet: a bulk publisher pauses above a bound of its own."""
        return len(self._out)

    @property
    def unacknowledged(self) -> int:
        """Messages at QoS 1 that the broker has not answered yet."""
        return len(self._pubacks)

    def step(self, timeout_s: float, *, wake: Sequence[socket.socket] = ()) -> None:
        """Do one turn: wait at most `timeout_s` for the broker or a readable `wake` socket, and serve it."""
        now = time.monotonic()
        if self._socket is None:
            wait = min(timeout_s, self._retry_at - now)
            if wait > 0:
                select.select(wake, (), (), wait)
                return
            self._open()
            if self._socket is None:
                return
        self._write()
        if self._socket is None:
            return
        pending = isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0
        readable, writable, _ = select.select(
            (self._socket, *wake),
            (self._socket,) if self._out else (),
            (),
            0 if pending else max(0.0, timeout_s),
        )
        if pending or self._socket in readable:
            self._read()
        if self._out or writable:
            self._write()
        self._keep_alive()

    def close(self) -> None:
        """Say goodbye, so that the broker drops the will, and stay closed."""
        self._closed = True
        if self._socket is not None:
            self._out += mqtt.encode_disconnect()
            limit = time.monotonic() + 1.0
            while self._out and self._socket is not None and time.monotonic() < limit:
                select.select((), (self._socket,), (), 0.1)
                self._write()
            self._await_end(limit)
            self._drop(None)

    def _await_end(self, limit: float) -> None:
        """Read until the broker has closed: closing on unread bytes resets, and loses what we said last."""
        while self._socket is not None and time.monotonic() < limit:
            readable, _, _ = select.select((self._socket,), (), (), max(0.0, limit - time.monotonic()))
            try:
                if readable and not self._socket.recv(_CHUNK):
                    return
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                continue
            except OSError:
                return

    def _open(self) -> None:
        if self._closed:
            raise ConfigurationError("this connection was closed; make a new one")
        broker = self.broker
        self.attempts += 1
        try:
            plain = socket.create_connection((broker.host, broker.port), timeout=_CONNECT_TIMEOUT_S)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = self._encrypted(plain) if broker.tls else plain
        except OSError as error:
            self._retry_later(f"cannot reach the broker at {broker.host}:{broker.port}: {error}")
            return
        self._socket.setblocking(False)
        self._decoder = Decoder()
        self._out.clear()
        self._pubacks.clear()
        self._pinged_at = None
        self._heard_at = self._sent_at = time.monotonic()
        self._deadline = self._heard_at + _CONNECT_TIMEOUT_S
        self._out += mqtt.encode_connect(
            self.client_id,
            clean_start=self._clean_start,
            session_expiry_s=self._session_expiry_s,
            receive_maximum=self._receive_maximum,
            keepalive_s=self._keepalive_s,
            username=broker.username,
            password=broker.password,
            will=self.will,
        )

    def _encrypted(self, plain: socket.socket) -> socket.socket:
        broker = self.broker
        context = ssl.create_default_context(cafile=broker.ca_file)
        if broker.cert_file:
            context.load_cert_chain(broker.cert_file, broker.key_file)
        return context.wrap_socket(plain, server_hostname=broker.host)

    def _read(self) -> None:
        if self._socket is None:
            return
        try:
            chunk = self._socket.recv(_CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            self._drop(f"the connection broke: {error}")
            return
        if not chunk:
            self._drop(self.refusal or "the broker closed the connection")
            return
        self._heard_at = time.monotonic()
        try:
            for packet in self._decoder.feed(chunk):
                self._receive(packet)
        except mqtt.ProtocolError as error:
            self._drop(f"the broker sent what is no MQTT: {error}")

    def _write(self) -> None:
        if self._socket is None or not self._out:
            return
        try:
            with memoryview(self._out) as view:
                sent = self._socket.send(view[:_CHUNK])
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            self._drop(f"the connection broke: {error}")
            return
        self._sent_at = time.monotonic()
        del self._out[:sent]

    def _receive(self, packet: Packet) -> None:
        match packet:
            case Message():
                self._deliver(packet)
            case Puback(mid, reason_code):
                callback = self._pubacks.pop(mid, None)
                if callback is not None:
                    callback(reason_code)
            case Connack():
                self._accepted(packet)
            case Suback(_, codes):
                if any(code >= 0x80 for code in codes):  # noqa: PLR2004 - failures begin there
                    self.refusal = "the broker refuses a subscription: see `ovr user`"
            case Disconnect(reason_code):
                self.taken_over = reason_code == mqtt.SESSION_TAKEN_OVER
                self.refusal = _ended(reason_code)
            case Pingresp():
                self._pinged_at = None

    def _deliver(self, message: Message) -> None:
        manual = False
        for handler in self._handlers:
            if matches(handler.subscription.filter, message.topic):
                manual = manual or handler.manual_ack
                handler.on_message(message)
        if not manual:
            self.ack(message)

    def _accepted(self, connack: Connack) -> None:
        if connack.reason_code:
            reason = _REFUSALS.get(
                connack.reason_code, f"the broker refuses us, code {connack.reason_code:#04x}"
            )
            self._drop(reason)
            return
        if connack.server_keepalive_s is not None:
            self._keepalive_s = connack.server_keepalive_s
        self.connected = True
        self.refusal = None
        self._connected_at = time.monotonic()
        if self._handlers:
            self._out += mqtt.encode_subscribe(
                self._next_mid(), [item.subscription for item in self._handlers]
            )
        for callback in self._on_connect:
            callback(connack.session_present)
        self.attempts = 0

    def _keep_alive(self) -> None:
        now = time.monotonic()
        if self._socket is None:
            return
        if not self.connected:
            if now > self._deadline:
                self._drop("the broker does not answer CONNECT")
        elif self._pinged_at is not None:
            if now - self._pinged_at > self._keepalive_s / 2:
                self._drop("the broker does not answer pings")
        elif now - min(self._heard_at, self._sent_at) > self._keepalive_s / 2:
            self._pinged_at = self._sent_at = now
            self._out += mqtt.PINGREQ

    def _drop(self, reason: str | None) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        was_connected, self.connected = self.connected, False
        if was_connected and time.monotonic() - self._connected_at >= _SHORT_LIFE_S:
            self._delay_s = 0.0
        self._out.clear()
        self._pubacks.clear()
        self._retry_later(reason)
        if was_connected:
            for callback in self._on_disconnect:
                callback()

    def _retry_later(self, reason: str | None) -> None:
        self.refusal = reason
        self._delay_s = min(_LONGEST_DELAY_S, max(_FIRST_DELAY_S, self._delay_s * 2))
        self._retry_at = time.monotonic() + self._delay_s * random.uniform(0.5, 1.0)

    def _next_mid(self) -> int:
        while True:
            self._mid = self._mid % 65_535 + 1
            if self._mid not in self._pubacks:
                return self._mid


@lru_cache(maxsize=8192)
def matches(topic_filter: str, topic: str) -> bool:
    """Tell whether a topic filter covers a topic (MQTT 5, section 4.7)."""
    if topic_filter == topic:
        return True
    wanted = topic_filter.split("/")
    levels = topic.split("/")
    if topic.startswith("$") and wanted[0] in {"#", "+"}:
        return False
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(levels) or level not in {"+", levels[index]}:
            return False
    return len(wanted) == len(levels)


def _ended(reason_code: int) -> str:
    if reason_code == mqtt.SESSION_TAKEN_OVER:
        return "another process connected with our client id: two processes share a name, stop one"
    return f"the broker ended the connection, code {reason_code:#04x}"

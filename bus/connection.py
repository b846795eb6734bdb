"""One MQTT 5 connection in one thread: `step` does a turn of reading, writing, pinging and reconnecting.

Rules that must stay true here:
- nothing is queued for a broker that is away: `publish` returns False, and whoever owns the data keeps it;
- every connection starts from nothing but the subscriptions, so no retry of the transport outlives it;
- a callback may publish and acknowledge, but never calls `step`;
- reconnecting waits, longer each time and with jitter, and never gives up on its own.
"""

import random
import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bus import mqtt
from bus.link import Broker, Link, LinkError, Wake
from bus.mqtt import Connack, Disconnect, Message, Packet, Pingresp, Puback, Suback, Subscription, Will
from bus.mqtt_decoder import Decoder
from bus.topics import matches
from schemas.errors import ConfigurationError

__all__ = ["Broker", "Connection", "Message", "Will"]

OnMessage = Callable[[Message], None]
_CONNACK_TIMEOUT_S = 5.0
_GOODBYE_S = 1.0
_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 10.0
_SHORT_LIFE_S = 5.0
_MOST_UNANSWERED = 60_000  # there are 65,535 packet identifiers, and subscribing takes one too
_REFUSALS = {
    0x84: "the broker does not speak MQTT 5: use Mosquitto 2",
    0x85: "the broker refuses the client id",
    0x86: "the broker refuses the user name or password: see `ovr user`",
    0x87: "the broker does not let this user connect: see `ovr user`",
}


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
        self._link: Link | None = None
        self._mid = 0
        self._pubacks: dict[int, Callable[[int], None] | None] = {}
        self._delay_s = 0.0
        self._retry_at = 0.0
        self._connected_at = 0.0
        self._deadline = 0.0
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
        if self._link is not None and self.connected:
            self._link.queue(mqtt.encode_subscribe(self._next_mid(), [subscription]))

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
        """Write a message to the broker, or return False when it is away, or has left too many unanswered.

        `on_ack` gets the broker's reason code at QoS 1; it is never called when the connection ends first.
        """
        if self._link is None or not self.connected or (qos and len(self._pubacks) >= _MOST_UNANSWERED):
            return False
        mid = self._next_mid() if qos else 0
        if qos:
            self._pubacks[mid] = on_ack
        self._link.queue(
            mqtt.encode_publish(
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
        )
        return True

    def ack(self, message: Message) -> None:
        """Tell the broker that a QoS 1 message is safe with us; it may forget it."""
        if message.qos and self._link is not None:
            self._link.queue(mqtt.encode_puback(message.mid))

    @property
    def backlog(self) -> int:
        """Bytes that the broker has not taken yet: a bulk publisher pauses above a bound of its own."""
        return self._link.backlog if self._link is not None else 0

    @property
    def unacknowledged(self) -> int:
        """Messages at QoS 1 that the broker has not answered yet."""
        return len(self._pubacks)

    def step(self, timeout_s: float, *, wake: Sequence[Wake] = ()) -> None:
        """Do one turn: wait at most `timeout_s` for the broker or a readable `wake`, and serve it."""
        now = time.monotonic()
        if self._link is None:
            wait_s = min(timeout_s, self._retry_at - now)
            if wait_s > 0:
                select.select(wake, (), (), wait_s)
                return
            self._open()
        if self._link is None:
            return
        try:
            self._serve(self._link, timeout_s, tuple(wake))
        except (LinkError, mqtt.ProtocolError) as error:
            self._drop(self.refusal or str(error))

    def close(self) -> None:
        """Say goodbye, so that the broker drops the will, and stay closed."""
        self._closed = True
        if self._link is not None:
            self._link.queue(mqtt.encode_disconnect())
            self._link.finish(_GOODBYE_S)
            self._drop(None)

    def _open(self) -> None:
        if self._closed:
            raise ConfigurationError("this connection was closed; make a new one")
        self.attempts += 1
        try:
            self._link = Link(self.broker)
        except LinkError as error:
            self._retry_later(str(error))
            return
        self._decoder = Decoder()
        self._pinged_at = None
        self._deadline = time.monotonic() + _CONNACK_TIMEOUT_S
        self._link.queue(
            mqtt.encode_connect(
                self.client_id,
                clean_start=self._clean_start,
                session_expiry_s=self._session_expiry_s,
                receive_maximum=self._receive_maximum,
                keepalive_s=self._keepalive_s,
                username=self.broker.username,
                password=self.broker.password,
                will=self.will,
            )
        )

    def _serve(self, link: Link, timeout_s: float, wake: tuple[Wake, ...]) -> None:
        link.write()
        if link.wait(timeout_s, wake):
            for packet in self._decoder.feed(link.read()):
                self._receive(packet)
        link.write()
        self._keep_alive(link)

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
            reason = f"the broker refuses us, code {connack.reason_code:#04x}"
            raise LinkError(_REFUSALS.get(connack.reason_code, reason))
        if connack.server_keepalive_s is not None:
            self._keepalive_s = connack.server_keepalive_s
        self.connected = True
        self.refusal = None
        self._connected_at = time.monotonic()
        if self._link is not None and self._handlers:
            subscriptions = [item.subscription for item in self._handlers]
            self._link.queue(mqtt.encode_subscribe(self._next_mid(), subscriptions))
        for callback in self._on_connect:
            callback(connack.session_present)
        self.attempts = 0

    def _keep_alive(self, link: Link) -> None:
        now = time.monotonic()
        patience_s = self._keepalive_s / 2
        if not self.connected:
            if self._link is not None and now > self._deadline:
                raise LinkError("the broker does not answer CONNECT")
        elif self._pinged_at is not None:
            # What came after the ping is a sign of life too: the answer may stand behind much else.
            if now - max(self._pinged_at, link.heard_at) > patience_s:
                raise LinkError("the broker does not answer pings")
        elif now - min(link.heard_at, link.sent_at) > patience_s:
            self._pinged_at = now
            link.queue(mqtt.PINGREQ)

    def _drop(self, reason: str | None) -> None:
        if self._link is not None:
            self._link.close()
        self._link = None
        was_connected, self.connected = self.connected, False
        if was_connected and time.monotonic() - self._connected_at >= _SHORT_LIFE_S:
            self._delay_s = 0.0
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


def _ended(reason_code: int) -> str:
    if reason_code == mqtt.SESSION_TAKEN_OVER:
        return "another process connected with our client id: two processes share a name, stop one"
    return f"the broker ended the connection, code {reason_code:#04x}"

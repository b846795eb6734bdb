"""The MQTT connection to one GX, remade whenever it is lost.

Rules that must stay true here:
- MQTT 3.1.1 at QoS 0: brokers of older GX devices know no other, and the GX publishes at no other;
- messages are taken in bunches: waking up for each one costs more than reading it;
- a connection on which nothing comes, not even the answer to a ping, is given up;
- a password that is refused is not tried over and over: new options are tried at once anyway.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

from producers.victron import mqtt311
from producers.victron.mqtt311 import Answer, Decoder, ProtocolError
from producers.victron.options import Entry

log = logging.getLogger(__name__)

REST_S: Final = 0.02
"""For how long messages gather: what an alarm's time is off by at most."""

_TURN_S = 0.5
_KEEPALIVE_S = 120
_PING_S = 20.0
_DEAD_S = 50.0
_CONNECT_S = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 15.0
_UNWELCOME_PAUSE_S = 900.0  # a GX locks everybody out after 150 wrong passwords in a day

OnMessage = Callable[[str, bytes, bool], None]
"""Takes a message: topic, payload, whether the broker had kept it."""


@dataclass(frozen=True, slots=True)
class Events:
    """Who is told what: all are called in the event loop.

    Attributes:
        opened: the connection stands.
        closed: it does not, with a reason as `device.disconnected` knows them, and the same in words.
        message: one came.
        turn: about twice a second while it stands.
    """

    opened: Callable[[], None]
    closed: Callable[[str, str], None]
    message: OnMessage
    turn: Callable[[], None]


class GxLink:
    """A connection; `run` holds it."""

    def __init__(self, entry: Entry, client_id: str, events: Events) -> None:
        self._entry = entry
        self._client_id = client_id
        self._events = events
        self._wire: _Wire | None = None
        self._packet_id = 0

    def subscribe(self, filters: list[str]) -> None:
        """Subscribe, while the connection stands."""
        self._packet_id = self._packet_id % 65_535 + 1
        if self._wire is not None:
            self._wire.write(mqtt311.subscribe(self._packet_id, filters))

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish, while the connection stands."""
        if self._wire is not None:
            self._wire.write(mqtt311.publish(topic, payload))

    async def run(self) -> None:
        """Connect, and connect again, until cancelled."""
        pause_s = _FIRST_PAUSE_S
        while True:
            wire = await self._once()
            if wire.stood:
                pause_s = _FIRST_PAUSE_S
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(_UNWELCOME_PAUSE_S if wire.unwelcome else _LONGEST_PAUSE_S, pause_s * 2)

    async def _once(self) -> "_Wire":
        """Hold one connection until it is lost."""
        wire = self._wire = _Wire(self._entry, self._client_id, self._events)
        try:
            await self._connect(wire)
            while not wire.lost.is_set():
                await _within(_TURN_S, wire.lost)
                wire.turn()
        except (OSError, ValueError) as error:  # time limits, names, certificates: all are OSErrors
            wire.give_up(_reason(error), f"{self._entry.address}: {str(error) or 'no answer'}")
        finally:
            self._wire = None
            wire.close()
        self._events.closed(*wire.why)
        return wire

    async def _connect(self, wire: "_Wire") -> None:
        entry = self._entry
        tls: dict[str, Any] = {"ssl": _tls(entry), "ssl_shutdown_timeout": _TURN_S} if entry.tls else {}
        async with asyncio.timeout(_CONNECT_S):
            await asyncio.get_running_loop().create_connection(lambda: wire, entry.host, entry.port, **tls)


class _Wire(asyncio.Protocol):
    """One connection, from its making to its loss.

    Attributes:
        lost: it is of no use any more.
        why: the reason and the same in words.
        stood: the broker has accepted us.
        unwelcome: the broker has refused us.
    """

    def __init__(self, entry: Entry, client_id: str, events: Events) -> None:
        self.lost = asyncio.Event()
        self.why = ("link_lost", f"{entry.address} closed the connection")
        self.stood = self.unwelcome = False
        self._entry = entry
        self._client_id = client_id
        self._events = events
        self._decoder = Decoder()
        self._transport: asyncio.Transport | None = None
        self._heard_s = self._said_s = asyncio.get_running_loop().time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Introduce ourselves."""
        entry = self._entry
        self._transport = cast("asyncio.Transport", transport)
        username = entry.username or ("ovr" if entry.password else "")
        self.write(mqtt311.connect(self._client_id, _KEEPALIVE_S, username, entry.password))

    def data_received(self, data: bytes) -> None:
        """Take a bunch, and rest while the next one gathers."""
        if self.lost.is_set() or self._transport is None:
            return
        loop = asyncio.get_running_loop()
        self._heard_s = loop.time()
        try:
            for packet in self._decoder.feed(data):
                if isinstance(packet, Answer):
                    self._answered(packet)
                elif self.stood:
                    self._events.message(*packet)
        except ProtocolError as error:
            self.give_up("link_lost", f"{self._entry.address} does not speak MQTT: {error}")
        else:
            self._transport.pause_reading()
            loop.call_later(REST_S, self._go_on)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that it is over."""
        self.give_up("link_lost", f"{self._entry.address}: {exc}" if exc else self.why[1])

    def turn(self) -> None:
        """Let time pass: ping, and see whether anything comes."""
        if self.lost.is_set():
            return
        now_s = asyncio.get_running_loop().time()
        if now_s - self._heard_s >= _DEAD_S:
            self.give_up("silent", f"the broker at {self._entry.address} does not answer")
            return
        if now_s - self._said_s >= _PING_S:
            self.write(mqtt311.PINGREQ_PACKET)
        if self.stood:
            self._events.turn()

    def write(self, packet: bytes) -> None:
        """Send a packet."""
        if self._transport is not None and not self._transport.is_closing():
            self._said_s = asyncio.get_running_loop().time()
            self._transport.write(packet)

    def give_up(self, reason: str, detail: str) -> None:
        """Use it no longer; the first reason counts."""
        if not self.lost.is_set():
            self.why = (reason, detail)
            self.lost.set()

    def close(self) -> None:
        """Take leave."""
        self.lost.set()
        self.write(mqtt311.DISCONNECT_PACKET)
        if self._transport is not None:
            self._transport.close()

    def _answered(self, answer: Answer) -> None:
        if answer.kind == mqtt311.SUBACK and answer.code:
            log.warning("GX %s refuses %d of our subscriptions", self._entry.address, answer.code)
        if answer.kind != mqtt311.CONNACK or self.stood:
            return
        if answer.code:
            self.unwelcome = True
            why = mqtt311.REFUSALS.get(answer.code, f"it says {answer.code}")
            self.give_up("refused", f"{self._entry.address} refuses us: {why}")
            return
        self.stood = True
        self._events.opened()

    def _go_on(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()


async def _within(seconds: float, event: asyncio.Event) -> None:
    """Wait for an event, but no longer."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


def _tls(entry: Entry) -> ssl.SSLContext:
    """Trust what the entry trusts; a GX's own certificate does not bear the name by which it is reached."""
    context = ssl.create_default_context(cafile=entry.ca_file or None)
    if entry.ca_file or entry.insecure:
        context.check_hostname = False
    if entry.insecure:
        context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError | ssl.SSLCertVerificationError):
        return "refused"
    return "timeout" if isinstance(error, TimeoutError) else "link_lost"

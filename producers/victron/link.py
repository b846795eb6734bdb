"""The MQTT connection to one GX, remade whenever it is lost.

Rules that must stay true here:
- MQTT 3.1.1 at QoS 0: brokers of older GX devices know no other, and the GX publishes at no other;
- messages are taken in bunches: waking up for each one costs more than reading it;
- a connection on which nothing comes, not even the answer to a ping, is given up.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

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


class GxLink(asyncio.Protocol):
    """A connection; `run` holds it."""

    def __init__(self, entry: Entry, client_id: str, events: Events) -> None:
        self._entry = entry
        self._client_id = client_id
        self._events = events
        self._transport: asyncio.Transport | None = None
        self._decoder = Decoder()
        self._open = False
        self._lost = asyncio.Event()
        self._why = ("link_lost", "")
        self._packet_id = 0
        self._heard_s = 0.0
        self._said_s = 0.0

    def subscribe(self, filters: list[str]) -> None:
        """Subscribe, while the connection stands."""
        self._packet_id = self._packet_id % 65_535 + 1
        self._write(mqtt311.subscribe(self._packet_id, filters))

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish, while the connection stands."""
        self._write(mqtt311.publish(topic, payload))

    async def run(self) -> None:
        """Connect, and connect again, until cancelled."""
        pause_s = _FIRST_PAUSE_S
        while True:
            if await self._once():
                pause_s = _FIRST_PAUSE_S
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Introduce ourselves."""
        entry = self._entry
        self._transport = cast("asyncio.Transport", transport)
        username = entry.username or ("ovr" if entry.password else "")
        self._write(mqtt311.connect(self._client_id, _KEEPALIVE_S, username, entry.password))

    def data_received(self, data: bytes) -> None:
        """Take a bunch, and rest while the next one gathers."""
        loop = asyncio.get_running_loop()
        self._heard_s = loop.time()
        take = self._events.message
        try:
            for packet in self._decoder.feed(data):
                if isinstance(packet, Answer):
                    self._answered(packet)
                elif self._open:
                    take(*packet)
        except ProtocolError as error:
            self._give_up("link_lost", f"{self._entry.address} does not speak MQTT: {error}")
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
            loop.call_later(REST_S, self._go_on, self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let `run` make another one."""
        if exc is not None and not self._lost.is_set():
            self._why = ("link_lost", f"{self._entry.address}: {exc}")
        self._lost.set()

    async def _once(self) -> bool:
        """Hold one connection until it is lost; True when it stood."""
        self._decoder, self._open = Decoder(), False
        self._lost.clear()
        self._why = ("link_lost", f"{self._entry.address} closed the connection")
        stood = False
        try:
            await self._connect()
            stood = await self._hold()
        except (OSError, ValueError) as error:  # time limits, names, certificates: all are OSErrors
            self._why = (_reason(error), f"{self._entry.address}: {str(error) or 'no answer'}")
        finally:
            self._open = False
            if self._transport is not None:
                self._transport.write(mqtt311.DISCONNECT_PACKET)
                self._transport.close()
                self._transport = None
        self._events.closed(*self._why)
        return stood

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        context = _tls(self._entry) if self._entry.tls else None
        async with asyncio.timeout(_CONNECT_S):
            await loop.create_connection(lambda: self, self._entry.host, self._entry.port, ssl=context)
        self._heard_s = loop.time()

    async def _hold(self) -> bool:
        stood = False
        while not self._lost.is_set():
            try:
                async with asyncio.timeout(_TURN_S):
                    await self._lost.wait()
            except TimeoutError:
                self._turn()
            stood = stood or self._open
        return stood

    def _turn(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s - self._heard_s >= _DEAD_S:
            self._give_up("silent", f"the broker at {self._entry.address} does not answer")
            return
        if now_s - self._said_s >= _PING_S:
            self._write(mqtt311.PINGREQ_PACKET)
        if self._open:
            self._events.turn()

    def _answered(self, answer: Answer) -> None:
        if answer.kind == mqtt311.SUBACK and answer.code:
            log.warning("GX %s refuses %d of our subscriptions", self._entry.address, answer.code)
        if answer.kind != mqtt311.CONNACK:
            return
        if answer.code:
            why = mqtt311.REFUSALS.get(answer.code, f"it says {answer.code}")
            self._give_up("refused", f"{self._entry.address} refuses us: {why}")
        elif not self._open:
            self._open = True
            self._events.opened()

    def _give_up(self, reason: str, detail: str) -> None:
        self._why = (reason, detail)
        self._open = False
        self._lost.set()

    def _go_on(self, transport: asyncio.Transport) -> None:
        if not transport.is_closing():
            transport.resume_reading()

    def _write(self, packet: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._said_s = asyncio.get_running_loop().time()
            self._transport.write(packet)


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

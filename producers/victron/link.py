"""The MQTT connection to one GX, remade whenever it is lost.

Rules that must stay true here:
- MQTT 3.1.1 at QoS 0: brokers of older GX devices know no other, and the GX publishes at no other;
- it runs in the event loop; only connecting, which may block on names and handshakes, has a thread;
- messages are taken in bunches: waking up for each one costs more than reading it;
- a burst does not keep the loop from anything else for longer than a few milliseconds.
"""

import asyncio
import logging
import random
import select
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from producers.victron.options import Entry

log = logging.getLogger(__name__)

REST_S: Final = 0.02
"""For how long messages gather: what an alarm's time is off by at most."""

_BUNCH = 100
_TURN_S = 0.5
_KEEPALIVE_S = 20
_CONNECT_S = 5.0
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


class GxLink:
    """A connection; `run` holds it."""

    def __init__(self, entry: Entry, client_id: str, events: Events) -> None:
        self._entry = entry
        self._client_id = client_id
        self._events = events
        self._client: paho.Client | None = None
        self._open = False
        self._lost = asyncio.Event()
        self._why = ("link_lost", "")
        self._poll = select.poll()
        self._waiting: asyncio.Handle | None = None

    def subscribe(self, filters: list[str]) -> None:
        """Subscribe, while the connection stands."""
        if self._client is not None:
            self._client.subscribe([(each, 0) for each in filters])

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish, while the connection stands."""
        if self._client is not None and self._open:
            self._client.publish(topic, payload, qos=0)

    async def run(self) -> None:
        """Connect, and connect again, until cancelled."""
        pause_s = _FIRST_PAUSE_S
        while True:
            if await self._once():
                pause_s = _FIRST_PAUSE_S
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)

    async def _once(self) -> bool:
        """Hold one connection until it is lost; True when it stood."""
        self._lost.clear()
        self._open, self._why = False, ("link_lost", f"{self._entry.address} closed the connection")
        stood = False
        try:
            client = await self._connect()
            self._client = client
            stood = await self._serve(client)
        except (OSError, ValueError) as error:
            self._why = (_reason(error), f"{self._entry.address}: {error}")
        finally:
            if self._client is not None:
                self._end(self._client)
        self._events.closed(*self._why)
        return stood

    async def _connect(self) -> paho.Client:
        client = self._new()
        abandoned: list[bool] = []
        work = asyncio.get_running_loop().run_in_executor(None, self._block, client, abandoned)
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            abandoned.append(True)
            if work.done() and not work.cancelled() and work.exception() is None:
                client.disconnect()
            raise
        return client

    def _block(self, client: paho.Client, abandoned: list[bool]) -> None:
        client.connect(self._entry.host, self._entry.port, keepalive=_KEEPALIVE_S)
        if abandoned:
            client.disconnect()

    def _new(self) -> paho.Client:
        entry = self._entry
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=self._client_id, protocol=paho.MQTTv311)
        client.connect_timeout = _CONNECT_S
        client.on_connect = self._answered
        client.on_message = self._arrived
        if entry.tls:
            client.tls_set_context(_tls(entry))
        if entry.username or entry.password:
            client.username_pw_set(entry.username or "ovr", entry.password or None)
        return client

    async def _serve(self, client: paho.Client) -> bool:
        sock = client.socket()
        if sock is None:
            return False
        loop = asyncio.get_running_loop()
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        number = sock.fileno()
        loop.add_reader(number, self._read, client, number)
        stood = False
        try:
            while not self._lost.is_set():
                try:
                    async with asyncio.timeout(_TURN_S):
                        await self._lost.wait()
                except TimeoutError:
                    self._turn(client)
                stood = stood or self._open
        finally:
            if self._waiting is not None:
                self._waiting.cancel()
                self._waiting = None
            loop.remove_reader(number)
        return stood

    def _turn(self, client: paho.Client) -> None:
        if client.loop_misc() != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._why = ("silent", f"the broker at {self._entry.address} does not answer pings")
            self._lost.set()
            return
        if self._open:
            self._events.turn()
        self._write(client)

    def _read(self, client: paho.Client, number: int) -> None:
        """Read a bunch, and rest: while others have their turn, the next one gathers."""
        loop = asyncio.get_running_loop()
        more = True
        for _ in range(_BUNCH):
            if client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS or client.socket() is None:
                self._lost.set()
                return
            more = self._is_waiting(client)
            if not more:
                break
        self._write(client)
        loop.remove_reader(number)
        rest_s = 0.0 if more else REST_S
        self._waiting = loop.call_later(rest_s, self._listen, client, number)

    def _listen(self, client: paho.Client, number: int) -> None:
        """Wait for more; TLS may hold some that the socket does not show."""
        self._waiting = None
        if client.socket() is None:
            self._lost.set()
        elif self._is_waiting(client):
            self._read(client, number)
        else:
            asyncio.get_running_loop().add_reader(number, self._read, client, number)

    def _is_waiting(self, client: paho.Client) -> bool:
        sock = client.socket()
        held = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        return held or bool(self._poll.poll(0))

    def _write(self, client: paho.Client) -> None:
        if client.want_write() and client.loop_write() != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._lost.set()

    def _answered(
        self, _client: paho.Client, _userdata: Any, _flags: Any, code: ReasonCode, _properties: Any
    ) -> None:
        if code.is_failure:
            self._why = ("refused", f"{self._entry.address} refuses us: {code}")
            self._lost.set()
            return
        self._open = True
        self._events.opened()

    def _arrived(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        self._events.message(topic, bytes(message.payload), message.retain)

    def _end(self, client: paho.Client) -> None:
        self._open, self._client = False, None
        client.on_message = None
        client.disconnect()  # without a thread of its own it says so and closes at once


class _Socket(ssl.SSLSocket):
    """A socket that closes when its handshake fails; paho leaves that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def _tls(entry: Entry) -> ssl.SSLContext:
    """Trust what the entry trusts; a GX's own certificate does not bear the name by which it is reached."""
    context = ssl.create_default_context(cafile=entry.ca_file or None)
    context.sslsocket_class = _Socket
    if entry.ca_file or entry.insecure:
        context.check_hostname = False
    if entry.insecure:
        context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError | ssl.SSLCertVerificationError):
        return "refused"
    return "timeout" if isinstance(error, TimeoutError) else "link_lost"

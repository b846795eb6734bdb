"""The connection of a simulated GX to its own broker: MQTT over one asyncio stream, QoS 0 only."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable

from bus import mqtt
from bus.mqtt import Connack, Message, Subscription
from bus.mqtt_decoder import Decoder
from producers.simulator.gx_core import Publication
from schemas.errors import TransientError

_CHUNK = 1 << 16
_MOST_WAITING = 8 << 20  # a GX cuts off who does not read; ours drops its own words rather than grow


class GxLink:
    """Publishes for the device and hands it what clients ask."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, decoder: Decoder) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = decoder

    @classmethod
    async def connect(
        cls, host: str, port: int, portal_id: str, username: str | None, password: str | None
    ) -> "GxLink":
        """Connect as the device and listen for its requests.

        Raises:
            TransientError: the broker is not there or refuses us.
        """
        try:
            reader, writer = await asyncio.open_connection(host, port)
        except OSError as error:
            raise TransientError(f"the simulated GX cannot reach its broker: {error}") from error
        link = cls(reader, writer, Decoder())
        writer.write(
            mqtt.encode_connect(
                f"venus-{portal_id}",
                clean_start=True,
                session_expiry_s=0,
                receive_maximum=65_535,
                keepalive_s=0,
                username=username,
                password=password,
            )
        )
        async for packet in link._packets():
            if isinstance(packet, Connack) and packet.reason_code == mqtt.SUCCESS:
                requests = [Subscription(f"{word}/{portal_id}/#") for word in ("R", "W")]
                writer.write(mqtt.encode_subscribe(1, requests))
                continue
            if isinstance(packet, mqtt.Suback):
                return link
            break
        await link.close()
        raise TransientError("the broker of the simulated GX refuses the device")

    async def listen(self, receive: Callable[[Message], None]) -> None:
        """Hand over every request until the broker goes away."""
        async for packet in self._packets():
            if isinstance(packet, Message):
                receive(packet)

    def publish(self, publications: Iterable[Publication]) -> None:
        """Write messages in order."""
        packets = [
            mqtt.encode_publish(topic, payload, retain=retain) for topic, payload, retain in publications
        ]
        if packets and self._writer.transport.get_write_buffer_size() < _MOST_WAITING:
            self._writer.write(b"".join(packets))

    async def close(self) -> None:
        """End the connection."""
        self._writer.write(mqtt.encode_disconnect())
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _packets(self) -> AsyncIterator[mqtt.Packet]:
        while True:
            try:
                chunk = await self._reader.read(_CHUNK)
            except OSError:
                return
            if not chunk:
                return
            for packet in self._decoder.feed(chunk):
                yield packet

"""Load for the recorder: numbered samples, encoded beforehand, sent as fast as they are confirmed."""

import socket
import time
from dataclasses import dataclass

import orjson

from bus import envelope, ids, instants, mqtt
from bus.envelope import Envelope
from bus.mqtt import Message, Subscription
from bus.mqtt_decoder import Decoder
from schemas.measurements import MEASUREMENTS

NAMES = sorted(MEASUREMENTS, key=lambda name: (len(name), name))[:50]
SYSTEMS = 100
IN_FLIGHT = 4000


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What a run of load came to."""

    events: int
    seconds: float
    payload_bytes: int


def sample(n: int, time_us: int) -> Envelope:
    """Make a sample of 1.2 KB with 50 readings."""
    values = {name: round(1000 + (n * 7919 + i * 104_729) % 100_000 / 10, 1) for i, name in enumerate(NAMES)}
    data = {"kind": "victron", "interval_ms": 500, "values": values}
    return Envelope(ids.uuid7(), "/bench/load", "sample.taken", f"rig_{n % SYSTEMS:03d}", time_us, data)


def encoded(count: int, client: str, epoch: str) -> list[bytes]:
    """Write `count` PUBLISH packets of one epoch."""
    now_us = instants.now_us()
    packets = []
    for n in range(count):
        fact = sample(n, now_us + n)
        packets.append(
            mqtt.encode_publish(
                f"ovr/in/{client}/{fact.subject}/{fact.type}",
                envelope.encode(fact),
                qos=1,
                mid=n % 65_000 + 1,
                user_properties=(("epoch", epoch), ("sequence", str(n + 1))),
                content_type=envelope.CONTENT_TYPE,
            )
        )
    return packets


def run(port: int, count: int, client: str = "load") -> Confirmed:
    """Send `count` samples and return when the recorder has confirmed them all."""
    epoch = ids.token()
    packets = encoded(count, client, epoch)
    size = len(envelope.encode(sample(0, instants.now_us())))
    with socket.create_connection(("127.0.0.1", port)) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.sendall(
            mqtt.encode_connect(
                f"bench-{epoch}", clean_start=True, session_expiry_s=0, receive_maximum=65_535, keepalive_s=0
            )
            + mqtt.encode_subscribe(1, [Subscription(f"ovr/ack/{client}", 0)])
        )
        began = time.perf_counter()
        _pump(link, packets, epoch)
        return Confirmed(count, time.perf_counter() - began, size)


def _pump(link: socket.socket, packets: list[bytes], epoch: str) -> None:
    link.setblocking(False)
    decoder, confirmed, sent, out = Decoder(), 0, 0, memoryview(b"")
    while confirmed < len(packets):
        if not out and sent < min(len(packets), confirmed + IN_FLIGHT):
            upto = min(len(packets), confirmed + IN_FLIGHT, sent + 200)
            out = memoryview(b"".join(packets[sent:upto]))
            sent = upto
        try:
            if out:
                out = out[link.send(out) :]
        except BlockingIOError:
            pass
        try:
            for packet in decoder.feed(link.recv(1 << 18)):
                if isinstance(packet, Message):
                    said = orjson.loads(packet.payload)
                    if said.get("epoch") == epoch:
                        confirmed = max(confirmed, said.get("sequence", 0))
        except BlockingIOError:
            if not out:
                time.sleep(0.0005)

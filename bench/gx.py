"""Victron GX devices as one hears them: what a simulated one says in a minute, encoded beforehand.

A GX's broker is a real Mosquitto; one process speaks for many devices, so that it costs next to nothing.
"""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass

from bus import mqtt
from bus.mqtt import Message, Subscription
from bus.mqtt_decoder import Decoder
from producers.simulator.gx_core import Publication
from producers.simulator.gx_device import GxDevice
from producers.simulator.gx_options import GxOptions
from producers.simulator.gx_service import Rates, Service, Values

_PORTAL = "c0619ab00000"
_RECORDED_S = 60.0
_RATES = Rates(fast_s=0.22, medium_s=1.0, slow_s=5.0)
_CHUNK = 1 << 16
_UNIX_S = 1.8e9


@dataclass(frozen=True, slots=True)
class Recording:
    """What a GX says: its serial number at the start, everything when it is asked, and what changes.

    Attributes:
        ticks: what it says in each of its looks, `tick_s` apart.
        messages: how many there are in all ticks.
    """

    serial: bytes
    snapshot: bytes
    ticks: Sequence[bytes]
    tick_s: float
    messages: int

    @property
    def rate(self) -> float:
        """Tell how many messages a second there are."""
        return self.messages / (len(self.ticks) * self.tick_s)

    def of(self, portal_id: str) -> "Recording":
        """Return the same of another device; its id has the same length."""
        old, new = _PORTAL.encode(), portal_id.encode()
        assert len(old) == len(new)
        return Recording(
            self.serial.replace(old, new),
            self.snapshot.replace(old, new),
            [tick.replace(old, new) for tick in self.ticks],
            self.tick_s,
            self.messages,
        )


def portal_id(number: int) -> str:
    """Name the GX of a number."""
    return f"{int(_PORTAL, 16) + number:012x}"


def record() -> Recording:
    """Let a simulated GX live for a minute of its own time."""
    rig = _Rig()
    services = [
        Service("vebus", 276, rig.tell),
        Service("battery", 512, rig.tell),
        Service("grid", 30, rig.tell),
        Service("solarcharger", 277, rig.tell),
    ]
    device = GxDevice(_PORTAL, services, GxOptions(rates=_RATES, keepalive_s=math.inf))
    serial = _encoded(device.boot(0.0, _UNIX_S))
    snapshot = _encoded(device.receive(f"R/{_PORTAL}/keepalive", b"", 0.0, _UNIX_S))
    ticks, messages = [], 0
    for tick in range(1, round(_RECORDED_S / _RATES.tick_s) + 1):
        rig.now_s = tick * _RATES.tick_s
        said = device.look(rig.now_s, _UNIX_S + rig.now_s)
        ticks.append(_encoded(said))
        messages += len(said)
    return Recording(serial, snapshot, ticks, _RATES.tick_s, messages)


def serve(ports: Sequence[int]) -> None:
    """Be a GX on each of these brokers until SIGTERM."""
    asyncio.run(_serve(ports))


async def _serve(ports: Sequence[int]) -> None:
    recording = record()
    await asyncio.gather(
        *(_Speaker(recording.of(portal_id(number)), number).run(port) for number, port in enumerate(ports))
    )


class _Speaker:
    """One GX."""

    def __init__(self, recording: Recording, number: int) -> None:
        self._recording = recording
        self._portal_id = portal_id(number)
        self._asked = False

    async def run(self, port: int) -> None:
        """Say everything when it is asked, and then what changes, over and over."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            mqtt.encode_connect(
                f"venus-{self._portal_id}",
                clean_start=True,
                session_expiry_s=0,
                receive_maximum=65_535,
                keepalive_s=0,
            )
            + mqtt.encode_subscribe(1, [Subscription(f"R/{self._portal_id}/#")])
            + self._recording.serial
        )
        await asyncio.gather(self._listen(reader), self._speak(writer))

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        decoder = Decoder()
        while chunk := await reader.read(_CHUNK):
            self._asked |= any(isinstance(packet, Message) for packet in decoder.feed(chunk))

    async def _speak(self, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        tick_s = self._recording.tick_s
        due_s, number, alive = loop.time() + tick_s * (hash(self._portal_id) % 97) / 97, 0, False
        while True:
            await asyncio.sleep(due_s - loop.time())
            due_s += tick_s
            if self._asked:
                self._asked, alive = False, True
                writer.write(self._recording.snapshot)
            if alive:
                writer.write(self._recording.ticks[number % len(self._recording.ticks)])
                number += 1


class _Rig:
    """A three-phase battery system whose readings all move a little all the time."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def tell(self) -> Values:
        wave = 1 + 0.05 * math.sin(self.now_s * 2.9)
        told: dict[str, float | None] = {
            "soc_pct": 80.0 - self.now_s / 60,
            "state_code": 3.0,
            "mode_code": 3.0,
            "battery_voltage_v": 52.4 * wave,
            "battery_current_a": 10.0 * wave,
            "battery_power_w": 524.0 * wave,
            "battery_temperature_c": 21.5,
            "dc_power_w": 300.0 * wave,
            "dc_current_a": 5.7 * wave,
            "pv_power_w": 224.0 * wave,
            "pv_voltage_v": 88.0 * wave,
            "pv_energy_wh": 4910.0 + self.now_s,
            "ac_in_frequency_hz": 50.0 * wave,
            "ac_out_frequency_hz": 50.0 * wave,
            "grid_frequency_hz": 50.0 * wave,
        }
        for phase in ("l1", "l2", "l3"):
            for place, watts in (("ac_in", 2000.0), ("ac_out", 1800.0), ("grid", 2500.0)):
                head = f"{place}_{phase}_"
                told[head + "voltage_v"] = 230.0 * wave
                told[head + "current_a"] = watts / 230 * wave
                told[head + "power_w"] = watts * wave
                told[head + "apparent_power_va"] = (watts + 10) * wave
                told[head + "power_factor_ratio"] = 0.95 * wave
        return told


def _encoded(publications: Sequence[Publication]) -> bytes:
    return b"".join(
        mqtt.encode_publish(topic, payload, retain=retain) for topic, payload, retain in publications
    )

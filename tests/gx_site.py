"""A simulated GX for tests, and a client of it: paho in MQTT 3.1.1, as older GX brokers want it."""

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from producers.simulator.gx_server import GxOptions, GxServer, Service
from producers.simulator.gx_service import Values
from tests.waiting import PATIENCE_S

PORTAL = "c0619ab00001"


class Rig:
    """A three-phase inverter/charger with battery, PV and a grid meter, whose values a test sets."""

    def __init__(self) -> None:
        self.steps = 0
        self.values: dict[str, float | None] = {
            "soc_pct": 80.0,
            "state_code": 3.0,
            "mode_code": 3.0,
            "battery_voltage_v": 52.4,
            "battery_current_a": 10.0,
            "battery_power_w": 524.0,
            "battery_consumed_ah": 31.1,
            "battery_temperature_c": 21.5,
            "dc_power_w": 300.0,
            "dc_current_a": 5.7,
            "pv_power_w": 224.0,
            "pv_voltage_v": 88.0,
            "pv_energy_wh": 4910.0,
            "ac_in_frequency_hz": 50.0,
            "ac_out_frequency_hz": 50.0,
            "grid_frequency_hz": 50.0,
            "grid_energy_import_wh": 5_276_400.0,
            "energy_in1_to_out_wh": 1234.0,
        }
        for n in (1, 2, 3):
            for place, watts in (("ac_in", 2000.0), ("ac_out", 1800.0), ("grid", 2500.0)):
                head = f"{place}_l{n}_"
                self.values[head + "voltage_v"] = 230.0 + n
                self.values[head + "current_a"] = watts / 230.0
                self.values[head + "power_w"] = watts + n
                self.values[head + "apparent_power_va"] = watts + 10.0
                self.values[head + "power_factor_ratio"] = 0.97

    def tell(self) -> Values:
        """Tell what it measures; everything moves a little each time, as it does in the field."""
        self.steps += 1
        wave = (self.steps % 7) * 0.011
        told = dict(self.values)
        for name, value in self.values.items():
            if value is not None and name.endswith(("_w", "_va", "_a", "_v", "_hz", "_ratio")):
                told[name] = value * (1.0 + wave)
        return told

    def services(self) -> list[Service]:
        return [
            Service("vebus", 276, self.tell),
            Service("battery", 1, self.tell),
            Service("grid", 30, self.tell),
            Service("solarcharger", 277, self.tell, custom_name="Roof"),
        ]


@asynccontextmanager
async def running(
    directory: Path, services: Sequence[Service], options: GxOptions | None = None
) -> AsyncIterator[GxServer]:
    """Run a GX."""
    server = GxServer(PORTAL, services, directory, options)
    await server.start()
    life = asyncio.create_task(server.run())
    try:
        yield server
    finally:
        life.cancel()
        await asyncio.wait({life})
        await server.stop()
    assert life.cancelled(), life.exception()


class Listener:
    """A paho client that keeps every message; it reconnects by itself."""

    def __init__(
        self,
        server: GxServer,
        *,
        certificate: Path | None = None,
        username: str | None = None,
        password: str | None = None,
        topics: str = "#",
    ) -> None:
        self.messages: list[tuple[str, bytes, bool]] = []
        self.connects = 0
        self.refusals = 0
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        self._client.reconnect_delay_set(1, 1)
        self._topics = topics
        if username is not None:
            self._client.username_pw_set(username, password)
        if certificate is not None:
            context = ssl.create_default_context(cafile=str(certificate))
            context.check_hostname = False
            self._client.tls_set_context(context)
        self._client.on_connect = self._connected
        self._client.on_message = self._heard
        self._client.connect_async(server.host, server.port)
        self._client.loop_start()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def send(self, path: str, payload: bytes | str = b"") -> None:
        self._client.publish(f"{path[:1]}/{PORTAL}/{path[2:]}", payload).wait_for_publish(5.0)

    def keep_alive(self, *, echo: str | None = None, suppress: bool = False) -> None:
        options: list[Any] = [{"full-publish-completed-echo": echo}] if echo else []
        options += ["suppress-republish"] if suppress else []
        self.send("R/keepalive", json.dumps({"keepalive-options": options}) if options else b"")

    def told(self, path: str = "") -> list[Any]:
        """Return the values that a path had, in order; `<left>` for an empty payload."""
        topic = f"N/{PORTAL}/{path}"
        return [_value(payload) for name, payload, _ in list(self.messages) if name == topic]

    def topics(self) -> list[str]:
        """Return the topics of the device, in order, without its name."""
        head = f"N/{PORTAL}/"
        return [name.removeprefix(head) for name, _, _ in list(self.messages) if name.startswith(head)]

    def _connected(self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self.refusals += 1
            return
        client.subscribe(self._topics)
        self.connects += 1

    def _heard(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        self.messages.append((message.topic, bytes(message.payload), message.retain))


def _value(payload: bytes) -> Any:
    if not payload:
        return "<left>"
    said = json.loads(payload)
    return said["value"] if isinstance(said, dict) else said


async def until(condition: Callable[[], object], what: str) -> None:
    """Let the GX live until a condition holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        await asyncio.sleep(0.005)

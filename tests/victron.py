"""A GX for tests: its services as paths and values, told what to do by the test, answering as Venus OS does.

It is small on purpose, and knows nothing of what the program makes of it. `ScriptedGx` needs no network;
`GxOnBroker` puts one on a broker.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from producers.adapter import AlarmSeen, PartSeen, Read
from producers.victron.gx_session import Assigned, GxSession
from producers.victron.mapping import Pace
from producers.victron.mapping_file import packaged

PORTAL = "c0619ab50f49"
START_US = 1_000_000_000
WALL_US = 1_795_237_200_000_000
Told = tuple[str, bytes, bool]
Key = tuple[str, int]

VEBUS: dict[str, Any] = {
    "/ProductName": "MultiPlus-II 48/5000/70-50",
    "/ProductId": 9766,
    "/FirmwareVersion": 1362,
    "/Connected": 1,
    "/Ac/ActiveIn/Connected": 1,
    "/Ac/ActiveIn/ActiveInput": 0,
    "/Ac/ActiveIn/L1/V": 230.10000610351562,
    "/Ac/ActiveIn/L1/P": 1500,
    "/Ac/ActiveIn/L2/V": None,
    "/Ac/ActiveIn/P": 1500,
    "/Ac/Out/L1/V": 229.88999938964844,
    "/Ac/Out/L1/P": 900,
    "/Ac/Out/P": 900,
    "/Dc/0/Voltage": 52.41999816894531,
    "/Dc/0/Current": 8.5,
    "/State": 3,
    "/Mode": 3,
    "/Alarms/GridLost": 0,
    "/Alarms/Overload": 0,
    "/Alarms/L2/Overload": 0,
    "/VebusError": 0,
    "/Energy/InverterToAcOut": 12.345999717712402,
}
SYSTEM: dict[str, Any] = {
    "/Serial": PORTAL,
    "/Dc/Battery/Voltage": 52.400001525878906,
    "/Dc/Battery/Current": 5.099999904632568,
    "/Dc/Battery/Power": 267.0,
    "/Dc/Battery/Soc": 81.5,
    "/Dc/Battery/ConsumedAmphours": -31.100000381469727,
    "/Dc/Pv/Power": 640.0,
    "/Ac/Consumption/L1/Power": 900.0,
    "/Ac/Consumption/L2/Power": None,
    "/ActiveBatteryService": "com.victronenergy.battery/289",
}


def charger(serial: str, power: float) -> dict[str, Any]:
    """Give a solar charger."""
    return {
        "/ProductName": "SmartSolar MPPT 250/100",
        "/Serial": serial,
        "/FirmwareVersion": 356,
        "/Pv/V": 90.0,
        "/Yield/Power": power,
        "/Yield/User": 100.0,
        "/State": 3,
    }


def payload(value: Any) -> bytes:
    return json.dumps({"value": value}, separators=(",", ":")).encode()


class ScriptedGx:
    """A GX without a network: what it is asked gives what it says."""

    def __init__(
        self, services: dict[Key, dict[str, Any]], *, old: bool = False, echoes: bool = True
    ) -> None:
        self.services = {key: dict(values) for key, values in services.items()}
        self.alive = False
        self.asked: list[tuple[str, bytes]] = []
        self.old = old
        self.echoes = echoes
        self.drops = 0

    def hear(self, path: str, said: bytes) -> list[Told]:
        """Take what was published below `R/<portal>/`."""
        self.asked.append((path, said))
        if self.old:
            return self._hear_old(path)
        if path != "keepalive":
            return []
        self.alive = True
        if b"suppress-republish" in said:
            return []
        if self.drops:
            self.drops -= 1
            return []
        return [*self.everything(), self.end(said)]

    def everything(self) -> list[Told]:
        return [told for key in self.services for told in self.service(*key)]

    def service(self, type_: str, instance: int) -> list[Told]:
        return [
            self.message(type_, instance, path, value)
            for path, value in self.services[type_, instance].items()
        ]

    def change(self, type_: str, instance: int, path: str, value: Any) -> Told:
        self.services[type_, instance][path] = value
        return self.message(type_, instance, path, value)

    def leave(self, type_: str, instance: int) -> list[Told]:
        gone = self.services.pop((type_, instance))
        return [(self._topic(type_, instance, path), b"", self.old) for path in gone]

    def end(self, said: bytes = b"") -> Told:
        body: dict[str, Any] = {"value": 1_795_237_200}
        if self.echoes and b"echo" in said:
            body["full-publish-completed-echo"] = json.loads(said)["keepalive-options"][-1][
                "full-publish-completed-echo"
            ]
        return f"N/{PORTAL}/full_publish_completed", json.dumps(body).encode(), False

    def beat(self, seconds: int = 1_795_237_200) -> Told:
        return f"N/{PORTAL}/heartbeat", payload(seconds), False

    def message(self, type_: str, instance: int, path: str, value: Any) -> Told:
        return self._topic(type_, instance, path), payload(value), self.old or path == "/Serial" == type_

    def _hear_old(self, path: str) -> list[Told]:
        was_alive, self.alive = self.alive, True
        told = [] if was_alive else self.everything()
        parts = path.split("/", 2)
        if len(parts) == 3 and (key := (parts[0], int(parts[1]))) in self.services:
            leaf = "/" + parts[2]
            if leaf in self.services[key]:
                told.append(self.message(*key, leaf, self.services[key][leaf]))
        return told

    def _topic(self, type_: str, instance: int, path: str) -> str:
        return f"N/{PORTAL}/{type_}/{instance}{path}"


class Bench:
    """A session and a GX without a network between them, and a clock that the test moves."""

    def __init__(
        self,
        gx: ScriptedGx,
        *,
        assigned: tuple[Assigned, ...] = (),
        numbers: dict[str, Any] | None = None,
        beats: bool = True,
    ) -> None:
        self.gx = gx
        self.now_us = START_US
        self.session = GxSession(PORTAL, "rig_01", packaged(), "us", assigned, numbers)
        self.seen: list[AlarmSeen | PartSeen] = []
        self.beats = beats
        self.deaf = False
        self._beat_us = 0

    def open(self, *, within_s: float = 1.0) -> "Bench":
        """Connect, and let everything be told."""
        self.session.open(self.now_us)
        self.run(within_s)
        return self

    def run(self, seconds: float) -> None:
        """Let time pass, half a second a turn."""
        until_us = self.now_us + round(seconds * 1e6)
        while True:
            self._turn()
            if self.now_us >= until_us:
                return
            self.now_us += min(500_000, until_us - self.now_us)

    def take(self, *told: Told) -> None:
        """Let the session hear something, live."""
        for topic, said, _ in told:
            self.session.take(topic, said, self.now_us)

    def tell(self, type_: str, instance: int, path: str, value: Any) -> None:
        """Change a value of the GX, heard at once."""
        self.take(self.gx.change(type_, instance, path, value))

    def read(self, pace: Pace = Pace.FAST, system_id: str = "rig_01") -> Read:
        read = self.session.read(system_id, pace, self.now_us, WALL_US)
        self.seen += read.seen
        return read

    def values(self, pace: Pace = Pace.FAST, system_id: str = "rig_01") -> dict[str, float | None]:
        return dict(self.read(pace, system_id).values)

    def parts(self) -> list[tuple[str, bool]]:
        """Give the comings and goings since the last call."""
        self.seen += self.session.read("rig_01", Pace.FAST, self.now_us, WALL_US).seen
        found = [(one.device, one.present) for one in self.seen if isinstance(one, PartSeen)]
        self.seen = [one for one in self.seen if isinstance(one, AlarmSeen)]
        return found

    def _turn(self) -> None:
        if self.deaf:
            self.session.tick(self.now_us)
            return
        if self.gx.alive and self.beats and not self.gx.old and self.now_us - self._beat_us >= 3_000_000:
            self._beat_us = self.now_us
            self.take(self.gx.beat())
        for path, said in self.session.tick(self.now_us):
            self.take(*self.gx.hear(path, said))


class GxOnBroker:
    """A scripted GX on a real broker."""

    def __init__(self, gx: ScriptedGx, port: int, ca_file: Path | None = None) -> None:
        self.gx = gx
        self.hangs = False
        self._lock = threading.Lock()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        self._client.on_connect = lambda client, *_: client.subscribe(f"R/{PORTAL}/#")
        self._client.on_message = self._heard
        self._client.username_pw_set("ovr", "secret")
        if ca_file is not None:
            self._client.tls_set(str(ca_file))
            self._client.tls_insecure_set(True)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self.say((f"N/{PORTAL}/system/0/Serial", payload(PORTAL), True))
        self._stop = threading.Event()
        self._beating = threading.Thread(target=self._beat, daemon=True)
        self._beating.start()

    def say(self, *told: Told) -> None:
        for topic, said, retain in told:
            self._client.publish(topic, said, qos=0, retain=retain)

    def flush(self) -> None:
        """Wait until the broker has everything."""
        self._client.publish("tests/flush", b"", qos=1).wait_for_publish(10)

    def change(self, type_: str, instance: int, path: str, value: Any) -> None:
        with self._lock:
            self.say(self.gx.change(type_, instance, path, value))

    def leave(self, type_: str, instance: int) -> None:
        with self._lock:
            self.say(*self.gx.leave(type_, instance))

    def close(self) -> None:
        self._stop.set()
        self._beating.join()
        self._client.disconnect()
        self._client.loop_stop()

    def _beat(self) -> None:
        while not self._stop.wait(0.1):
            if self.gx.alive and not self.hangs and not self.gx.old:
                self.say(self.gx.beat())

    def _heard(self, _client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        if self.hangs:
            return
        with self._lock:
            self.say(*self.gx.hear(message.topic.split("/", 2)[2], bytes(message.payload)))


@contextmanager
def gx_on(port: int, gx: ScriptedGx, ca_file: Path | None = None) -> Iterator[GxOnBroker]:
    """Put a GX on a broker."""
    device = GxOnBroker(gx, port, ca_file)
    try:
        yield device
    finally:
        device.close()

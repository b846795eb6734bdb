"""The machine that a node runs on.

Rules that must stay true here:
- what the machine does not have (a sensor, a swap, a fan) or does not let us read is absent, not zero;
- reading may block when a disk hangs: it runs in a thread of its own, and no second one is begun meanwhile.
"""

import asyncio
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from producers import host_clock, host_readings, host_throttling
from producers.adapter import AlarmSeen, Description, DeviceError, DeviceSpec, Read
from producers.host_processes import OwnProcesses
from producers.host_readings import Readings
from producers.host_wear import Wear
from producers.source import Setting, Source
from schemas.errors import ConfigurationError

KIND = "host"
INTERVAL_MS = 5_000
_MODEL_FILES = ("/sys/devices/virtual/dmi/id/product_name", "/proc/device-tree/model")


class HostSource(Source):
    """Gives this machine as one system, `host_<node_id>`."""

    def __init__(self, setting: Setting) -> None:
        self._system_id = f"host_{setting.node_id}"
        self._adapter = HostAdapter(setting.data)
        self._interval_ms = _interval_ms(setting.options)

    def configure(self, options: Mapping[str, Any]) -> None:
        """Take new options."""
        self._interval_ms = _interval_ms(options)

    def specs(self) -> Iterable[DeviceSpec]:
        """Give the one poll there is."""
        return [DeviceSpec(self._system_id, KIND, self._interval_ms, self._adapter)]


class HostAdapter:
    """Reads this machine.

    Args:
        data: the data directory: its disk, and its processes, are the ones that matter.
    """

    def __init__(self, data: Path) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="host")
        self._reading: Future[Read] | None = None
        wear, own = Wear(data), OwnProcesses(data)
        self._groups: Mapping[str, Callable[[], Readings]] = {
            "processor": host_readings.processor,
            "memory": host_readings.memory,
            "disk": lambda: host_readings.disk(data),
            "wear": wear.read,
            "network": host_readings.network,
            "load": host_readings.load,
            "temperatures": host_readings.temperatures,
            "throttling": host_throttling.read,
            "clock": host_clock.read,
            "processes": own.read,
        }
        psutil.cpu_percent(percpu=True)  # use is counted between two calls: this is the first

    async def read(self) -> Read:
        """Read everything once."""
        if self._reading is not None and not self._reading.done():
            raise DeviceError("the previous read still hangs", reason="silent")
        self._reading = self._thread.submit(self._read)
        return await asyncio.wrap_future(self._reading)

    async def describe(self) -> Description:
        """Name the machine and its system."""
        return Description(
            model=_model() or platform.machine() or None,
            hardware=platform.machine() or None,
            firmware=f"{platform.system()} {platform.release()}".strip() or None,
        )

    async def close(self) -> None:
        """Let the thread go."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _read(self) -> Read:
        values: Readings = {}
        failed: list[str] = []
        for name, group in self._groups.items():
            try:
                values |= group()
            except (OSError, psutil.Error, RuntimeError) as error:
                failed.append(f"{name}: {error}")
        return Read(values, tuple(_alarms(values)), missing="; ".join(failed))


def _alarms(values: Readings) -> Iterator[AlarmSeen]:
    """Tell the states that the hardware itself calls bad."""
    bits = values.get("host_throttled_code")
    if bits is not None:
        for alarm, level, mask in host_throttling.ALARMS:
            yield AlarmSeen(alarm, level if int(bits) & mask else None, code=bits)
    end = values.get("disk_end_of_life_code")
    if end is not None:
        yield AlarmSeen("disk_end_of_life", {2.0: "warning", 3.0: "alarm"}.get(end), code=end)


def _interval_ms(options: Mapping[str, Any]) -> int:
    if strange := options.keys() - {"interval_ms"}:
        raise ConfigurationError(f"the host producer has no option {min(strange)}: it knows interval_ms")
    said = options.get("interval_ms", INTERVAL_MS)
    if type(said) is not int or said < 1:
        raise ConfigurationError(f"interval_ms of the host producer is a whole number above 0, not {said!r}")
    return said


def _model() -> str:
    for name in _MODEL_FILES:
        try:
            return Path(name).read_text(encoding="utf-8", errors="replace").strip("\0 \n")
        except OSError:
            continue
    return ""

"""The devices of the Modbus producer: options become polls, connections are shared, kinds found out.

Rules that must stay true here:
- a device whose options have not changed keeps its adapters, and does not notice a reload;
- a device that could be of several kinds is polled once it is known which, and that is remembered.
"""

import asyncio
import json
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from producers.adapter import DeviceError, DeviceSpec
from producers.modbus.adapter import PollAdapter
from producers.modbus.connection import Connections
from producers.modbus.device import Device
from producers.modbus.entry import Entry, candidates, entries
from producers.modbus.maps import FOLDER, Map, maps_with
from producers.modbus.points import Poll
from producers.source import Setting, Source
from schemas.errors import ConfigurationError

log = logging.getLogger(__name__)

READ_WITHIN_MS: Final = 10_000
"""A net below the time limits of the requests: units behind one gateway wait for each other."""

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0
_LOOK_AGAIN_S: Final = 5.0


class Unit:
    """One entry, its device, and its polls once its kind is known.

    Attributes:
        ambiguous: its maps are of several kinds, so that it has to be looked for first.
        kind: of its samples; empty until it is known.
        mismatched: the device answers, and is none of the maps.
        trouble: why it has not been found yet.
    """

    def __init__(self, entry: Entry, maps: Mapping[str, Map], connections: Connections, kind: str) -> None:
        self._maps = candidates(entry.wish, maps)
        kinds = {each.kind for each in self._maps}
        self.entry = entry
        self.device = Device(entry.wish, self._maps, connections, self._mismatch)
        self.device.use()  # until its polls do
        self.ambiguous = len(kinds) > 1
        self.kind = ""
        self.mismatched = False
        self.trouble = ""
        self._specs: list[DeviceSpec] | None = None
        if not self.ambiguous or kind in kinds:
            self.settle(kind if self.ambiguous else self._maps[0].kind)

    @property
    def system_id(self) -> str:
        """Give its name; empty until it is known."""
        possible = [each.name for each in self._maps if each.kind == self.kind]
        name = possible[0] if len(self._maps) == 1 else self.kind
        return self.entry.name(name) if self.kind else self.entry.system_id

    def settle(self, kind: str) -> None:
        """Take note of its kind."""
        self.kind, self.trouble = kind, ""
        self.device.narrow(kind)

    def specs(self) -> list[DeviceSpec]:
        """Give its polls; none while its kind is not known."""
        if not self.kind:
            return []
        if self._specs is None:
            polls: tuple[tuple[Poll, int], ...] = (("fast", self.entry.fast_ms), ("slow", self.entry.slow_ms))
            possible = {poll for each in self._maps if each.kind == self.kind for poll in each.polls}
            self._specs = [self._spec(poll, ms) for poll, ms in polls if ms and poll in possible]
            self.device.leave()
        return self._specs

    def drop(self) -> None:
        """Let go of it; its polls let go themselves."""
        if self._specs is None:
            self.device.leave()

    def hang_up(self) -> None:
        """End what its polls do not end."""
        if self._specs is None:
            self.device.hang_up()

    def _spec(self, poll: Poll, interval_ms: int) -> DeviceSpec:
        return DeviceSpec(
            self.system_id,
            self.kind,
            interval_ms,
            PollAdapter(self.device, poll),
            address=self.entry.wish.address,
            timeout_ms=READ_WITHIN_MS,
        )

    def _mismatch(self) -> None:
        self.mismatched = True


class ModbusSource(Source):
    """Gives every Modbus device of a site."""

    def __init__(self, setting: Setting, maps: Mapping[str, Map] | None = None) -> None:
        self._maps = maps_with(setting.data / FOLDER) if maps is None else maps
        self._state = setting.state
        self._connections = Connections()
        self._kinds = _load(self._state)
        self._saved = dict(self._kinds)
        self._units: list[Unit] = []
        self._news = asyncio.Event()
        self.configure(setting.options)

    def specs(self) -> Iterable[DeviceSpec]:
        """Give every poll of every device whose kind is known."""
        _check_names(self._units)
        return [spec for unit in self._units for spec in unit.specs()]

    async def run(self, changed: Callable[[], None]) -> None:
        """Look for devices whose kind is not known, and again for one that turns out to be another."""
        looking: dict[Unit, asyncio.Task[None]] = {}
        try:
            while True:
                self._news.clear()
                for unit in [
                    unit for unit in self._units if unit.mismatched and unit.ambiguous and unit.kind
                ]:
                    self._forget(unit)
                    changed()
                for unit in [unit for unit in looking if unit not in self._units]:
                    looking.pop(unit).cancel()
                for unit in self._units:
                    if not unit.kind and unit not in looking:
                        looking[unit] = asyncio.create_task(self._look(unit, changed))
                await _either(self._news, _LOOK_AGAIN_S)
        finally:
            for task in looking.values():
                task.cancel()
            await asyncio.gather(*looking.values(), return_exceptions=True)
            for unit in self._units:
                unit.hang_up()

    def configure(self, options: Mapping[str, Any]) -> None:
        """Take new options; devices whose options are the same stay as they are."""
        wanted, timeout_s = entries(options, self._maps)
        before_s, self._connections.timeout_s = self._connections.timeout_s, timeout_s
        units = [self._unit(entry) for entry in wanted]
        try:
            _check_names(units)
        except ConfigurationError:
            self._connections.timeout_s = before_s
            _drop(units, but=self._units)
            raise
        before, self._units = self._units, units
        _drop(before, but=units)
        self._news.set()

    def status(self) -> dict[str, Any]:
        """Tell which devices are still looked for, and what a person should look at."""
        found = {unit.system_id: unit.device for unit in self._units if unit.device.layout is not None}
        looking = {unit.entry.wish.address: unit.trouble for unit in self._units if not unit.kind}
        warnings = {name: list(device.notes) for name, device in found.items() if device.notes}
        return {"looking_for": looking, "warnings": warnings}

    def save(self) -> None:
        """Remember the kinds that were found out."""
        if self._kinds != self._saved:
            self._state.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._state.with_suffix(".new")
            fresh.write_text(json.dumps({"kinds": self._kinds}), encoding="utf-8")
            fresh.replace(self._state)
            self._saved = dict(self._kinds)

    def _unit(self, entry: Entry) -> Unit:
        for unit in self._units:
            if unit.entry == entry:
                return unit
        return Unit(entry, self._maps, self._connections, self._kinds.get(entry.wish.address, ""))

    def _forget(self, unit: Unit) -> None:
        """Begin anew with a device that is of another kind than it was."""
        log.warning("%s is not a device of kind %s any more", unit.entry.wish.address, unit.kind)
        self._kinds.pop(unit.entry.wish.address, None)
        fresh = Unit(unit.entry, self._maps, self._connections, "")
        self._units = [fresh if each is unit else each for each in self._units]
        unit.drop()

    async def _look(self, unit: Unit, changed: Callable[[], None]) -> None:
        """Look for one device until it is found, less and less often."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                layout = await unit.device.found()
            except DeviceError as error:
                if unit.trouble != str(error):
                    log.info("%s is not found yet: %s", unit.entry.wish.address, error)
                unit.trouble = str(error)
            else:
                unit.settle(layout.kind)
                self._kinds[unit.entry.wish.address] = layout.kind
                changed()
                return
            await asyncio.sleep(pause_s * (0.5 + random.random()))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


async def _either(event: asyncio.Event, timeout_s: float) -> None:
    """Wait for an event, but not longer than so."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()


def _check_names(units: Iterable[Unit]) -> None:
    twice = Counter(unit.system_id for unit in units if unit.system_id)
    if wrong := [name for name, count in twice.items() if count > 1]:
        raise ConfigurationError(f"producers.modbus: two devices are named {wrong[0]}: give each a system_id")


def _drop(units: Iterable[Unit], *, but: Iterable[Unit]) -> None:
    kept = set(but)
    for unit in units:
        if unit not in kept:
            unit.drop()


def _load(path: Path) -> dict[str, str]:
    """Read the kinds that an earlier life has found out; they can be found out again."""
    try:
        kinds = json.loads(path.read_text(encoding="utf-8"))["kinds"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {str(key): str(kind) for key, kind in kinds.items()} if isinstance(kinds, dict) else {}

"""One unit behind a connection: looked for when that is made; its polls share what was found.

Rules that must stay true here:
- looking for a device goes on when a poll that waits for it runs out of time;
- silence is never taken for "another device", unless it lasts and other maps remain.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from producers.adapter import DeviceError, Values
from producers.modbus.cells import Words
from producers.modbus.connection import Connections, Framing, UnitRegisters
from producers.modbus.energy import EnergyWatch
from producers.modbus.maps import Map
from producers.modbus.plan import Block
from producers.modbus.points import Layout
from producers.modbus.power import PowerWatch

log = logging.getLogger(__name__)

REFRESH_S: Final = 600.0
"""How long what was found is believed without looking again: somebody may change the meter's settings."""

_SILENCE: Final = frozenset({"silent", "timeout", "link_lost", "refused"})
_SILENT_MAPS: Final = 3
"""How often a map that is answered by silence is looked for, before it counts as another one."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a site says about one device.

    Attributes:
        maps: to be looked for, in this order; empty for all that can be told from each other.
        parameters: of the maps.
        confirm: unverified blocks that the site has confirmed.
        framing: of the connection.
    """

    host: str
    port: int
    unit: int
    maps: tuple[str, ...]
    parameters: Mapping[str, float] = field(default_factory=dict)
    confirm: Mapping[str, Sequence[str]] = field(default_factory=dict)
    framing: Framing = "tcp"

    @property
    def address(self) -> str:
        """Name it for people."""
        return f"{self.host}:{self.port}/{self.unit}"


class Device:
    """One unit behind a connection.

    Args:
        wish: what the site says.
        maps: to be looked for, in this order.
        connections: of all devices.
        mismatched: called when the unit answers and is none of the maps.

    Attributes:
        layout: what was found; None before.
        finding: how often it was found; what was found out about its registers holds until the next time.
        watch: what is believed about the unit of its powers.
        energy: what speaks against the unit of its energies.
    """

    def __init__(
        self,
        wish: Wish,
        maps: Sequence[Map],
        connections: Connections,
        mismatched: Callable[[], None] = lambda: None,
    ) -> None:
        self.wish = wish
        self.layout: Layout | None = None
        self.finding = 0
        self.watch: PowerWatch | None = None
        self.energy: EnergyWatch | None = None
        self._maps = maps
        self._mismatched = mismatched
        self._connections = connections
        self._connection = connections.take(wish.host, wish.port, wish.framing)
        self._registers = UnitRegisters(self._connection, wish.unit)
        self._search: asyncio.Task[Layout] | None = None
        self._generation = -1
        self._looked_at = 0.0
        self._silent: Counter[str] = Counter()
        self._users = 0
        self._asleep = False

    async def found(self) -> Layout:
        """Give what is there; look for it on every new connection, and now and then beside the polls.

        Raises:
            DeviceError: nobody answers, or something else does.
        """
        generation = await self._connection.ready()
        now = asyncio.get_running_loop().time()
        search = self._search if self._search is not None and not self._search.done() else None
        if self.layout is None or generation != self._generation:
            return await asyncio.shield(search or self._begin())
        if search is None and now > self._looked_at + REFRESH_S:
            self._begin()
        return self.layout

    async def read(self, block: Block) -> Words:
        """Read one block."""
        return await self._registers.read(block.function, block.address, block.count, block.unit)

    @property
    def factors(self) -> dict[str, float]:
        """Give what scales stand for, the unit of power as it is believed now."""
        if self.layout is None:
            return {}
        check = self.layout.power_check
        believed = {check.parameter: self.watch.scale} if check and self.watch else {}
        return dict(self.layout.factors) | believed

    def narrow(self, kind: str) -> None:
        """Look for maps of one kind only from now on: its polls publish samples of that kind."""
        self._maps = [each for each in self._maps if each.kind == kind]

    def use(self) -> None:
        """Count one more poll that reads us."""
        self._users += 1

    def leave(self) -> None:
        """Count one poll less; the last one ends the search and gives the connection back."""
        self._users -= 1
        if self._users == 0:
            if self._search is not None:
                self._search.cancel()
            self._connections.give_back(self._connection)

    def hang_up(self) -> None:
        """End the search and the connection; the next read makes it anew."""
        if self._search is not None:
            self._search.cancel()
        self._connection.hang_up()

    def took(self, values: Values) -> None:
        """Take note of what was read: whether the device says that it goes to sleep."""
        if self.layout is None or self.layout.asleep is None:
            self._asleep = False
            return
        name, states = self.layout.asleep
        if (state := values.get(name)) is not None:
            self._asleep = state in states

    def explained(self, error: DeviceError) -> DeviceError:
        """Say why a device is silent, when it has said so itself: a PV inverter has no power at night."""
        if not self._asleep or error.reason not in _SILENCE:
            return error
        return DeviceError(f"it went to sleep before: {error}", reason="asleep")

    @property
    def notes(self) -> tuple[str, ...]:
        """Give what a person should know about it."""
        if self.layout is None:
            return ()
        notes = list(self.layout.warnings)
        power, energy = self.layout.power_check, self.layout.energy_check
        if power and self.watch and self.watch.scale != self.layout.factors[power.parameter]:
            notes.append(f"{power.parameter} is {self.watch.scale:g}, as voltage times current says")
        if energy and self.energy and self.energy.suggests:
            notes.append(
                f"the energy counter contradicts power over time: compare with the device's display, "
                f"and set {energy.parameter} = {self.energy.suggests:g}"
            )
        return tuple(notes)

    def _begin(self) -> asyncio.Task[Layout]:
        self._looked_at = asyncio.get_running_loop().time()
        self._search = asyncio.create_task(self._look())
        self._search.add_done_callback(_take_note)
        return self._search

    async def _look(self) -> Layout:
        generation = await self._connection.ready()
        layout = await self._look_for_maps()
        if generation != self._connection.generation:
            raise DeviceError(f"{self.wish.address}: the connection was lost meanwhile", reason="link_lost")
        if layout != self.layout:
            self._settle(layout)
        self._generation = generation
        self.finding += 1
        return layout

    async def _look_for_maps(self) -> Layout:
        silent: DeviceError | None = None
        named = len(self.wish.maps) == 1
        for each in self._maps:
            own = {name: value for name, value in self.wish.parameters.items() if name in each.parameters}
            try:
                layout = await each.find(self._registers, own, self.wish.confirm, named=named)
            except DeviceError as error:
                self._silent[each.name] += 1
                if self._silent[each.name] < _SILENT_MAPS:
                    raise
                silent = error
                continue
            if layout is not None:
                self._silent.clear()
                return layout
        self._silent.clear()
        if silent is None:
            self._mismatched()
        names = ", ".join(each.name for each in self._maps)
        raise silent or DeviceError(
            f"{self.wish.address} answers, and is none of: {names}. "
            f"`ovr devices probe {self.wish.host}` tells what it is",
            reason="refused",
        )

    def _settle(self, layout: Layout) -> None:
        """Take a layout that is new."""
        if self.layout is None or self.layout.map != layout.map:
            log.info("%s is of the map %s", self.wish.address, layout.map)
            self.watch = self._watch(layout)
            self.energy = _energy(layout)
        for warning in layout.warnings:
            log.warning("%s (%s): %s", self.wish.address, layout.map, warning)
        self._registers.gap_s = layout.min_gap_ms / 1000
        self.layout = layout

    def _watch(self, layout: Layout) -> PowerWatch | None:
        check = layout.power_check
        if check is None:
            return None
        map_ = next(each for each in self._maps if each.name == layout.map)
        choices = map_.parameters[check.parameter].choices
        return PowerWatch(check.place, choices, layout.factors[check.parameter])


def _energy(layout: Layout) -> EnergyWatch | None:
    check = layout.energy_check
    return EnergyWatch(check.place, layout.factors[check.parameter]) if check else None


def _take_note(search: asyncio.Task[Layout]) -> None:
    """Look at the error of a search that nobody waits for any more."""
    if not search.cancelled() and (error := search.exception()) is not None:
        log.debug("looking for a device failed: %s", error)

"""One GX: its connection, what is known of it, and the polls that read it.

Rules that must stay true here:
- a GX whose portal id nobody said is the first that its broker names; from then on it is that one, until
  another is in its place;
- reading asks nothing of the GX: it takes what is known.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from producers.adapter import Description, DeviceError, DeviceSpec, Read
from producers.clock import Clock
from producers.victron.gx_session import GxSession
from producers.victron.link import Events, GxLink
from producers.victron.mapping import GxMap, Pace
from producers.victron.options import Entry, is_portal_id, system_id_of

log = logging.getLogger(__name__)

KIND: Final = "victron"
DEVICE: Final = "gx"
_DISCOVERY = ["N/+/system/0/Serial", "N/+/heartbeat", "N/+/keepalive"]
_READ_WITHIN_MS = 2_000
_PATIENCE_MS = 8_000
_FOUND_WITHIN_US = 5_000_000
_MOST_OTHERS = 100


class Gx:
    """One GX.

    Args:
        entry: what is said about it.
        map_: what its paths mean.
        clock: of this machine.
        word: what our requests are known by.
        portal_id: from an earlier life, when the entry names none.
        numbers: the numbers of services from an earlier life, by portal id.
    """

    def __init__(
        self,
        entry: Entry,
        map_: GxMap,
        clock: Clock,
        word: str,
        portal_id: str = "",
        numbers: Callable[[str], Mapping[str, Any] | None] = lambda _: None,
    ) -> None:
        self.entry = entry
        self.session: GxSession | None = None
        self.others: set[str] = set()
        self._map = map_
        self._clock = clock
        self._word = word
        self._numbers = numbers
        self._changed: Callable[[], None] = lambda: None
        self._specs: list[DeviceSpec] = []
        self._trouble = ("link_lost", "not connected yet")
        self._told = ""
        self._opened_us = 0
        self._messages = 0
        events = Events(self._opened, self._closed, self._message, self._turn)
        self._link = GxLink(entry, f"ovr-{word}", events)
        if entry.portal_id or portal_id:
            self._begin(entry.portal_id or portal_id)

    @property
    def system_id(self) -> str:
        """Give the name of its system; empty until it is known."""
        if self.entry.system_id or self.session is None:
            return self.entry.system_id
        return self.session.system_id

    def specs(self) -> list[DeviceSpec]:
        """Give its polls."""
        if not self._specs and self.system_id:
            devices = {self.system_id: DEVICE}
            for one in self.entry.assign:
                devices.setdefault(one.system_id, f"{one.type}/{one.instance}")
            self._specs = [
                self._spec(system_id, device, pace) for system_id, device in devices.items() for pace in Pace
            ]
        return self._specs

    async def run(self, changed: Callable[[], None]) -> None:
        """Hold the connection, until cancelled."""
        self._changed = changed
        await self._link.run()

    def read(self, system_id: str, pace: Pace) -> Read:
        """Give the readings of one of its systems.

        Raises:
            DeviceError: nobody knows them.
        """
        if self.session is None:
            raise DeviceError(self._trouble[1], reason=self._trouble[0])
        now = self._clock.read()
        return self.session.read(system_id, pace, now.monotonic_us, now.wall_us)

    def describe(self, system_id: str) -> Description | None:
        """Tell what one of its systems is."""
        return self.session.describe(system_id) if self.session is not None else None

    def status(self) -> dict[str, Any]:
        """Tell what is going on."""
        said = (
            self.session.status()
            if self.session is not None
            else {"ready": False, "trouble": self._trouble[1]}
        )
        return {"address": self.entry.address, **said, "other_portals": sorted(self.others)}

    def _begin(self, portal_id: str) -> GxSession:
        system_id = self.entry.system_id or system_id_of(portal_id)
        numbers = self._numbers(portal_id)
        session = GxSession(portal_id, system_id, self._map, self._word, self.entry.assign, numbers)
        self.session = session
        return session

    def _spec(self, system_id: str, device: str, pace: Pace) -> DeviceSpec:
        interval_ms = self.entry.fast_ms if pace is Pace.FAST else self.entry.slow_ms
        return DeviceSpec(
            system_id,
            KIND,
            interval_ms,
            GxAdapter(self, system_id, pace),
            device=device,
            address=f"mqtt{'s' if self.entry.tls else ''}://{self.entry.address}",
            timeout_ms=_READ_WITHIN_MS,
            patience=max(1, _PATIENCE_MS // self.entry.fast_ms),
            longest_pause_ms=0,
        )

    def _opened(self) -> None:
        if self.session is None:
            self._trouble = ("silent", f"no GX has told its serial number at {self.entry.address}")
            self._link.subscribe(_DISCOVERY)
        else:
            self._listen(self.session)

    def _closed(self, reason: str, detail: str) -> None:
        self._trouble = (reason, detail)
        if self.session is not None:
            self.session.vigil.close(reason, detail)
        if detail != self._told:
            log.warning("GX %s", detail)
            self._told = detail

    def _listen(self, session: GxSession) -> None:
        self._told = ""
        self._opened_us, self._messages = self._clock.monotonic_us(), session.messages
        self.others.clear()
        self._link.subscribe(session.filters() + ([] if self.entry.portal_id else _DISCOVERY))
        session.open(self._opened_us)
        self._turn()

    def _message(self, topic: str, payload: bytes, retained: bool) -> None:
        if self.session is not None and topic.startswith(self.session.head):
            self.session.take(topic, payload, self._clock.monotonic_us(), retained=retained)
            return
        portal_id = topic.split("/", 2)[1] if topic.startswith("N/") else ""
        if self.entry.portal_id or portal_id in self.others or not is_portal_id(portal_id):
            return
        if self.session is None:
            self._found(portal_id)
        elif len(self.others) < _MOST_OTHERS:
            self.others.add(portal_id)
            log.warning(
                "%s has GX %s too: a [[gx]] with that portal_id reads it", self.entry.address, portal_id
            )

    def _found(self, portal_id: str) -> None:
        log.info("GX %s has portal id %s", self.entry.address, portal_id)
        self._specs = []
        self._listen(self._begin(portal_id))
        self._changed()

    def _is_another(self, session: GxSession) -> bool:
        """Tell whether the GX that we remember is not there any more, and another one is in its place."""
        silent = session.messages == self._messages and not self.entry.portal_id
        return (
            silent and bool(self.others) and self._clock.monotonic_us() >= self._opened_us + _FOUND_WITHIN_US
        )

    def _turn(self) -> None:
        if self.session is not None:
            if self._is_another(self.session):
                self._found(min(self.others))
            for path, payload in self.session.tick(self._clock.monotonic_us()):
                self._link.publish(f"R/{self.session.portal_id}/{path}", payload)


class GxAdapter:
    """Reads one system of a GX at one pace."""

    def __init__(self, gx: Gx, system_id: str, pace: Pace) -> None:
        self._gx = gx
        self._system_id = system_id
        self._pace = pace

    async def read(self) -> Read:
        """Give what is known now."""
        return self._gx.read(self._system_id, self._pace)

    async def describe(self) -> Description | None:
        """Tell what the system is."""
        return self._gx.describe(self._system_id)

    async def close(self) -> None:
        """Nothing: the connection belongs to the source."""

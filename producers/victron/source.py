"""The GX devices of the Victron producer: options become connections and polls.

Rules that must stay true here:
- a GX whose options have not changed keeps its connection, and does not notice a reload;
- which GX was found at an address, and the numbers of its services, outlive a restart.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bus import ids
from producers.adapter import DeviceSpec
from producers.source import Setting, Source
from producers.victron import mapping_file
from producers.victron.gx import Gx
from producers.victron.mapping import GxMap
from producers.victron.numbers import Numbers
from producers.victron.options import Entry, entries, is_portal_id
from schemas.errors import ConfigurationError

log = logging.getLogger(__name__)

_STOP_WITHIN_S = 2.0


class VictronSource(Source):
    """Gives every GX, and every service that is a system of its own, as a system."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._portals: dict[str, str] = {}
        self._numbers: dict[str, dict[str, Any]] = {}
        self._load()
        self._gxs: dict[Entry, Gx] = {}
        self._tasks: dict[Entry, asyncio.Task[None]] = {}
        self._reload = asyncio.Event()
        self.configure(setting.options)
        self._saved = self._state()

    def specs(self) -> Iterable[DeviceSpec]:
        """Give the polls of all GX devices that are known."""
        found: dict[tuple[str, str, str, int], DeviceSpec] = {}
        for gx in self._gxs.values():
            for spec in gx.specs():
                if spec.key in found:
                    raise ConfigurationError(
                        f"two GX devices are system {spec.system_id}: give each [[gx]] a system_id"
                    )
                found[spec.key] = spec
        return list(found.values())

    async def run(self, changed: Callable[[], None]) -> None:
        """Hold all connections, until cancelled."""
        try:
            while True:
                self._reload.clear()
                await self._end([entry for entry in self._tasks if entry not in self._gxs])
                for entry, gx in self._gxs.items():
                    if entry not in self._tasks:
                        self._tasks[entry] = asyncio.create_task(gx.run(changed), name=f"gx {entry.address}")
                await self._one_ends()
        finally:
            await self._end(list(self._tasks))

    def configure(self, options: Mapping[str, Any]) -> None:
        """Take new options."""
        self._state()
        wanted = [self._with_files(entry) for entry in entries(options)]
        maps = {entry.mapping: self._map(entry.mapping) for entry in wanted}
        self._gxs = {entry: self._gxs.get(entry) or self._gx(entry, maps[entry.mapping]) for entry in wanted}
        self._reload.set()

    def status(self) -> dict[str, Any]:
        """Tell how each GX does."""
        return {"gx": {gx.system_id or gx.entry.address: gx.status() for gx in list(self._gxs.values())}}

    def save(self) -> None:
        """Remember portals and numbers."""
        text = self._state()
        if text == self._saved:
            return
        path = self._setting.state
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".new")
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
        self._saved = text

    async def _one_ends(self) -> None:
        """Wait for new options; a connection that ends by an error of ours ends all."""
        reload = asyncio.create_task(self._reload.wait())
        try:
            done, _ = await asyncio.wait([reload, *self._tasks.values()], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {reload}:
                task.result()
        finally:
            reload.cancel()

    async def _end(self, gone: list[Entry]) -> None:
        tasks = [self._tasks.pop(entry) for entry in gone]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_WITHIN_S)

    def _gx(self, entry: Entry, map_: GxMap) -> Gx:
        word = f"ovr-{self._setting.node_id}-{ids.token()[:8]}"
        return Gx(
            entry, map_, self._setting.clock, word, self._portals.get(entry.address, ""), self._numbers.get
        )

    def _with_files(self, entry: Entry) -> Entry:
        """Find the files that an entry names; relative ones are in the data directory."""
        ca_file, mapping = (self._file(entry, option) for option in ("ca_file", "mapping"))
        return replace(entry, ca_file=ca_file, mapping=mapping)

    def _file(self, entry: Entry, option: str) -> str:
        name: str = getattr(entry, option)
        if not name:
            return ""
        path = self._setting.data / Path(name).expanduser()
        if not path.is_file():
            raise ConfigurationError(f"[[producers.victron.gx]] {option}: there is no file {path}")
        return str(path)

    def _map(self, path: str) -> GxMap:
        return mapping_file.of_site(Path(path)) if path else mapping_file.packaged()

    def _state(self) -> str:
        for gx in self._gxs.values():
            if gx.session is not None:
                self._numbers[gx.session.portal_id] = gx.session.numbers.dump()
                if not gx.entry.portal_id:
                    self._portals[gx.entry.address] = gx.session.portal_id
        return json.dumps({"portals": self._portals, "numbers": self._numbers})

    def _load(self) -> None:
        path = self._setting.state
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            portals = {str(address): str(found) for address, found in said["portals"].items()}
            numbers = {str(portal_id): dict(known) for portal_id, known in said["numbers"].items()}
            for known in numbers.values():
                Numbers(known)
            if not all(is_portal_id(one) for one in (*portals.values(), *numbers)):
                raise ValueError("a portal id is none")  # noqa: TRY301 - as any other fault of the file
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("cannot read %s, so devices are numbered anew: %s", path, error)
            return
        self._portals, self._numbers = portals, numbers

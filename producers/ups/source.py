"""The UPSes of one or more upsds: those that are named, and all of an upsd whose `ups` is left out.

Rules that must stay true here:
- a UPS that was found once is polled from then on, and after a restart before its upsd answers: one that is
  missing is told as disconnected, not forgotten;
- a UPS keeps the system id that it was given, whatever is found later.
"""

import asyncio
import json
import logging
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bus.system_ids import canonical
from producers.adapter import DeviceError, DeviceSpec
from producers.source import Setting, Source
from producers.ups.adapter import UpsAdapter
from producers.ups.client import Upsd
from producers.ups.options import Entry, entries, system_id_of
from schemas.errors import ConfigurationError, InputError

log = logging.getLogger(__name__)

KIND = "ups"
_LOOK_EVERY_S = 10.0
_LOOK_SOON_S = 1.0
_PATIENCE_S = 5.0
_MOST = 64


class UpsSource(Source):
    """Gives every UPS as a system.

    `_known` is by upsd's address: a UPS's name to its system id; `_listed` is what each upsd listed last.
    """

    def __init__(self, setting: Setting) -> None:
        self._state = setting.state
        self._entries = _trusted(entries(setting.options))
        self._upsds: dict[Entry, Upsd] = {}
        self._specs: dict[tuple[Entry, str], DeviceSpec] = {}
        self._known = self._remembered()
        self._listed: dict[str, frozenset[str]] = {}
        self._faults: dict[str, str] = {}
        self._saved = self._to_save()
        self._look = asyncio.Event()

    def configure(self, options: Mapping[str, Any]) -> None:
        """Take new options."""
        self._entries = _trusted(entries(options))
        for unused in self._upsds.keys() - {entry.upsd for entry in self._entries}:
            self._upsds.pop(unused).close()
        self._look.set()

    def specs(self) -> list[DeviceSpec]:
        """Give the named ones, and those that were found."""
        wanted = {(entry, ups): system_id for entry, ups, system_id in self._wanted()}
        self._specs = {
            key: self._specs.get(key) or self._spec(*key, system_id) for key, system_id in wanted.items()
        }
        return list(self._specs.values())

    async def run(self, changed: Callable[[], None]) -> None:
        """Look for UPSes wherever none is named, until cancelled."""
        try:
            while True:
                self._look.clear()
                searched = [entry for entry in self._entries if not entry.ups]
                if any(await asyncio.gather(*(self._find(entry) for entry in searched))):
                    changed()
                soon = any(not self._known.get(self._upsd(entry).address) for entry in searched)
                await self._rest(_LOOK_SOON_S if soon else _LOOK_EVERY_S)
        finally:
            for upsd in self._upsds.values():
                upsd.close()

    def status(self) -> dict[str, Any]:
        """Tell which upsds cannot be searched."""
        return {"upsd_faults": dict(self._faults)}

    def save(self) -> None:
        """Remember which UPSes were found, and their system ids."""
        text = self._to_save()
        if text != self._saved:
            self._state.parent.mkdir(parents=True, exist_ok=True)
            draft = self._state.with_suffix(".new")
            draft.write_text(text, encoding="utf-8")
            draft.replace(self._state)
            self._saved = text

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._look.wait()
        except TimeoutError:
            return

    async def _find(self, entry: Entry) -> bool:
        upsd = self._upsd(entry)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                found = await upsd.ups()
        except (DeviceError, TimeoutError) as error:
            self._faults[upsd.address] = str(error) or f"no answer within {_PATIENCE_S:.0f} s"
            return False
        self._faults.pop(upsd.address, None)
        self._listed[upsd.address] = frozenset(found)
        known = self._known.setdefault(upsd.address, {})
        new = sorted(found.keys() - known.keys())[: max(0, _MOST - len(known))]
        for ups in new:
            known[ups] = self._free_id(entry, ups)
            log.info("found UPS %s at %s: it is system %s", ups, upsd.address, known[ups])
        return bool(new)

    def _free_id(self, entry: Entry, ups: str) -> str:
        taken = {system_id for known in self._known.values() for system_id in known.values()}
        taken |= {system_id for _, _, system_id in self._wanted()}
        last = entry.host.replace(":", ".").rpartition(".")[2]
        tries = [system_id_of(ups), system_id_of(f"{ups}_{last}")]
        tries += [f"{system_id_of(ups)[:50]}_{entry.port}_{number}" for number in range(1, len(taken) + 2)]
        return next(name for name in tries if name not in taken)

    def _wanted(self) -> Iterator[tuple[Entry, str, str]]:
        named = {entry.device for entry in self._entries}
        for entry in self._entries:
            if entry.ups:
                yield entry, entry.ups, entry.system_id
                continue
            for ups, system_id in self._known.get(self._upsd(entry).address, {}).items():
                if (entry.host, entry.port, ups) not in named:
                    yield entry, ups, system_id

    def _upsd(self, entry: Entry) -> Upsd:
        if entry.upsd not in self._upsds:
            self._upsds[entry.upsd] = Upsd(
                entry.host,
                entry.port,
                username=entry.username,
                password=entry.password,
                tls=_trust(entry) if entry.tls else None,
            )
        return self._upsds[entry.upsd]

    def _spec(self, entry: Entry, ups: str, system_id: str) -> DeviceSpec:
        upsd = self._upsd(entry)
        return DeviceSpec(
            system_id,
            KIND,
            entry.interval_ms,
            UpsAdapter(upsd, ups),
            address=f"{ups}@{upsd.address}",
            timeout_ms=entry.timeout_ms,
        )

    def _to_save(self) -> str:
        return json.dumps(
            {
                address: {
                    ups: name
                    for ups, name in known.items()
                    if ups in self._listed.get(address, known.keys())  # what has left is not waited for again
                }
                for address, known in self._known.items()
            }
        )

    def _remembered(self) -> dict[str, dict[str, str]]:
        try:
            said = json.loads(self._state.read_text(encoding="utf-8"))
            return {
                str(address): {str(ups): canonical(str(name)) for ups, name in known.items()}
                for address, known in said.items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, InputError) as error:
            log.warning("cannot read %s, so UPSes are looked for anew: %s", self._state, error)
            return {}


def _trusted(wanted: list[Entry]) -> list[Entry]:
    """Check the files of certificates before anything changes."""
    for entry in wanted:
        if entry.tls:
            _trust(entry)
    return wanted


def _trust(entry: Entry) -> ssl.SSLContext:
    """Trust what an entry trusts.

    Raises:
        ConfigurationError: there is no such file.
    """
    try:
        context = ssl.create_default_context(cafile=entry.ca_file or None)
    except OSError as error:
        raise ConfigurationError(f"cannot read {entry.ca_file}: {error}") from error
    if entry.ca_file or entry.insecure:
        context.check_hostname = False  # upsd's own certificate bears any name
    if entry.insecure:
        context.verify_mode = ssl.CERT_NONE
    return context

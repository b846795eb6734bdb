"""What the configuration says about UPSes: `[[producers.ups.upsd]]`, as values. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from bus.system_ids import canonical
from producers.ups.client import PORT
from schemas.errors import ConfigurationError, InputError

INTERVAL_MS = 2_000
_TABLE = "[[producers.ups.upsd]]"
_NUMBERS = {"port": 65_535, "interval_ms": 3_600_000, "timeout_ms": 600_000}
_TEXTS = {"host", "ups", "system_id", "username", "password", "ca_file"}
_FLAGS = {"tls", "insecure"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One table.

    Attributes:
        ups: its name at upsd; all UPSes there when empty.
        system_id: of that UPS; empty when none is named.
        tls: encrypt.
        ca_file: the certificate that upsd must show, or who signed it; the system's authorities when empty.
        insecure: any certificate will do.
    """

    host: str = "127.0.0.1"
    port: int = PORT
    ups: str = ""
    system_id: str = ""
    username: str | None = None
    password: str | None = None
    interval_ms: int = INTERVAL_MS
    timeout_ms: int = 2_000
    tls: bool = False
    ca_file: str = ""
    insecure: bool = False

    @property
    def upsd(self) -> "Entry":
        """Name the connection that it uses: an entry without what is of one UPS."""
        return replace(self, ups="", system_id="", interval_ms=INTERVAL_MS, timeout_ms=2_000)

    @property
    def device(self) -> tuple[str, int, str]:
        """Name what it stands for."""
        return self.host, self.port, self.ups


def entries(options: Mapping[str, Any]) -> list[Entry]:
    """Read the options.

    Raises:
        ConfigurationError: they say what cannot be.
    """
    if strange := options.keys() - {"upsd", "interval_ms"}:
        raise ConfigurationError(f"a UPS producer has no {min(strange)}: it knows upsd and interval_ms")
    given = options.get("upsd", [])
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise ConfigurationError(f"{_TABLE} takes double brackets: one table for each upsd or UPS")
    every = {"interval_ms": options["interval_ms"]} if "interval_ms" in options else {}
    found = [_entry(every | one) for one in given]
    for one, other in combinations(found, 2):
        if one.device == other.device:
            raise ConfigurationError(f"{_TABLE} has {one.ups or 'all UPSes'} of {one.host} twice")
        if one.system_id and one.system_id == other.system_id:
            raise ConfigurationError(f"{_TABLE} has two UPSes called {one.system_id}: give each a system_id")
    return found


def system_id_of(ups: str) -> str:
    """Make a system id of a UPS's name: `ups_rack`."""
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in ups)
    return canonical(f"ups_{plain.strip('_') or 'unnamed'}"[:64])


def _entry(said: Mapping[str, Any]) -> Entry:
    for fault in _faults(said):
        raise ConfigurationError(f"{_TABLE} {fault}")
    entry = Entry(**said)
    if (entry.ca_file or entry.insecure) and not entry.tls:
        raise ConfigurationError(f"{_TABLE} {entry.host}: ca_file and insecure need tls = true")
    if not entry.ups:
        if entry.system_id:
            raise ConfigurationError(f"{_TABLE} system_id {entry.system_id} needs `ups`: its name at upsd")
        return entry
    try:
        return replace(
            entry, system_id=canonical(entry.system_id) if entry.system_id else system_id_of(entry.ups)
        )
    except InputError as error:
        raise ConfigurationError(f"{_TABLE} system_id: {error}") from error


def _faults(said: Mapping[str, Any]) -> Iterator[str]:
    for key, value in said.items():
        if key in _NUMBERS:
            if type(value) is not int or not 0 < value <= _NUMBERS[key]:
                yield f"{key} is a whole number from 1 to {_NUMBERS[key]}, not {value!r}"
        elif key in _FLAGS:
            if not isinstance(value, bool):
                yield f"{key} is true or false, not {value!r}"
        elif key not in _TEXTS:
            yield f"has no {key}: it knows {', '.join(sorted(_TEXTS | _FLAGS | _NUMBERS.keys()))}"
        elif not isinstance(value, str) or not value or not value.isprintable():
            yield f"{key} is a printable text, not {'that' if key == 'password' else repr(value)}"

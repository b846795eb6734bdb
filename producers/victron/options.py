"""What the configuration says about GX devices: `[[producers.victron.gx]]`, as values. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from bus.system_ids import canonical
from producers.victron.gx_session import Assigned
from schemas.errors import ConfigurationError, InputError

_TABLE = "[[producers.victron.gx]]"
_NUMBERS = {"port": 65_535, "fast_ms": 3_600_000, "slow_ms": 3_600_000}
_TEXTS = {"host", "system_id", "portal_id", "ca_file", "username", "password", "name", "mapping"}
_FLAGS = {"tls", "insecure"}
_PLAIN_PORT, _TLS_PORT = 1883, 8883
_LONGEST_PORTAL = 32
_FOR_ALL = {"fast_ms", "slow_ms", "mapping"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One GX.

    Attributes:
        portal_id: which GX of that broker; found out when empty.
        system_id: made of the portal id when empty.
        ca_file: the certificate that it must show, or that of who signed it.
        insecure: any certificate will do.
        mapping: a file that says what else its paths mean.
        assign: services that are systems of their own.
    """

    host: str
    port: int = 0
    portal_id: str = ""
    system_id: str = ""
    tls: bool = False
    ca_file: str = ""
    insecure: bool = False
    username: str = ""
    password: str = ""
    name: str = ""
    mapping: str = ""
    fast_ms: int = 500
    slow_ms: int = 5_000
    assign: tuple[Assigned, ...] = ()

    @property
    def address(self) -> str:
        """Say where it is."""
        return f"{self.host}:{self.port}"


def entries(options: Mapping[str, Any]) -> list[Entry]:
    """Read the options.

    Raises:
        ConfigurationError: they say what cannot be.
    """
    strange = options.keys() - _FOR_ALL - {"gx"}
    if strange:
        raise ConfigurationError(f"[producers.victron] has no {min(strange)}")
    given = options.get("gx", [])
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise ConfigurationError(f"{_TABLE} takes double brackets: one table for each GX")
    every = {key: value for key, value in options.items() if key in _FOR_ALL}
    found = [_entry(every | one) for one in given]
    for one, other in combinations(found, 2):
        if one.address == other.address and one.portal_id == other.portal_id:
            raise ConfigurationError(f"{_TABLE} has {one.address} twice")
    names = [
        name for one in found for name in (one.system_id, *{each.system_id for each in one.assign}) if name
    ]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"{_TABLE} has two systems called {name}")
    return found


def system_id_of(portal_id: str) -> str:
    """Make a system id of a portal id: `gx_e2f3a4`."""
    plain = "".join(letter for letter in portal_id.lower() if letter.isascii() and letter.isalnum())
    return f"gx_{plain[-6:] or 'unnamed'}"


def is_portal_id(text: str) -> bool:
    """Tell whether a text may be a portal id: a level of a topic and a part of a name."""
    return 0 < len(text) <= _LONGEST_PORTAL and text.isascii() and text.isalnum()


def _entry(said: Mapping[str, Any]) -> Entry:
    for fault in _faults(said):
        raise ConfigurationError(f"{_TABLE} {fault}")
    given = {key: value for key, value in said.items() if key != "assign"}
    entry = Entry(**given)
    if not entry.port:
        entry = replace(entry, port=_TLS_PORT if entry.tls else _PLAIN_PORT)
    if (entry.ca_file or entry.insecure) and not entry.tls:
        raise ConfigurationError(f"{_TABLE} {entry.host}: ca_file and insecure need tls = true")
    if entry.ca_file and entry.insecure:
        raise ConfigurationError(
            f"{_TABLE} {entry.host}: insecure = true makes ca_file useless; keep one of them"
        )
    if entry.system_id:
        entry = replace(entry, system_id=_canonical(entry.system_id))
    return replace(entry, assign=tuple(_assigned(said.get("assign", []))))


def _assigned(given: Any) -> Iterator[Assigned]:
    where = "[[producers.victron.gx.assign]]"
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise ConfigurationError(f"{where} takes double brackets: one table for each service")
    known: set[tuple[str, int]] = set()
    for said in given:
        if said.keys() != {"service", "instance", "system_id"}:
            raise ConfigurationError(f"{where} needs service, instance and system_id, and nothing else")
        type_, instance, system_id = said["service"], said["instance"], said["system_id"]
        if not isinstance(type_, str) or not type_.isalnum() or type(instance) is not int or instance < 0:
            raise ConfigurationError(
                f'{where} is like service = "pvinverter", instance = 31, not {said!r:.80}'
            )
        if (type_, instance) in known:
            raise ConfigurationError(f"{where} has {type_}/{instance} twice")
        known.add((type_, instance))
        yield Assigned(type_, instance, _canonical(system_id))


def _canonical(typed: Any) -> str:
    try:
        return canonical(str(typed))
    except InputError as error:
        raise ConfigurationError(f"{_TABLE} system_id: {error}") from error


def _faults(said: Mapping[str, Any]) -> Iterator[str]:
    if not said.get("host"):
        yield 'needs a host, such as host = "192.168.1.20"'
    for key, value in said.items():
        if key in _NUMBERS:
            if type(value) is not int or not 0 < value <= _NUMBERS[key]:
                yield f"{key} is a whole number from 1 to {_NUMBERS[key]}, not {value!r}"
        elif key in _FLAGS:
            if not isinstance(value, bool):
                yield f"{key} is true or false, not {value!r}"
        elif key in _TEXTS:
            yield from _text_faults(key, value)
        elif key != "assign":
            yield f"has no {key}: it knows {', '.join(sorted({*_TEXTS, *_FLAGS, *_NUMBERS, 'assign'}))}"


def _text_faults(key: str, value: Any) -> Iterator[str]:
    if not isinstance(value, str) or not value or not value.isprintable():
        yield f"{key} is a printable text, not {'that' if key == 'password' else repr(value)}"
    elif key == "portal_id" and not is_portal_id(value):
        yield f"portal_id is 12 letters and digits, not {value!r}"

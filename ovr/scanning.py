"""Which addresses of a network accept connections: lists and ranges, searched with few connections at a time.

Rules that must stay true here:
- never more than so many connections are tried at a time: sites have small switches;
- what is cancelled leaves no connection open.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Final

from schemas.errors import ConfigurationError

MOST: Final = 65_536
_LAST_PORT: Final = 65_535
_PORTED = re.compile(r"\[(?P<six>[0-9A-Fa-f:.%]+)\](?::(?P<port6>\d+))?|(?P<host>[^:\s]+):(?P<port>\d+)")
_SPAN = re.compile(r"(?P<first>\d+\.\d+\.\d+\.\d+)-(?P<last>\d+)")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252})")


@dataclass(frozen=True, slots=True)
class Target:
    """Where to knock."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def targets(said: Iterable[str], ports: Sequence[int]) -> list[Target]:
    """Spell out what a person gave: names, addresses, `HOST:PORT`, `10.0.0.10-20`, `10.0.0.0/24`.

    Args:
        said: one of these each; what stands after `#` is a remark.
        ports: for all that have none of their own.

    Raises:
        ConfigurationError: one of them is none of these, or they are too many.
    """
    found: dict[Target, None] = {}
    for line in said:
        text = line.partition("#")[0].strip()
        for target in _spelled_out(text, ports) if text else ():
            found[target] = None
            if len(found) > MOST * len(ports):
                raise ConfigurationError(f"more than {MOST:,} addresses: give smaller ranges")
    return list(found)


def target(text: str, port: int) -> Target:
    """Read one `HOST` or `HOST:PORT`.

    Raises:
        ConfigurationError: it is something else.
    """
    found = targets([text], [port])
    if len(found) != 1:
        raise ConfigurationError(f"{text!r} is not one address: write HOST or HOST:PORT")
    return found[0]


async def knock(
    wanted: Sequence[Target],
    answered: Callable[[Target], None],
    *,
    timeout_s: float = 1.0,
    at_once: int = 64,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Call `answered` with every target that accepts a connection."""
    left, done = iter(wanted), 0

    async def walk() -> None:
        nonlocal done
        for one in left:
            if await accepts(one, timeout_s):
                answered(one)
            done += 1
            progress(done)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(at_once, len(wanted))):
            group.create_task(walk())


async def accepts(one: Target, timeout_s: float) -> bool:
    """Tell whether a connection can be made."""
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(one.host, one.port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


def _spelled_out(text: str, ports: Sequence[int]) -> Iterator[Target]:
    if "/" in text:
        hosts: Iterable[str] = _network(text)
    elif span := _SPAN.fullmatch(text):
        hosts = _from_to(text, span["first"], int(span["last"]))
    elif ported := _PORTED.fullmatch(text):
        given = ported["port"] or ported["port6"]
        ports = [_port(text, int(given))] if given else ports
        hosts = [_host(ported["six"] or ported["host"])]
    else:
        hosts = [_host(text)]
    for host in hosts:
        for port in ports:
            yield Target(host, port)


def _network(text: str) -> list[str]:
    try:
        network = ip_network(text, strict=False)
    except ValueError as error:
        raise ConfigurationError(f"{text!r} is no range: write 192.168.1.0/24") from error
    if network.num_addresses > MOST:
        raise ConfigurationError(f"{text} has more than {MOST:,} addresses: give smaller ranges")
    return [str(host) for host in network.hosts()]


def _from_to(text: str, first: str, last: int) -> list[str]:
    stem, _, begin = first.rpartition(".")
    hosts = [f"{stem}.{number}" for number in range(int(begin), last + 1)]
    if not hosts:
        raise ConfigurationError(f"{text!r} ends before it begins")
    return [_host(host) for host in hosts]


def _host(text: str) -> str:
    with suppress(ValueError):
        return str(ip_address(text))
    if not _NAME.fullmatch(text) or text.replace(".", "").isdigit():
        raise ConfigurationError(f"{text!r} is no address: write HOST, HOST:PORT, a.b.c.d-e or a.b.c.0/24")
    return text


def _port(text: str, port: int) -> int:
    if not 0 < port <= _LAST_PORT:
        raise ConfigurationError(f"{text!r}: a port is from 1 to {_LAST_PORT}")
    return port

"""API keys: who may do what. Read anew when the file changes.

Rules that must stay true here:
- a key is kept as its SHA-256 only, and compared in constant time with all that are known;
- without any key everything is open to whoever reaches the port, as on a bench; with one, writing needs one;
- a key that is bound to systems can do nothing that touches others.
"""

import hashlib
import hmac
import logging
import os
import secrets
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

import orjson

from schemas.errors import ConfigurationError

log = logging.getLogger(__name__)

FILE: Final = "keys.json"
_PREFIX: Final = "sha256:"
_DIGITS: Final = 64
_LONGEST: Final = 256


class Role(IntEnum):
    """What a key may do; each may do what those below may, but for an uplink: it brings photos, no more."""

    UPLINK = 0
    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        name: of the key; None without one.
        systems: the only systems it may touch; None: all.
    """

    name: str | None
    role: Role
    systems: frozenset[str] | None = None

    def may_touch(self, system_id: str | None) -> bool:
        """Tell whether it may write about a system; None stands for all of them."""
        return self.systems is None or (system_id is not None and system_id in self.systems)


ANYONE: Final = Caller(None, Role.ADMIN)
NOBODY: Final = Caller(None, Role.VIEWER)


@dataclass(frozen=True, slots=True)
class Key:
    """A key that is known."""

    caller: Caller
    digest: str


def draw() -> str:
    """Draw a new key."""
    return f"ovr_{secrets.token_urlsafe(24)}"


def digest_of(key: str) -> str:
    """Return how a key is kept: keys are long and random, so that one round of SHA-256 is enough."""
    return _PREFIX + hashlib.sha256(key.encode()).hexdigest()


def parse(said: object, where: str) -> list[Key]:
    """Read the file's document.

    Raises:
        ConfigurationError: it has another form.
    """
    try:
        assert isinstance(said, dict)
        return [_key(name, one) for name, one in sorted(said.items())]
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{where} is damaged ({error}): restore it, or remove it and add the keys again with `ovr key`"
        ) from error


def _key(name: str, said: Mapping[str, object]) -> Key:
    digest, systems = said["key"], said.get("systems")
    if not isinstance(digest, str) or len(digest) != len(_PREFIX) + _DIGITS:
        raise ValueError(f"the key of {name} is no {_PREFIX}… of {_DIGITS} digits")
    assert systems is None or isinstance(systems, list)
    bound = None if systems is None else frozenset(str(system) for system in systems)
    return Key(Caller(name, Role[str(said["role"]).upper()], bound), digest)


class Keys:
    """The keys of a node."""

    def __init__(self, path: Path, api_key: str | None = None) -> None:
        """Read the keys in `path`; `api_key` is one more that may do everything.

        Raises:
            ConfigurationError: the file is damaged.
        """
        self._path = path
        self._own = [Key(Caller("API_KEY", Role.ADMIN), digest_of(api_key))] if api_key else []
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._keys: Collection[Key] = self._own
        self._read()

    @property
    def needed(self) -> bool:
        """Tell whether there is any key, so that writing needs one."""
        self._look()
        return bool(self._keys)

    def caller(self, key: str) -> Caller | None:
        """Find whose key it is; None when it is nobody's."""
        self._look()
        digest = digest_of(key[:_LONGEST])
        found = None
        for known in self._keys:  # all of them: how long it takes tells nothing
            if hmac.compare_digest(known.digest, digest):
                found = known.caller
        return found

    def _look(self) -> None:
        """Read the file again when it has changed; a damaged one changes nothing."""
        with self._lock:
            if self._stat() != self._stamp:
                try:
                    self._read()
                except ConfigurationError as error:
                    log.error("%s; the keys read before stay", error)  # noqa: TRY400 - no trace needed
                    self._stamp = self._stat()

    def _read(self) -> None:
        stamp = self._stat()
        try:
            said = orjson.loads(self._path.read_bytes()) if stamp else {}
        except orjson.JSONDecodeError as error:
            raise ConfigurationError(f"{self._path} is damaged: {error}") from error
        except OSError as error:
            raise ConfigurationError(f"{self._path} cannot be read: {error}") from error
        found = [*self._own, *parse(said, str(self._path))]
        if self._keys and not found:
            log.warning("the last key is gone: from now on everybody who reaches the port may write")
        self._keys = found
        self._stamp = stamp

    def _stat(self) -> tuple[int, int] | None:
        try:
            stat = os.stat(self._path)  # noqa: PTH116 - asked with every request
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_ino

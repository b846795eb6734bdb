"""The file of API keys, as `ovr key` changes it; the HTTP API reads it.

Rules that must stay true here:
- a key is shown once, when it is drawn, and kept as its hash;
- the file is changed by one process at a time, and replaced whole.
"""

import fcntl
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import orjson

from bus import system_ids
from ovr.layout import Layout
from ovr.users import write_private
from schemas.errors import ConfigurationError, InputError
from web.api.keys import Role, digest_of, draw, parse

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class ApiKeys:
    """The keys of one data directory."""

    def __init__(self, layout: Layout) -> None:
        self._path = layout.keys

    def list(self) -> Sequence[dict[str, Any]]:
        """List names, roles and systems.

        Raises:
            ConfigurationError: the file is damaged.
        """
        return [
            {
                "name": key.caller.name,
                "role": key.caller.role.name.lower(),
                "systems": sorted(key.caller.systems) if key.caller.systems is not None else None,
            }
            for key in parse(self._read(), str(self._path))
        ]

    def add(
        self, name: str, role: str, systems: Sequence[str] = (), aliases: Mapping[str, str] | None = None
    ) -> tuple[str, bool]:
        """Draw a key; return it, and whether its name is new.

        Raises:
            ConfigurationError: the name, the role or a system is none.
        """
        if not _NAME.fullmatch(name) or name == "API_KEY":
            raise ConfigurationError(f"name keys with at most 64 letters, digits, ., - and _, not {name!r}")
        roles = [one.name.lower() for one in Role]
        if role not in roles:
            raise ConfigurationError(f"there is no role {role}: choose one of {', '.join(roles)}")
        try:
            bound = sorted({system_ids.canonical(system, aliases) for system in systems})
        except InputError as error:
            raise ConfigurationError(error.hint) from error
        key = draw()
        with self._changing() as keys:
            new = name not in keys
            keys[name] = {"role": role, "key": digest_of(key), "systems": bound or None}
        return key, new

    def remove(self, name: str) -> None:
        """Remove a key.

        Raises:
            ConfigurationError: there is none of that name.
        """
        with self._changing() as keys:
            if keys.pop(name, None) is None:
                raise ConfigurationError(f"there is no key {name}: see `ovr key list`")

    def _read(self) -> dict[str, Any]:
        try:
            said = orjson.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except orjson.JSONDecodeError as error:
            raise ConfigurationError(f"{self._path} is damaged: {error}") from error
        parse(said, str(self._path))
        return dict(said)

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            keys = self._read()
            yield keys
            write_private(self._path, orjson.dumps(keys, option=orjson.OPT_INDENT_2).decode() + "\n")

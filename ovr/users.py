"""Who may use the broker: users, roles and passwords, and the files that Mosquitto reads.

Rules that must stay true here:
- a user can publish events under its own name only, and only the recorder publishes what was recorded;
- passwords of people are kept as salted hashes; those of our own processes are random, in files of mode 0600;
- what no role allows is denied.
"""

import base64
import fcntl
import hashlib
import os
import re
import secrets
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import orjson

from ovr.layout import Layout
from schemas.errors import ConfigurationError

CONSOLE = "console"
PROCESS_ROLES: Mapping[str, str] = {
    "recorder": "recorder",
    "replay": "replay",
    "projector-state": "state_projector",
    "projector-counters": "projector",
    "projector-series": "projector",
    "projector-archive": "projector",
    "projector-reports": "device",
    "detector": "device",
    "alerts": "device",
    "uplink": "device",
    "simulator": "device",
    "web": "device",
    "supervisor": "supervisor",
    "browser": "browser",
    CONSOLE: "operator",
}
PUBLIC_ROLES = ("operator", "device", "browser", "player", "uplink")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_ITERATIONS = 1000
_SALT_BYTES = 12
_SHORTEST = 8


@dataclass(frozen=True, slots=True)
class User:
    """Someone who may connect.

    Attributes:
        hashed: the password as Mosquitto keeps it.
    """

    name: str
    role: str
    hashed: str


@lru_cache(maxsize=1)
def roles() -> Mapping[str, Mapping[str, Any]]:
    """Load the table of roles."""
    return tomllib.loads((resources.files("mosquitto") / "roles.toml").read_text(encoding="utf-8"))


def hash_password(password: str, salt: bytes) -> str:
    """Hash a password in Mosquitto's format: PBKDF2 with SHA-512, its rounds and salt in front."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def access_list(users: Sequence[User], prefix: str) -> str:
    """Write Mosquitto's access list."""
    lines = ["# Made by ovr from mosquitto/roles.toml; do not edit."]
    for user in users:
        read, write = grants(user.role)
        lines += ["", f"# {user.role}: {roles()[user.role]['about']}", f"user {user.name}"]
        for word, topics in (("read", read), ("write", write)):
            lines += [f"topic {word} {topic.format(prefix=prefix, user=user.name)}" for topic in topics]
    return "\n".join(lines) + "\n"


def grants(role: str) -> tuple[list[str], list[str]]:
    """List the topics that a role may read and write, with those of the roles it is like."""
    table = roles()[role]
    read, write = grants(table["like"]) if "like" in table else ([], [])
    return [*read, *table["read"]], [*write, *table["write"]]


class Users:
    """The users of one data directory."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def list(self) -> Sequence[User]:
        """List the users that people added.

        Raises:
            ConfigurationError: the file was damaged.
        """
        try:
            said = orjson.loads(self._layout.users.read_bytes())
            return [User(name, one["role"], one["password"]) for name, one in sorted(said.items())]
        except FileNotFoundError:
            return []
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"{self._layout.users} is damaged ({error}): restore it, or remove it and add the users again"
            ) from error

    def add(self, name: str, role: str, password: str, taken: Sequence[str] = ()) -> bool:
        """Add a user, or change an existing one; True when it is new.

        Args:
            name: who.
            role: one of `PUBLIC_ROLES`.
            password: kept as a salted hash.
            taken: names of configured producers, which have passwords of their own.

        Raises:
            ConfigurationError: the name is reserved or unfit, or the password too short.
        """
        if not _NAME.fullmatch(name):
            raise ConfigurationError(f"name users with at most 64 letters, digits, - and _, not {name!r}")
        if name in PROCESS_ROLES or name in taken:
            raise ConfigurationError(f"{name} is the name of one of our processes: choose another")
        if role not in PUBLIC_ROLES:
            raise ConfigurationError(f"there is no role {role}: choose one of {', '.join(PUBLIC_ROLES)}")
        if len(password) < _SHORTEST or "\0" in password:
            raise ConfigurationError(f"choose a password of at least {_SHORTEST} characters")
        hashed = hash_password(password, secrets.token_bytes(_SALT_BYTES))
        with self._changing() as users:
            new = name not in users
            users[name] = {"role": role, "password": hashed}
        return new

    def remove(self, name: str) -> None:
        """Remove a user.

        Raises:
            ConfigurationError: there is none of that name.
        """
        with self._changing() as users:
            if users.pop(name, None) is None:
                raise ConfigurationError(f"there is no user {name}: see `ovr user list`")

    def write_mosquitto_files(self, prefix: str, producers: Sequence[str]) -> None:
        """Write Mosquitto's password file and access list, with our own processes and all users."""
        own = {**PROCESS_ROLES, **dict.fromkeys(producers, "device")}
        users = [User(name, role, self._own_hash(name)) for name, role in own.items()]
        users += [user for user in self.list() if user.name not in own]
        passwords = "".join(f"{user.name}:{user.hashed}\n" for user in users)
        write_private(self._layout.mosquitto_passwords, passwords)
        write_private(self._layout.mosquitto_acl, access_list(users, prefix))

    def secret(self, name: str) -> str | None:
        """Return the password of one of our own processes; None when there is none that we may read."""
        try:
            return (self._layout.secrets / name).read_text(encoding="ascii").strip()
        except (FileNotFoundError, PermissionError):
            return None

    def _own_hash(self, name: str) -> str:
        password = self.secret(name)
        if password is None:
            password = secrets.token_urlsafe(24)
            write_private(self._layout.secrets / name, password + "\n")
        # The salt follows from the password, so that an unchanged user is an unchanged line.
        return hash_password(password, hashlib.sha256(password.encode()).digest()[:_SALT_BYTES])

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        """Read, change and write the file of users, one process at a time."""
        path = self._layout.users
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            users = {user.name: {"role": user.role, "password": user.hashed} for user in self.list()}
            yield users
            write_private(path, orjson.dumps(users, option=orjson.OPT_INDENT_2).decode() + "\n")


def write_private(path: Path, text: str, *, durable: bool = True) -> None:
    """Replace a file, whole or not at all, by one that only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        if durable:
            os.fsync(handle)
    part.replace(path)

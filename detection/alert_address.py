"""Where an Alertmanager is, read once and checked: what is wrong with it is said before anything is sent.

Pure. Rule that must stay true here: a name and a password go into a header, and into no message.
"""

import urllib.parse
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.errors import ConfigurationError

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """An Alertmanager.

    Attributes:
        path: before that of its API.
        headers: that say who asks.
    """

    scheme: str
    host: str
    port: int
    path: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        """Name it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def address(url: str) -> Address:
    """Read a URL, http://host:port, also with a path, and with user:password@ before the host.

    Raises:
        ConfigurationError: it is none.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode()
    except ValueError as error:  # of a host, too: encodings tell theirs so
        raise _refused(url) from error
    if parts.scheme not in _PORTS or not host or port == 0 or not parts.path.isascii() or _blank(url):
        raise _refused(url)
    headers = {}
    if parts.username is not None:
        said = f"{parts.username}:{parts.password or ''}"
        headers["Authorization"] = f"Basic {b64encode(urllib.parse.unquote_to_bytes(said)).decode()}"
    return Address(parts.scheme, host, port or _PORTS[parts.scheme], parts.path.rstrip("/"), headers)


def _blank(url: str) -> bool:
    return any(char.isspace() or not char.isprintable() for char in url)


def _refused(url: str) -> ConfigurationError:
    shown = "what stands there (not shown: it holds a password)" if "@" in url else repr(url)
    return ConfigurationError(f"alerts.url: give Alertmanager as http://host:port, not {shown}")

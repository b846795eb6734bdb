"""Which names this node answers to: what stands in the header Host. Pure.

A page of another site can let its own name point at this machine (DNS rebinding). Browsers then take our
answers for that site's own, and only the name in the request still tells.

Rules that must stay true here:
- a name that somebody else can have in the public DNS is answered only when it was configured;
- addresses, names without a dot and names under suffixes that nobody can register need no configuration.
"""

import ipaddress
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

ANY: Final = "*"
# For networks of one's own: RFC 6761, 6762, 8375, ICANN's .internal; .lan and .home by widespread use.
_PRIVATE: Final = frozenset({"local", "localhost", "internal", "lan", "home", "test", "home.arpa"})


def names(base_url: str | None, configured: Collection[str]) -> frozenset[str]:
    """Put together the public names that are ours.

    Args:
        base_url: how browsers reach us, as configured.
        configured: further names; `.example.com` stands for all names below it, `*` for every name.
    """
    own = _split(urlsplit(base_url).netloc) if base_url else None
    return frozenset({name.lower().rstrip(".") for name in configured} | ({own} if own else set()))


def answers_to(header: str, ours: Collection[str]) -> bool:
    """Tell whether a request with this header Host is meant for us; without one it comes from no browser."""
    name = _split(header)
    if name is None:
        return False
    if not name or _is_address(name) or "." not in name or ANY in ours or name in ours:
        return True
    parts = name.split(".")
    above = {".".join(parts[index:]) for index in range(1, len(parts))}
    return bool(above & _PRIVATE) or any(f".{suffix}" in ours for suffix in above)


def _split(netloc: str) -> str | None:
    """Return the host of `host:port`, in lower case; None when it is neither."""
    try:
        parts = urlsplit(f"//{netloc}")
        _ = parts.port
    except ValueError:
        return None
    if parts.path or parts.query or parts.fragment or parts.username is not None:
        return None
    return (parts.hostname or "").rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True

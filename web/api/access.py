"""Who may call what: dependencies of routes that find the caller by the key and refuse what it may not do.

They are coroutines because FastAPI sends every plain function to a thread.
"""

import math
import time
from typing import Annotated, Final

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader

from web.api.keys import ANYONE, NOBODY, Caller, Role, digest_of
from web.api.problems import Problem
from web.api.service import Service, service

HEADER: Final = "X-API-Key"
_header = APIKeyHeader(
    name=HEADER,
    auto_error=False,
    scheme_name="ApiKey",
    description="Needed for writing, and for reports as JSON, once there are keys: `ovr key add NAME`.",
)

Served = Annotated[Service, Depends(service)]
Sent = Annotated[str | None, Security(_header)]


async def caller(request: Request, served: Served, key: Sent) -> Caller:
    """Find who asks.

    Raises:
        Problem: the key is wrong, or too many wrong ones came from there.
    """
    return owner(served, request.client.host if request.client else "", key)


def owner(served: Service, address: str, key: str | None) -> Caller:
    """Find whose key it is.

    Raises:
        Problem: the key is wrong, or too many wrong ones came from the address.
    """
    if not served.keys.needed:
        return ANYONE
    if not key:
        return NOBODY
    wait_s = served.limits.wrong_keys.wait_s(address, time.monotonic())
    if wait_s:
        raise Problem(
            "too-many",
            "Too many wrong API keys came from your address: wait, and check the key.",
            headers={"Retry-After": str(math.ceil(wait_s))},
        )
    found = served.keys.caller(key)
    if found is None:
        served.limits.wrong_keys.take(address, digest_of(key), time.monotonic())
        raise Problem(
            "key-wrong",
            f"Check the key in {HEADER}; `ovr key list` names those there are.",
            headers=_CHALLENGE,
        )
    return found


Asking = Annotated[Caller, Depends(caller)]


def before_body(served: Service, address: str, key: str | None) -> None:
    """Make sure that a large body comes from somebody with any key, before it is read.

    Raises:
        Problem: a key is needed, or wrong.
    """
    if owner(served, address, key) is NOBODY:
        raise _key_needed()


async def reader(request: Request, served: Served, key: Sent) -> Caller:
    """Let through who may read; where everybody may, no key is looked at, and so none is wrong.

    Raises:
        Problem: reading needs a key here, and none came, or a wrong one.
    """
    if served.settings.web.reads != "key":
        return NOBODY
    who = await caller(request, served, key)
    if who is NOBODY:
        raise _key_needed()
    return _at_least(who, Role.VIEWER)


async def holder(who: Asking) -> Caller:
    """Let through who has any key, or everyone while there are none.

    Raises:
        Problem: a key is needed.
    """
    if who is NOBODY:
        raise _key_needed()
    return _at_least(who, Role.VIEWER)


async def bringer(who: Asking) -> Caller:
    """Let through a node's uplink, and who may write.

    Raises:
        Problem: a key is needed, or may only read.
    """
    if who is NOBODY:
        raise _key_needed()
    return who if who.role is Role.UPLINK else _at_least(who, Role.OPERATOR)


async def photo_reader(request: Request, served: Served, key: Sent) -> Caller:
    """Let through who may read, and an uplink, which asks for what its node has lost.

    Raises:
        Problem: reading needs a key here, and none came, or a wrong one.
    """
    if served.settings.web.reads != "key":
        return NOBODY
    who = await caller(request, served, key)
    return who if who.role is Role.UPLINK else await reader(request, served, key)


async def operator(who: Annotated[Caller, Depends(holder)]) -> Caller:
    """Let through who may write.

    Raises:
        Problem: a key is needed, or may only read.
    """
    return _at_least(who, Role.OPERATOR)


async def admin(who: Annotated[Caller, Depends(holder)]) -> Caller:
    """Let through who may change what concerns the whole node.

    Raises:
        Problem: a key is needed, or is no administrator's.
    """
    return _at_least(who, Role.ADMIN)


Reader = Annotated[Caller, Depends(reader)]
PhotoReader = Annotated[Caller, Depends(photo_reader)]
Bringer = Annotated[Caller, Depends(bringer)]
Holder = Annotated[Caller, Depends(holder)]
Operator = Annotated[Caller, Depends(operator)]
Admin = Annotated[Caller, Depends(admin)]
_CHALLENGE: Final = {"WWW-Authenticate": "ApiKey"}


def touching(who: Caller, system_id: str | None) -> None:
    """Make sure that a caller may touch a system; None: all of them.

    Raises:
        Problem: it may not.
    """
    if not who.may_touch(system_id):
        bound = ", ".join(sorted(who.systems or ()))
        what = "all systems at once" if system_id is None else system_id
        raise Problem("not-allowed", f"Key {who.name} may touch {bound} only, not {what}.")


def _at_least(who: Caller, role: Role) -> Caller:
    if who.role < role:
        raise Problem(
            "not-allowed",
            f"Key {who.name} is a {who.role.name.lower()}'s; this needs one of role {role.name.lower()}: "
            "`ovr key add NAME --role …`.",
        )
    return who


def _key_needed() -> Problem:
    return Problem("key-needed", f"Send your API key in the header {HEADER}.", headers=_CHALLENGE)

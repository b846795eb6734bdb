"""What an uplink hears from the cloud, and what that means in words. Pure.

Any bytes give a value or None: what cannot be read is as good as lost, and the protocol survives loss.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from bus.journal import Head

_CODES = {
    0x10: "no recorder listens at the cloud: see `ovr status` there",
    0x87: "the cloud does not let user {user} bring events: `ovr user add {user} --role uplink` there",
    0x95: "the cloud's broker takes no messages of this size: raise message_size_limit there",
}
_FAULTS = (
    ("certificate has expired", "the cloud's certificate has expired: renew it there"),
    ("certificate is not yet valid", "the cloud's certificate is not valid yet: is this node's clock right?"),
    (
        "hostname mismatch",
        "the cloud's certificate is for another name: set uplink.host to a name that it is for",
    ),
    (
        "ip address mismatch",
        "the cloud's certificate does not name this address: set uplink.host to its name",
    ),
    (
        "self-signed certificate",
        "the cloud's certificate is of an authority that is not trusted: set uplink.ca_file",
    ),
    (
        "self signed certificate",
        "the cloud's certificate is of an authority that is not trusted: set uplink.ca_file",
    ),
    (
        "unable to get local issuer certificate",
        "the cloud's certificate is of an authority that is not trusted: set uplink.ca_file",
    ),
    ("wrong version number", "the cloud's port does not speak TLS: check uplink.port and uplink.tls"),
    ("name or service not known", "the cloud's host is not known: check uplink.host, and this node's DNS"),
    (
        "temporary failure in name resolution",
        "the cloud's host cannot be looked up now: no network, or no DNS",
    ),
    ("no address associated", "the cloud's host is not known: check uplink.host, and this node's DNS"),
    ("user name or password", "the cloud refuses user {user} or the password: see uplink.password_file"),
    ("let this user connect", "the cloud does not let user {user} connect: `ovr user list` there"),
    ("two processes share a name", "another uplink connects to the cloud as {user}: stop one of the two"),
)


@dataclass(frozen=True, slots=True)
class LaneAck:
    """How far the cloud has come with an epoch.

    Attributes:
        sequence: None when the epoch is not known there.
        cloud: the head of the cloud's journal; its hash is not told.
        held: by incarnation of our journal, how far the lane is held; None when it was not told.
    """

    epoch: str
    sequence: int | None
    cloud: Head
    held: Mapping[str, Head] | None


def parse_lane_ack(payload: bytes) -> LaneAck | None:
    """Read an ack; None when it is none."""
    try:
        said = orjson.loads(payload)
        cloud = Head(str(said["journal"]), str(said["incarnation"]), int(said["position"]), b"")
        if said.get("unknown") is True:
            return LaneAck(str(said["epoch"]), None, cloud, None)
        held = said.get("held")
        places = None if held is None else {place.incarnation: place for place in map(_place, held)}
        return LaneAck(str(said["epoch"]), int(said["sequence"]), cloud, places)
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError):
        return None


def waits(payload: bytes) -> tuple[str, str, str] | None:
    """Return epoch, reason and hint when a batch was not taken for now; None for anything else."""
    try:
        said = orjson.loads(payload)
        if said.get("waits") is True:
            return str(said["epoch"]), str(said["reason"]), str(said["hint"])
    except (orjson.JSONDecodeError, AttributeError, KeyError):
        pass
    return None


def explain_code(code: int, user: str) -> str:
    """Say what a PUBACK with a reason code means for people."""
    known = _CODES.get(code, f"the cloud's broker refuses what is sent, code {code:#04x}")
    return known.format(user=user)


def explain_refusal(refusal: str, user: str) -> str:
    """Say what a refused or failed connection means for people."""
    heard = refusal.lower()
    for words, meaning in _FAULTS:
        if words in heard:
            return meaning.format(user=user)
    return refusal.replace("the broker", "the cloud's broker")


def _place(said: Any) -> Head:
    return Head(
        str(said.get("journal", "")),
        str(said["incarnation"]),
        int(said["position"]),
        bytes.fromhex(said.get("hash", "")),
    )

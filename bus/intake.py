"""Judging one intake message: an entry for the journal, or the reason why not. Pure.

Rules that must stay true here:
- any topic and any bytes give an `Entry` or an `InputError`, nothing else;
- the stored body is the sender's bytes, on one line; where the recorder had to complete or correct an
  attribute it is written anew, and what was claimed is kept beside it.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from bus import envelope, ids, instants, system_ids
from bus.envelope import RECORDER_ATTRIBUTES, Envelope
from bus.journal import Entry
from bus.topics import Intake
from bus.uplink_batch import NODE_ATTRIBUTES, PHOTO_MISSING, PROGRESSED
from schemas import limits, measurements
from schemas.errors import InputError
from schemas.registry import Registry

SAMPLE = "sample.taken"
SITE = "_site"
RECORDER = "recorder"
REGISTERED = "system.registered"
_CORRECTED = "window.corrected"
_FOR_ALL = ("window.ended", _CORRECTED, "counters.reset")
_NOTED = frozenset({"claimedtime", "typedsubject"})
_OURS: Mapping[str, str] = {
    RECORDER: RECORDER,
    "alerts": "alerts",
    "detector": "detector",
    "reports": "projector-reports",
    "uplink": "uplink",
    "web": "web",
}
"""By the last word of its source, each process of a node that tells facts, and the client that it is."""

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_LONGEST_SOURCE = 256
_RECORDER_ONLY = frozenset({"journal.restored"})
_UPLINK_ONLY = frozenset({PROGRESSED, PHOTO_MISSING})
_WITHOUT_SYSTEM = frozenset(
    {
        "map_provider.preferred",
        "map_tiles.loaded",
        "note.added",
        "photo.added",
        "report.generated",
        "report.requested",
        "samples.dropped",
    }
)


@dataclass(slots=True)
class Judge:
    """Knows what may be recorded.

    Attributes:
        node_id: where we are; plain messages get the source `/<node_id>/<client>`.
        aliases: other names of systems, canonical in form.
    """

    registry: Registry
    node_id: str
    aliases: dict[str, str] = field(default_factory=dict)
    _canonical: dict[str, str] = field(default_factory=dict)
    _client_of: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Name the sources that are ours."""
        self._client_of = {f"/{self.node_id}/{name}": client for name, client in _OURS.items()}

    def judge(self, place: Intake | None, payload: bytes, now_us: int) -> Entry:
        """Turn a message into an entry.

        Args:
            place: what its topic says; None when the topic has not the form `…/in/<client>/<system>/<type>`.
            payload: an envelope, or just the data.
            now_us: the recorder's clock.

        Raises:
            InputError: it cannot be recorded, and what to do about it.
        """
        if place is None:
            raise InputError("topic", "", "publish to <prefix>/in/<client>/<system_id>/<type>")
        if place.client == RECORDER:
            raise InputError("client", "", "publish under your own name: recorder is the recorder's")
        limits.check_size(payload)
        document = envelope.load(payload)
        limits.check_depth(document, payload)
        plain = "specversion" not in document
        said = self._plain(place, document, now_us) if plain else self._enveloped(place, document)
        if self._client_of.get(said.source, place.client) != place.client:
            raise InputError(
                "source", "source", f"{said.source} is a process of this node: use your own name"
            )
        if said.type in _RECORDER_ONLY:
            raise InputError("type", "type", f"{said.type} is recorded by the recorder alone")
        if said.type in _UPLINK_ONLY:
            raise InputError("type", "type", f"{said.type} is told by an uplink alone")
        self.registry.check(said.type, said.version, said.data)
        subject = self._subject(said)
        changes, time_us = _corrections(said, subject, now_us)
        if said.type == _CORRECTED:
            _check_moved(said.data, now_us)
        if plain or changes or "dataschema" not in document or b"\n" in payload or b"\r" in payload:
            body = envelope.encode(
                replace(said, subject=subject, time_us=time_us, extensions={**said.extensions, **changes})
            )
        else:
            body = payload.strip()
        stream = stream_of(said.type, said.data)
        if stream is not None:
            check_measurements(said.data)
        return Entry(place.client, said.source, said.id, said.type, subject, time_us, body, stream)

    def learn(self, subject: str, data: Mapping[str, Any], *, forwarded: bool = False) -> None:
        """Remember the aliases of a `system.registered` fact; of other nodes, those that are not taken."""
        for alias in data.get("aliases", ()):
            name = system_ids.canonical(alias)
            if name != subject and not (forwarded and name in self.aliases):
                self.aliases[name] = subject
        self._canonical.clear()

    def rename(self, aliases: Mapping[str, str]) -> None:
        """Know these other names of systems, and no others."""
        self.aliases = dict(aliases)
        self._canonical.clear()

    def _plain(self, place: Intake, data: dict[str, Any], now_us: int) -> Envelope:
        source = f"/{self.node_id}/{place.client}"
        if len(source) > _LONGEST_SOURCE or not source.isprintable():
            raise InputError(
                "client", "", f"publish under a printable, shorter name than {place.client!r:.60}"
            )
        return Envelope(
            id=ids.uuid7(now_us),
            source=source,
            type=place.type,
            subject=place.system_id,
            time_us=now_us,
            data=data,
            version=self.registry.newest(place.type),
        )

    def _enveloped(self, place: Intake, document: dict[str, Any]) -> Envelope:
        brought = (RECORDER_ATTRIBUTES | _NOTED) & document.keys()
        if brought:
            raise InputError("recorder_attribute", min(brought), "leave out what the recorder adds")
        forwarded = NODE_ATTRIBUTES & document.keys()
        if forwarded:
            raise InputError(
                "uplink_attribute",
                min(forwarded),
                "leave it out: only an uplink says where an event was recorded",
            )
        said = envelope.parse(document)
        _check_form(document["time"], "time")
        if said.type != place.type:
            raise InputError(
                "topic_mismatch", "type", f"the topic says {place.type}, the envelope {said.type}"
            )
        if said.subject != place.system_id and self._name(said.subject) != self._name(place.system_id):
            raise InputError(
                "topic_mismatch", "subject", f"the topic says {place.system_id}, the envelope {said.subject}"
            )
        return said

    def _subject(self, said: Envelope) -> str:
        if said.type == REGISTERED:
            self._check_aliases(said)
        reserved = said.subject.strip().lower()
        if reserved == system_ids.ALL:
            if said.type not in _FOR_ALL:
                raise InputError(
                    "reserved", "subject", f"only {', '.join(_FOR_ALL)} may be about all systems"
                )
            return system_ids.ALL
        if said.subject == SITE:
            if said.type not in _WITHOUT_SYSTEM:
                raise InputError("reserved", "subject", f"{said.type} is about a system: name it")
            return SITE
        return self._name(said.subject)

    def _name(self, typed: str) -> str:
        known = self._canonical.get(typed)
        if known is None:
            known = system_ids.ALL if typed.strip().lower() == system_ids.ALL else typed
            if known not in {system_ids.ALL, SITE}:
                known = system_ids.canonical(typed, self.aliases)
            if len(self._canonical) > 10_000:  # noqa: PLR2004 - hostile names must not fill the memory
                self._canonical.clear()
            self._canonical[typed] = known
        return known

    def _check_aliases(self, said: Envelope) -> None:
        subject = self._name(said.subject)
        for index, alias in enumerate(said.data.get("aliases", ())):
            where = f"data.aliases[{index}]"
            try:
                name = system_ids.canonical(alias)
            except InputError as error:
                raise InputError(error.reason, where, error.hint) from error
            if name == system_ids.ALL:
                raise InputError("reserved", where, "all stands for every system")
            owner = system_ids.resolve(name, self.aliases)
            if owner not in {name, subject}:
                raise InputError("alias_taken", where, f"{alias!r} is already a name of {owner}")


def stream_of(type_: str, data: Mapping[str, Any]) -> str | None:
    """Tell the series a sample belongs to within its system: `<kind>/<interval_ms>`; None for other types."""
    return f"{data['kind']}/{int(data.get('interval_ms', 0))}" if type_ == SAMPLE else None


def claimed(body: bytes) -> tuple[Any, ...]:
    """Return what the sender of a stored body claimed, whatever the recorder corrected or learned since."""
    said = envelope.load(body)
    time = said.get("claimedtime", said["time"])
    with suppress(ValueError):  # a sender may say anything under a name that is ours
        time = instants.parse(time)
    return said["type"], said.get("typedsubject", said["subject"]), time, said["data"]


def check_measurements(data: Mapping[str, Any]) -> None:
    """Make sure that a sample's readings have names that are known, or free.

    Raises:
        InputError: one has not.
    """
    unknown = measurements.unknown(data["values"])
    if unknown:
        raise InputError(
            "unknown_measurement",
            f"data.values.{unknown[0][:80]}",
            "use a name from schemas/measurements.toml, or begin your own with x_, at most"
            f" {measurements.LONGEST} characters long",
        )


def _check_moved(data: Mapping[str, Any], now_us: int) -> None:
    """Hold the time that a correction names to the limits of the time it is for."""
    if "time" not in data:
        return
    try:
        moved_us = instants.parse(data["time"])
        _check_form(data["time"], "data.time")
        limits.check_time(moved_us, now_us)
    except ValueError as error:
        raise InputError(
            "time", "data.time", f"give data.time as RFC 3339 with an offset: {error}"
        ) from error
    except InputError as error:
        raise InputError(error.reason, "data.time", error.hint) from error


def _check_form(time: str, where: str) -> None:
    """Make sure that everyone who is to read a time can: other forms of ISO 8601 few do."""
    if not _RFC3339.fullmatch(time):
        raise InputError("time", where, f"give {where} as RFC 3339, such as 2026-11-21T05:00:00Z")


def _corrections(said: Envelope, subject: str, now_us: int) -> tuple[dict[str, str], int]:
    """Return what the recorder notes beside a claim it corrects, and the time that counts."""
    changes = {} if subject == said.subject else {"typedsubject": said.subject}
    try:
        limits.check_time(said.time_us, now_us)
    except InputError:
        if said.type != SAMPLE:
            raise
        return {**changes, "claimedtime": instants.text(said.time_us)}, now_us
    return changes, said.time_us

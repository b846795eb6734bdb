"""A journal as a file of JSON lines (zstd): to move it between machines, or attach it to a bug report.

The first line names the journal; each further line is an event as it is published, with its hash. A whole
export that is read into an empty journal gives the same positions, times and hashes.
"""

import io
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import IO, Any

import orjson
import zstandard

from bus import envelope, instants
from bus.envelope import Recorded
from bus.intake import stream_of
from bus.journal import Duplicate, Entry, Head, Journal
from schemas.errors import ConfigurationError, InputError

_FORMAT = 1
_SPLICE = b',"position":"'
_BATCH = 1000


def to_line(event: Recorded) -> bytes:
    """Write an event as one line of JSON, without the line's end."""
    return envelope.published(event)[:-1] + b',"hash":"' + event.hash.hex().encode() + b'"}'


def from_line(line: bytes) -> Recorded:
    """Read an event back, to the byte.

    Raises:
        InputError: the line is no exported event.
    """
    document = envelope.load(line)
    splice = line.rfind(_SPLICE)
    try:
        position, recorded_us = int(document["position"]), instants.parse(document["recordedat"])
        hash_, client = bytes.fromhex(document.get("hash", "")), str(document["client"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError("not_exported", "", f"this line is no exported event: {error}") from error
    body = line[:splice] + b"}"
    said = envelope.decode(body)
    return Recorded(
        position,
        recorded_us,
        client,
        said.source,
        said.id,
        said.type,
        said.subject,
        said.time_us,
        body,
        hash_,
    )


def export(events: Iterable[Recorded], head: Head, path: Path) -> int:
    """Write events to a new file; return how many.

    Raises:
        ConfigurationError: the file exists.
    """
    if path.exists():
        raise ConfigurationError(f"{path} exists: name a new file, or move it away")
    draft = path.with_name(path.name + ".part")
    count = 0
    with draft.open("wb") as raw, zstandard.ZstdCompressor(level=6).stream_writer(raw) as out:
        out.write(orjson.dumps(_header(head)) + b"\n")
        for event in events:
            out.write(to_line(event) + b"\n")
            count += 1
    draft.replace(path)
    return count


def read(path: Path) -> Iterator[Recorded]:
    """Yield the events of an exported file.

    Raises:
        InputError: a line is no exported event; the message names the line.
        ConfigurationError: the file is no export.
    """
    with path.open("rb") as raw:
        lines = _lines(raw, path)
        try:
            header = orjson.loads(next(lines, b"{}"))
        except (orjson.JSONDecodeError, zstandard.ZstdError) as error:
            raise ConfigurationError(f"{path} is no journal export: {error}") from error
        if header.get("ovr_journal_export") != _FORMAT:
            raise ConfigurationError(f"{path} is no journal export of format {_FORMAT}")
        for number, line in enumerate(lines, start=2):
            try:
                yield from_line(line.rstrip(b"\n"))
            except InputError as error:
                raise InputError(error.reason, f"line {number}", error.hint) from error


def import_(path: Path, journal: Journal) -> tuple[int, int]:
    """Append the events of a file; return how many were new and how many were known.

    Raises:
        ConfigurationError: an imported event's hash is not what it was: the file was changed.
    """
    new = known = 0
    whole = journal.head().position == 0
    for recorded_us, run in groupby(read(path), key=attrgetter("recorded_us")):
        for batch in _batches(run):
            answers = journal.append([_entry(event) for event in batch], recorded_us=recorded_us)
            whole = whole and batch[0].position == new + 1
            duplicates = sum(isinstance(answer, Duplicate) for answer in answers)
            new, known = new + len(answers) - duplicates, known + duplicates
            if whole and batch[-1].hash and journal.head().hash != batch[-1].hash:
                raise ConfigurationError(
                    f"{path} was changed: the hash of position {batch[-1].position} is not what was exported;"
                    f" import it again into an empty journal from an unchanged file"
                )
    return new, known


def _entry(event: Recorded) -> Entry:
    stream = stream_of(event.type, envelope.decode(event.body).data)
    return Entry(
        event.client, event.source, event.id, event.type, event.subject, event.time_us, event.body, stream
    )


def _batches(events: Iterable[Recorded]) -> Iterator[list[Recorded]]:
    batch: list[Recorded] = []
    for event in events:
        batch.append(event)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _lines(raw: IO[bytes], path: Path) -> Iterator[bytes]:
    reader = zstandard.ZstdDecompressor().stream_reader(raw) if path.suffix == ".zst" else raw
    yield from io.BufferedReader(reader)  # type: ignore[type-var]


def _header(head: Head) -> dict[str, Any]:
    return {
        "ovr_journal_export": _FORMAT,
        "journal": head.journal,
        "incarnation": head.incarnation,
        "position": head.position,
        "hash": head.hash.hex(),
    }

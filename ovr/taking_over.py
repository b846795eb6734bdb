"""Sending what an older system kept to the recorder, as a normal sender: streamed, confirmed, accounted for.

Rules that must stay true here:
- what is sent twice is recorded once: ids follow from what is said;
- no more waits in the outbox than a moment's worth, so nothing is dropped there;
- a broken line or row is counted and named, and the rest goes on.
"""

import contextlib
import gzip
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import zstandard

from bus import system_ids
from bus.envelope import Envelope
from bus.sender import Rejection, Sender
from ovr.old_rows import NotUnderstoodError, name
from ovr.old_series import LONGEST_LINE, TIME, LeftOutError, Names, Readings, from_csv, from_json, windows
from ovr.series_spool import Moment, SeriesSpool
from projectors.lines import EVENT_METRIC
from schemas.errors import ConfigurationError, InputError, TransientError

_MOST_PENDING = 4_000
_REST_S = 0.02
_PATIENCE_S = 60.0
_BATCH = 200
_MOST_EXAMPLES = 20


@dataclass(slots=True)
class SeriesAccount:
    """What came of an export.

    Attributes:
        series: lines that were understood.
        readings: values in them.
        left_out: by series' name and reason, how many values.
        broken: numbers of lines that were not understood, the first ones, with reasons.
        broken_lines: how many there were.
        dropped: values that are no finite numbers.
    """

    series: int = 0
    readings: int = 0
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    broken: list[tuple[int, str]] = field(default_factory=list)
    broken_lines: int = 0
    dropped: int = 0

    def problem(self, line: int, reason: str) -> None:
        """Note a line that was not understood."""
        self.broken_lines += 1
        if len(self.broken) < _MOST_EXAMPLES:
            self.broken.append((line, reason))


@contextlib.contextmanager
def opened(path: Path, progress: Callable[[int, int], None]) -> Iterator[Iterator[tuple[int, bytes]]]:
    """Open an export, compressed or not; give its lines with their numbers, cut where one is far too long."""
    size = path.stat().st_size
    with path.open("rb") as raw, _plain(raw, path) as file:

        def lines() -> Iterator[tuple[int, bytes]]:
            number = 0
            while line := file.readline(LONGEST_LINE):
                number += 1
                whole = line.endswith(b"\n") or len(line) < LONGEST_LINE
                yield number, line if whole else b""
                while not whole:
                    rest = file.readline(LONGEST_LINE)
                    whole = not rest or rest.endswith(b"\n")
                progress(raw.tell(), size)

        yield lines()


@contextlib.contextmanager
def _plain(raw: IO[bytes], path: Path) -> Iterator[IO[bytes]]:
    if path.suffix == ".gz":
        with gzip.GzipFile(fileobj=raw) as file:
            yield file  # type: ignore[misc]
    elif path.suffix == ".zst":
        import io  # noqa: PLC0415 - for this alone

        with zstandard.ZstdDecompressor().stream_reader(raw) as reader:
            yield io.BufferedReader(reader)
    else:
        yield raw


def spooled(
    lines: Iterable[tuple[int, bytes]],
    columns: Sequence[str] | None,
    names: Names,
    spool: SeriesSpool,
    account: SeriesAccount,
    facts: list[Envelope] | None,
    source: str,
) -> None:
    """Read an export into a spool.

    Args:
        lines: with their numbers.
        columns: of a CSV export; None for JSON lines.
        names: where series belong.
        spool: takes the readings.
        account: filled.
        facts: gets windows, when those are wanted.
        source: of the facts.
    """
    for number, line in lines:
        if not line.strip() and line:
            continue
        try:
            if not line:
                raise NotUnderstoodError("it is too long: export with max_rows_per_line=100000")  # noqa: TRY301
            if columns is not None and number == 1 and TIME.encode() in line:
                continue
            readings = from_json(line) if columns is None else from_csv(line, columns)
        except NotUnderstoodError as error:
            account.problem(number, str(error))
            continue
        account.series += 1
        account.dropped += readings.dropped
        if facts is not None and readings.metric.get("__name__") == EVENT_METRIC:
            facts += _windows(readings, source)
            continue
        try:
            place = names.place(readings.metric)
            system_ids.canonical(place.system)
        except (LeftOutError, InputError) as error:
            reason = error.hint if isinstance(error, InputError) else str(error)
            account.left_out[readings.metric.get("__name__", "")[:80], reason] += len(readings.values)
            continue
        account.readings += len(readings.values)
        spool.add(place, readings)


def _windows(readings: Readings, source: str) -> Iterator[Envelope]:
    said = readings.metric
    system, event = said.get("system_id", ""), said.get("event_id", "")
    if not system or not event:
        return
    for time_ms, active in windows(readings):
        data = {"event_id": event}
        if active and said.get("location"):
            data["location"] = said["location"]
        type_ = "window.started" if active else "window.ended"
        time_us = time_ms * 1000
        yield Envelope(name(type_, system, time_us, data), source, type_, system, time_us, data)


def to_event(moment: Moment, source: str) -> Envelope:
    """Say a moment as a sample of the past."""
    data = {"kind": moment.kind, "interval_ms": moment.interval_ms, "values": moment.values, "late": True}
    time_us = moment.time_ms * 1000
    id_ = name("sample.taken", moment.system, time_us, data)
    return Envelope(id_, source, "sample.taken", moment.system, time_us, data)


class Delivery:
    """Sends events, and waits until they are confirmed.

    Attributes:
        sent: how many were taken by the outbox.
    """

    def __init__(self, sender: Sender, tell: Callable[[int], None] = lambda _: None) -> None:
        self.sent = 0
        self._confirmed, self._moved_s = -1, time.monotonic()
        self._sender = sender
        self._tell = tell

    def send(self, events: Iterable[Envelope]) -> None:
        """Send all, in their order.

        Raises:
            ConfigurationError: only a person can help: the sentence says how.
        """
        batch: list[Envelope] = []
        for event in events:
            batch.append(event)
            if len(batch) == _BATCH:
                self._put(batch)
                batch = []
        self._put(batch)

    def finish(self) -> list[Rejection]:
        """Wait until all is confirmed; return what was refused."""
        while self._sender.pending():
            self._wait()
        return self._sender.rejected()

    def _put(self, batch: list[Envelope]) -> None:
        while batch and self._sender.pending() > _MOST_PENDING:
            self._wait()
        while batch:
            try:
                self._sender.put_all(batch)
            except TransientError:
                self._wait()
                continue
            self.sent += len(batch)
            self._tell(self.sent)
            return

    def _wait(self) -> None:
        said, now_s = self._sender.status(), time.monotonic()
        if said["stopped"]:
            raise ConfigurationError(f"{said['fault']}; what was sent is kept, import again to go on")
        if said["confirmed"] != self._confirmed:
            self._confirmed, self._moved_s = said["confirmed"], now_s
        elif now_s - self._moved_s > _PATIENCE_S:
            why = said["fault"] or f"the recorder is {said['recorder']}"
            raise TransientError(f"nothing was confirmed for a minute: {why}; import again to go on")
        time.sleep(_REST_S)

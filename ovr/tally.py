"""What a run came to: samples in the journal, readings in VictoriaMetrics."""

from contextlib import closing
from dataclasses import dataclass

from bus import instants
from bus.journal_sqlite import SqliteJournalReader
from ovr.node import Node
from projectors.victoria import Victoria
from schemas.errors import TransientError

_READINGS = 'sum(count_over_time({{__name__!~"ovr_.*",system_id!=""}}[{seconds}s]))'


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts since a run began."""

    events: int
    samples: int
    readings: int

    def __str__(self) -> str:
        return (
            f"recorded {self.events:,} events, {self.samples:,} of them samples; "
            f"VictoriaMetrics holds {self.readings:,} readings of them"
        )


def position(node: Node) -> int:
    """Return the journal's newest position; 0 when there is no journal yet."""
    try:
        with closing(SqliteJournalReader(node.layout.journal)) as reader:
            return reader.head().position
    except TransientError:
        return 0


def tally(node: Node, after: int, since_us: int) -> Tally:
    """Count what a run brought.

    Args:
        node: that ran.
        after: the journal's position when it began.
        since_us: when it began.

    Raises:
        TransientError: the journal or VictoriaMetrics cannot be read.
    """
    with closing(SqliteJournalReader(node.layout.journal)) as reader:
        types = [event.type for event in reader.read(after)]
    with closing(Victoria(node.victoria_url())) as victoria:
        victoria.flush()
        now_us = instants.now_us()
        seconds = max(1, (now_us - since_us) // instants.SECOND_US)
        found = victoria.query(_READINGS.format(seconds=seconds), now_us // 1000)
    readings = int(float(found[0]["value"][1])) if found else 0
    return Tally(len(types), types.count("sample.taken"), readings)

"""A sender to be killed: samples and notes at a steady rate, and a log of what it was promised.

`python -m tests.load_sender PORT CLIENT DIRECTORY` counts on where an earlier life ended. A line in
`DIRECTORY/CLIENT.promised` says that `put` of that note has returned: the journal must hold it in the end.
SIGTERM ends it when everything it put is confirmed.
"""

import signal
import sys
import time
from pathlib import Path

from bus import ids, instants
from bus.connection import Broker
from bus.envelope import Envelope
from bus.sender import Sender

_PERIOD_S = 0.02
_NOTE_EVERY = 5
_FLUSH_S = 60.0


def fact(client: str, n: int) -> Envelope:
    """Make the n-th event of a client: every fifth is a note, the others are samples."""
    values = {"ac_out_power_w": float(n), "soc_pct": float(n % 100)}
    sample: dict[str, object] = {"kind": "victron", "interval_ms": 500, "values": values}
    note: dict[str, object] = {"text": f"{n}"}
    type_, data = ("note.added", note) if n % _NOTE_EVERY == 0 else ("sample.taken", sample)
    return Envelope(ids.uuid7(), f"/test/{client}", type_, f"rig_{client}", instants.now_us(), data)


def number(type_: str, data: dict[str, object]) -> int:
    """Read back which event it was."""
    if type_ == "note.added":
        return int(str(data["text"]))
    values = data["values"]
    assert isinstance(values, dict)
    return int(values["ac_out_power_w"])


def main(port: int, client: str, directory: Path) -> None:
    """Send until SIGTERM."""
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stop.append(number))
    draft = directory / f"{client}.draft"
    counter, promised = directory / f"{client}.counter", directory / f"{client}.promised"
    n = int(counter.read_text()) if counter.exists() else 0
    sender = Sender(Broker(port=port), client=client, name="load", path=directory / f"{client}.sqlite")
    with promised.open("a", buffering=1) as log:
        while not stop:
            n += 1
            draft.write_text(str(n + 1))  # before put: a number is never used twice
            draft.replace(counter)  # whole, whenever we are killed
            sender.put(fact(client, n))
            if n % _NOTE_EVERY == 0:
                log.write(f"{n}\n")
            time.sleep(_PERIOD_S)
    flushed = sender.flush(_FLUSH_S)
    sender.close()
    sys.exit(0 if flushed else 1)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))

"""A sender for soaks, to be killed: samples of fifty readings at a steady rate, now and then a note.

`python -m tests.soak_sender PORT CLIENT DIRECTORY RATE` counts on where an earlier life ended, and logs
promises as `tests.load_sender` does. SIGTERM ends it when everything it put is confirmed.
"""

import math
import signal
import sys
import time
from pathlib import Path

from bus import ids, instants
from bus.connection import Broker
from bus.envelope import Envelope
from bus.sender import Sender

_TURN_S = 0.1
_NOTE_EVERY = 500
_SYSTEMS = 100
_NUMBERED_AHEAD = 1_000
_FLUSH_S = 600.0
NAMES = (
    *(f"ac_out_l{n}_{what}" for n in (1, 2, 3) for what in ("power_w", "voltage_v", "current_a")),
    *(f"ac_in_l{n}_{what}" for n in (1, 2, 3) for what in ("power_w", "voltage_v", "current_a")),
    *(f"pv_{n}_{what}" for n in range(1, 9) for what in ("power_w", "voltage_v", "current_a")),
    *(
        "dc_voltage_v",
        "dc_current_a",
        "dc_power_w",
        "battery_temperature_c",
        "soh_pct",
        "ac_out_frequency_hz",
    ),
    "soc_pct",
)


def fact(client: str, n: int, now_us: int) -> Envelope:
    """Make the n-th event of a client; its number can be read back by `tests.load_sender.number`."""
    source, system = f"/test/{client}", f"{client}_{n % _SYSTEMS}"
    if n % _NOTE_EVERY == 0:
        return Envelope(ids.uuid7(now_us), source, "note.added", system, now_us, {"text": f"{n}"})
    values = {name: round(100 * math.sin(n / 700 + place), 1) for place, name in enumerate(NAMES)}
    data = {"kind": "victron", "interval_ms": 500, "values": {"ac_out_power_w": float(n), **values}}
    return Envelope(ids.uuid7(now_us), source, "sample.taken", system, now_us, data)


def main(port: int, client: str, directory: Path, rate: float) -> None:
    """Send until SIGTERM."""
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stop.append(number))
    draft, counter = directory / f"{client}.draft", directory / f"{client}.counter"
    n = upto = int(counter.read_text()) if counter.exists() else 0
    sender = Sender(Broker(port=port), client=client, name="load", path=directory / f"{client}.sqlite")
    began, first, began_us = time.monotonic(), n, instants.now_us()
    with (directory / f"{client}.promised").open("a", buffering=1) as log:
        while not stop:
            while n - first < (time.monotonic() - began) * rate:
                n += 1
                if n > upto:
                    upto = n + _NUMBERED_AHEAD  # before put: a number is never used twice
                    draft.write_text(str(upto))
                    draft.replace(counter)
                at_us = began_us + round(
                    (n - first) / rate * instants.SECOND_US
                )  # of a system, no two at once
                sender.put(fact(client, n, at_us))
                if n % _NOTE_EVERY == 0:
                    log.write(f"{n}\n")
            time.sleep(_TURN_S)
    flushed = sender.flush(_FLUSH_S)
    sender.close()
    sys.exit(0 if flushed else 1)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), float(sys.argv[4]))

"""Clocks that jump: nothing stops, nothing is lost in silence, order holds, and replay equals live."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bus import ids, instants
from bus.connection import Broker
from bus.envelope import Envelope, decode
from bus.journal_sqlite import SqliteJournalReader
from bus.sender import Sender
from projectors.state import STATE
from projectors.verify import verify
from tests.services import Service, start_mosquitto, start_victoria
from tests.system.test_recorder import recording
from tests.system.test_sender import sending
from tests.system.test_series import content, live, rebuilt
from tests.system.test_state import projecting
from tests.waiting import PATIENCE_S, until

HOUR_S, DAY_S = 3600, 86_400
SOON_US = 5 * instants.SECOND_US
# How far the recorder's clock and the sender's are ahead of the true time, and why a note is refused then.
JUMPS = (
    (0, 0, None),
    (HOUR_S, 0, None),
    (0, 0, None),
    (-HOUR_S, 0, "time_future"),
    (0, HOUR_S, "time_future"),
    (0, -DAY_S * 365 * 40, "time_past"),
    (DAY_S, 0, None),
    (-DAY_S, -DAY_S, None),
    (0, 0, None),
)


@dataclass
class Clock:
    """The system's clock, with an error that can be set."""

    ahead_s: int = 0

    def __call__(self) -> int:
        return instants.now_us() + self.ahead_s * instants.SECOND_US


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Service]:
    with start_mosquitto(tmp_path) as service:
        yield service


def put(sender: Sender, clock: Clock, type_: str, data: dict[str, object]) -> int:
    """Put an event with the time of the sender's clock; return that time."""
    now_us = clock()
    sender.put(Envelope(ids.uuid7(), "/edge/alice", type_, "rig_01", now_us, data))
    return now_us


def test_jumping_clocks_refuse_operators_with_a_hint_keep_samples_and_stop_nothing(
    tmp_path: Path, broker: Service
) -> None:
    data = tmp_path / "data"
    recorders, senders = Clock(), Clock()
    claimed: list[int] = []
    reasons: list[str | None] = []
    with (
        recording(data, broker, clock=recorders) as recorder,
        start_victoria(tmp_path) as victoria,
        projecting(data, Broker(port=broker.port)),
        sending(tmp_path, broker) as sender,
    ):
        reader = SqliteJournalReader(data / "journal")
        with live(reader, tmp_path / "series", victoria.url) as series:
            put(sender, senders, "window.started", {"event_id": "startup", "location": "yard"})
            for n, (recorders.ahead_s, senders.ahead_s, _) in enumerate(JUMPS):
                values = {"ac_out_power_w": float(n)}
                sample: dict[str, object] = {"kind": "victron", "interval_ms": 500, "values": values}
                claimed.append(put(sender, senders, "sample.taken", sample))
                known = len(sender.rejected())
                put(sender, senders, "note.added", {"text": str(n)})
                assert sender.flush(PATIENCE_S)
                refused = sender.rejected()[known:]
                assert all(rejection.hint for rejection in refused)
                reasons.append(refused[0].reason if refused else None)
                series.catch_up()
            put(sender, senders, "window.ended", {})
            assert sender.flush(PATIENCE_S)
            series.catch_up()
            grown = content(victoria.url)
        assert grown == rebuilt(reader, victoria, tmp_path)

        assert reasons == [reason for *_, reason in JUMPS]
        samples = list(reader.read(types=["sample.taken"]))
        bodies = [decode(row.body) for row in samples]
        assert [body.data["values"]["ac_out_power_w"] for body in bodies] == list(range(len(JUMPS)))
        for row, body, claim, reason in zip(samples, bodies, claimed, reasons, strict=True):
            assert body.extensions.get("claimedtime") == (instants.text(claim) if reason else None)
            assert row.time_us == claim if reason is None else row.recorded_us - row.time_us < SOON_US
        assert reader.verify().faults == ()
        head = recorder.journal.head().position
        until(lambda: verify(STATE, data).place.position == head, "the state has it all")
        assert verify(STATE, data).equal
        reader.close()

"""What a follower remembers belongs to one journal: of another it knows nothing, and begins anew."""

from pathlib import Path

from detection.alerts import NAME, VERSION
from projectors.following import forget_other
from projectors.runner import Runner
from tests.alerting import alerted, alerts, brief, occurred, tick
from tests.journals import MemoryJournal
from tests.streams import record


def test_a_memory_of_this_journal_stays(tmp_path: Path) -> None:
    journal, memory = MemoryJournal(), tmp_path / "memory.sqlite"
    assert not forget_other(journal, memory, NAME, VERSION)
    record(journal, [occurred(0), occurred(1)])
    Runner(journal, alerts(memory, []), strict=True).finish()
    record(journal, [tick(2)])

    assert not forget_other(journal, memory, NAME, VERSION)
    assert memory.exists()


def test_a_memory_of_another_journal_is_forgotten_and_its_own_past_not_told_again(tmp_path: Path) -> None:
    memory = tmp_path / "memory.sqlite"
    for said in ([occurred(0), occurred(1), occurred(2)], [occurred(0), occurred(1)]):
        journal = MemoryJournal()
        record(journal, said)
        forget_other(journal, memory, NAME, VERSION)
        Runner(journal, alerts(memory, [], told_upto=9), strict=True).finish()
    restored = MemoryJournal()
    record(restored, [occurred(0), occurred(1)])

    assert forget_other(restored, memory, NAME, VERSION)

    told = alerted([])
    one = alerts(memory, told, told_upto=2)
    Runner(restored, one, strict=True).finish()
    assert told == []
    assert one.status()["active"] == 1
    record(restored, [tick(2 * 3600)])
    Runner(restored, one, strict=True).finish()
    assert brief(told) == [("cleared", "ac_power_loss_hourly", 3601, 0)]

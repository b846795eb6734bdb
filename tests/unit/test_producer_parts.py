"""Parts: devices behind a polled one, which are only as connected as that one is."""

from hypothesis import given
from hypothesis import strategies as st

from producers.adapter import Description, PartSeen
from producers.parts import Parts

MINUTE_US = 60_000_000
QUATTRO = Description(model="Quattro")
HERE = PartSeen("vebus/276", present=True)
GONE = PartSeen("vebus/276", present=False, reason="left", detail="unplugged")


def test_a_part_is_connected_and_described_once() -> None:
    parts = Parts("rig_01")
    here = PartSeen("vebus/276", present=True, description=QUATTRO)

    told = [change.type for at_us in range(3) for change in parts.fold(here, at_us, None)]

    assert told == ["device.connected", "device.described"]


def test_a_part_that_left_is_told_with_reason_and_when_it_was_there_last() -> None:
    parts = Parts("rig_01")
    list(parts.fold(HERE, 10, None))

    (gone,) = parts.fold(GONE, 30, 20)
    again = list(parts.fold(GONE, 40, 30))

    assert (gone.type, gone.reason, gone.detail) == ("device.disconnected", "left", "unplugged")
    assert gone.seen_us == 20
    assert not again


def test_parts_fall_silent_with_their_device_and_come_back_with_it() -> None:
    parts = Parts("rig_01")
    list(parts.fold(HERE, 10, None))
    list(parts.fold(PartSeen("battery/512", present=True), 10, None))
    list(parts.fold(GONE, 20, 10))

    silent = list(parts.silent("gx", "no route", 20))
    back = list(parts.answering(99, 99))

    assert [(change.device, change.reason) for change in silent] == [("battery/512", "behind")]
    assert silent[0].detail == "gx does not answer: no route"
    assert [(change.type, change.device) for change in back] == [("device.connected", "battery/512")]


def test_a_part_of_an_earlier_life_is_no_news_when_it_is_still_there() -> None:
    parts = Parts("rig_01")
    parts.load(["vebus/276"])

    assert not list(parts.answering(0, 0))
    assert not list(parts.fold(HERE, 1, None))
    assert not list(parts.answering(2 * MINUTE_US, 0))


def test_a_part_of_an_earlier_life_that_nobody_mentions_for_a_minute_has_left() -> None:
    parts = Parts("rig_01")
    parts.load(["vebus/276"])

    early = list(parts.answering(MINUTE_US - 1, 0))
    late = [change for at_us in (MINUTE_US, 2 * MINUTE_US) for change in parts.answering(at_us, 0)]

    assert not early
    assert [(change.type, change.reason) for change in late] == [("device.disconnected", "left")]


def test_a_part_of_an_earlier_life_is_not_told_as_back_before_somebody_saw_it() -> None:
    parts = Parts("rig_01")
    parts.load(["vebus/276"])

    assert [change.reason for change in parts.silent("gx", "", None)] == ["behind"]
    assert not list(parts.answering(0, 0))
    assert [change.type for change in parts.fold(HERE, 1, None)] == ["device.connected"]


def test_parts_stop_with_their_device() -> None:
    parts = Parts("rig_01")
    list(parts.fold(HERE, 10, None))

    assert [change.reason for change in parts.stopped(10)] == ["stopped"]
    assert not list(parts.stopped(10))
    assert parts.dump() == []


PART = st.sampled_from([HERE, GONE, PartSeen("b", present=True), PartSeen("b", present=False)])
STORY = st.lists(st.one_of(PART, st.sampled_from(["silent", "answers", "restart"])), max_size=40)


@given(STORY)
def test_a_part_is_told_as_connected_exactly_while_it_is_there_and_its_device_answers(
    story: list[PartSeen | str],
) -> None:
    parts, answers = Parts("rig_01"), True
    told: dict[str, bool] = {}
    there: dict[str, bool] = {}
    for at_us, step in enumerate(story):
        if step == "restart":
            left = parts.dump()
            parts = Parts("rig_01")
            parts.load(left)
            continue
        if isinstance(step, PartSeen):
            answers, there[step.device] = True, step.present
            changes = [*parts.fold(step, at_us, at_us), *parts.answering(at_us, at_us)]
        elif step == "silent":
            answers, changes = False, list(parts.silent("gx", "", at_us))
        else:
            answers, changes = True, list(parts.answering(at_us, at_us))
        for change in changes:
            assert told.get(change.device, False) is (change.type != "device.connected"), "told twice"
            told[change.device] = change.type == "device.connected"
    connected = {device for device, state in told.items() if state}
    assert connected == set(parts.dump())
    if "restart" not in story:
        assert connected == {device for device, is_there in there.items() if is_there and answers}

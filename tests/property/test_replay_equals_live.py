"""The state is the same however it came to be: live, in any batches, through crashes, or rebuilt."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from projectors.rebuild import build
from projectors.runner import Runner
from projectors.state import STATE, StateProjector
from schemas.registry import Registry
from tests.journals import MemoryJournal
from tests.streams import Said, record, sample, tables

_REGISTRY = Registry.load()
_SUBJECTS = st.sampled_from(["rig_01", "rig_02", "gen_7", "old_name"])
_TIMES = st.integers(0, 20)
_NAMES = st.sampled_from(["a", "b"])
_PLACES = st.sampled_from(["yard", "stage"])
_IDS = st.integers(1, 30).map(lambda n: f"e{n}")


def _optional(**values: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries({}, optional=values)


EVENTS = st.one_of(
    st.builds(sample, _SUBJECTS, _TIMES, st.integers(0, 3), interval_ms=st.sampled_from([500, 5000])),
    st.builds(
        Said,
        st.just("window.started"),
        _SUBJECTS,
        _TIMES,
        st.fixed_dictionaries({"event_id": _NAMES}, optional={"location": _PLACES}),
    ),
    st.builds(Said, st.just("window.ended"), _SUBJECTS | st.just("all"), _TIMES, _optional(event_id=_NAMES)),
    st.builds(
        Said,
        st.just("window.corrected"),
        _SUBJECTS,
        _TIMES,
        st.fixed_dictionaries({"corrects": _IDS, "undo": st.just(True)})
        | st.fixed_dictionaries({"corrects": _IDS, "time": st.just("2026-11-17T11:00:00Z")}),
    ),
    st.builds(
        Said,
        st.just("location.set"),
        _SUBJECTS,
        _TIMES,
        st.fixed_dictionaries({"name": _PLACES}, optional={"lat": st.just(51.5), "lon": st.just(-2.5)}),
    ),
    st.builds(
        Said,
        st.just("system.registered"),
        _SUBJECTS,
        _TIMES,
        _optional(
            name=_NAMES, aliases=st.lists(st.sampled_from(["gen 7", "Old-Name", "rig_02"]), max_size=2)
        ),
    ),
    st.builds(
        Said, st.just("note.added"), _SUBJECTS | st.just("_site"), _TIMES, st.just({"text": "refuelled"})
    ),
    st.builds(
        Said,
        st.sampled_from(["device.connected", "device.disconnected", "device.described"]),
        _SUBJECTS,
        _TIMES,
        st.fixed_dictionaries({"device": _NAMES}),
    ),
    st.builds(
        Said,
        st.just("alarm.raised"),
        _SUBJECTS,
        _TIMES,
        st.fixed_dictionaries({"alarm": _NAMES, "level": st.sampled_from(["warning", "alarm"])}),
    ),
    st.builds(
        Said,
        st.sampled_from(["alarm.cleared", "alarm.acknowledged"]),
        _SUBJECTS,
        _TIMES,
        st.fixed_dictionaries({"alarm": _NAMES}),
    ),
)


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(EVENTS, max_size=30), st.data())
def test_replay_equals_live(said: list[Said], data: st.DataObject) -> None:
    journal = MemoryJournal()
    with tempfile.TemporaryDirectory() as directory:
        live, rebuilt = Path(directory, "live.sqlite"), Path(directory, "rebuilt.sqlite")

        _live(journal, said, live, data)
        build(STATE, journal, rebuilt)

        assert tables(live) == tables(rebuilt)


@given(st.lists(EVENTS, max_size=30), st.data())
def test_a_rebuild_up_to_a_position_knows_nothing_of_what_came_later(
    said: list[Said], data: st.DataObject
) -> None:
    whole, part = MemoryJournal(), MemoryJournal()
    upto = data.draw(st.integers(0, len(said)))
    record(whole, said)
    record(part, said[:upto])
    with tempfile.TemporaryDirectory() as directory:
        bounded, short = Path(directory, "bounded.sqlite"), Path(directory, "short.sqlite")

        build(STATE, whole, bounded, upto=upto)
        build(STATE, part, short)

        first, second = tables(bounded), tables(short)
        first.pop("checkpoint")
        second.pop("checkpoint")
        assert first == second


def _live(journal: MemoryJournal, said: list[Said], path: Path, data: st.DataObject) -> None:
    """Record and project in turns, with crashes; in the end everything is saved."""
    clock = _Clock()
    projector, runner = _started(journal, path, data, clock)
    left = list(said)
    while left:
        count = data.draw(st.integers(1, len(left)))
        record(journal, left[:count])
        del left[:count]
        clock.now += data.draw(st.sampled_from([0.0, 0.4, 2.0]))
        runner.turn()
        if data.draw(st.booleans()):
            projector.close()
            projector, runner = _started(journal, path, data, clock)
    runner.finish()
    projector.close()


def _started(
    journal: MemoryJournal, path: Path, data: st.DataObject, clock: _Clock
) -> tuple[StateProjector, Runner]:
    projector = StateProjector(path, _REGISTRY)
    batch, leap_from = data.draw(st.integers(1, 10)), data.draw(st.sampled_from([1, 5, 1000]))
    return projector, Runner(journal, projector, batch=batch, leap_from=leap_from, clock=clock)

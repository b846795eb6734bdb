"""The cloud's state is that of its nodes, in whatever order their events come."""

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bus.journal import JournalReader
from projectors import state_store
from projectors.rebuild import build
from projectors.runner import Runner
from projectors.state import STATE, StateProjector, open_model
from projectors.state_messages import event_state, fleet_state
from schemas.registry import Registry
from tests.fleets import bring, entries, lanes
from tests.journals import MemoryJournal
from tests.laws import examples
from tests.property.test_replay_equals_live import EVENTS
from tests.streams import Said, record, tables

_REGISTRY = Registry.load()
_NODES = ("site_a", "site_b")
_SAID = st.lists(EVENTS, max_size=15)


def _own(name: str, said: list[Said]) -> MemoryJournal:
    """Record what is said at a node, whose systems are no other node's."""
    journal = MemoryJournal()
    suffix = name[-1]
    record(journal, [_renamed(one, suffix, number) for number, one in enumerate(said, 1)])
    return journal


def _renamed(one: Said, suffix: str, number: int) -> Said:
    subject = one.subject if one.subject in {"all", "_site"} else f"{one.subject}_{suffix}"
    data = dict(one.data)
    if "aliases" in data:
        data["aliases"] = [f"{alias}-{suffix}" for alias in data["aliases"]]
    if "corrects" in data:
        data["corrects"] += suffix
    return Said(one.type, subject, one.at_s, data, f"e{number}{suffix}")


def described(journal: JournalReader, path: Path) -> dict[str, Any]:
    """Describe systems and events as a rebuilt state knows them; positions are each journal's own."""
    build(STATE, journal, path)
    with closing(open_model(path)) as model:
        fleet = state_store.load(model.db)
    systems = {name: fleet_state(name, of) for name, of in fleet.systems().items()}
    for said in systems.values():
        said.pop("node", None), said.pop("elsewhere", None)
    parts = fleet.parts()
    windows = sorted(
        ({"event_id": e, **w} for e in parts for w in event_state(e, parts[e])["windows"]), key=repr
    )
    for window in windows:
        window.pop("node", None)
    return {"systems": systems, "windows": windows}


@examples(10)
@given(_SAID, _SAID, st.data())
def test_the_state_of_the_cloud_is_the_union_of_its_nodes(
    a: list[Said], b: list[Said], data: st.DataObject
) -> None:
    nodes = {name: _own(name, said) for name, said in zip(_NODES, (a, b), strict=True)}
    cloud = MemoryJournal()
    chosen = lanes(
        {name: entries(name, journal) for name, journal in nodes.items()},
        lambda able: data.draw(st.sampled_from(able)),
    )
    bring(cloud, chosen, recorded_s=1000)

    with tempfile.TemporaryDirectory() as directory:
        own = [described(journal, Path(directory, f"{name}.sqlite")) for name, journal in nodes.items()]
        all_of_them = described(cloud, Path(directory, "cloud.sqlite"))

    assert all_of_them["systems"] == own[0]["systems"] | own[1]["systems"]
    assert all_of_them["windows"] == sorted(own[0]["windows"] + own[1]["windows"], key=repr)


@examples(10)
@given(_SAID, _SAID, st.data())
def test_replay_equals_live_also_where_two_nodes_name_the_same_systems(
    a: list[Said], b: list[Said], data: st.DataObject
) -> None:
    nodes = {name: MemoryJournal() for name in _NODES}
    for (name, journal), said in zip(nodes.items(), (a, b), strict=True):
        record(journal, [Said(o.type, o.subject, o.at_s, o.data, f"{n}{name}") for n, o in enumerate(said)])
    chosen = lanes(
        {name: entries(name, journal) for name, journal in nodes.items()},
        lambda able: data.draw(st.sampled_from(able)),
    )
    cloud = MemoryJournal()
    with tempfile.TemporaryDirectory() as directory:
        live, rebuilt = Path(directory, "live.sqlite"), Path(directory, "rebuilt.sqlite")
        for entry in chosen:
            bring(cloud, [entry], recorded_s=1000)
            if data.draw(st.booleans()):
                projector = StateProjector(live, _REGISTRY)
                Runner(cloud, projector).finish()
                projector.close()
        projector = StateProjector(live, _REGISTRY)
        Runner(cloud, projector).finish()
        projector.close()
        build(STATE, cloud, rebuilt)

        assert tables(live) == tables(rebuilt)

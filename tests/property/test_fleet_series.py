"""The cloud's series are those of its nodes: as far as each node's events have come, and no further."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from projectors.series import SeriesFold
from schemas.registry import Registry
from tests.fleets import bring, entries, lanes
from tests.journals import MemoryJournal
from tests.laws import examples
from tests.property.test_series_fold import Content, Model, apply
from tests.series_stream import Step, journal_of, steps
from tests.streams import BASE_US, S, Said, record, sample

_REGISTRY = Registry.load()
_COUNTED = ("ovr_ups_events", "ovr_health", "ovr_alert")


def _content(journal: MemoryJournal, sizes: list[int]) -> Content:
    """Return what batches of these sizes leave, but what is counted at the time of its recording here."""
    model, fold, at = Model(), SeriesFold(_REGISTRY), 0
    for size in (*sizes, len(journal.events)):
        batch = journal.events[at : at + size]
        at += len(batch)
        if batch:
            apply(model, fold, journal, batch)
    return {series: points for series, points in model.content.items() if not series.startswith(_COUNTED)}


def _of_node(found: list[Step], node: str) -> MemoryJournal:
    """Record steps at a node, about systems that are no other's."""
    return journal_of(
        [
            (pause, type_, _name(subject, node), time, _data(data, node))
            for pause, type_, subject, time, data in found
        ]
    )


def _name(subject: str, node: str) -> str:
    return subject if subject in {"all", "_site"} else f"{subject}_{node}"


def _data(data: dict[str, Any], node: str) -> dict[str, Any]:
    return data | {"aliases": [f"{one} {node}" for one in data["aliases"]]} if "aliases" in data else data


@examples(12)
@given(steps, steps, st.lists(st.integers(1, 7), max_size=12), st.data())
def test_the_series_of_the_cloud_are_the_union_of_its_nodes(
    a: list[Step], b: list[Step], sizes: list[int], data: st.DataObject
) -> None:
    nodes = {"a": _of_node(a, "a"), "b": _of_node(b, "b")}
    cloud = MemoryJournal()
    of = {name: entries(name, journal) for name, journal in nodes.items()}
    bring(cloud, lanes(of, lambda able: data.draw(st.sampled_from(able))), recorded_s=10**6)

    own = [_content(journal, sizes) for journal in nodes.values()]

    assert _content(cloud, sizes) == own[0] | own[1]


def test_an_active_window_goes_no_further_than_its_node_was_heard_of() -> None:
    node = MemoryJournal()
    record(node, [Said("window.started", "rig_01", 0, {"event_id": "gig"}), sample("rig_01", 95, 1.0)])
    cloud = MemoryJournal()
    bring(cloud, (one for _, one in entries("site_a", node)), recorded_s=10**6)

    found = {s: p for s, p in _content(cloud, []).items() if s.startswith("ovr_event")}

    (points,) = found.values()
    assert max(points) == (BASE_US + 90 * S) // 1000

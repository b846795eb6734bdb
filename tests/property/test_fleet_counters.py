"""The cloud's counters are those of its nodes, in whatever order their events come."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from detection.alerts import Alerts
from detection.detector import Detector
from projectors.counter_queries import Counters
from projectors.counters import CountersProjector
from projectors.generations import Generations
from projectors.runner import Runner
from schemas.registry import Registry
from tests.fleets import bring, entries, lanes
from tests.journals import MemoryJournal
from tests.laws import examples
from tests.property.test_counters import occurrences, registrations, resets
from tests.streams import BASE_US, S, Said, record, sample

REGISTRY = Registry.load()
NOW_US = BASE_US + 200 * 86_400 * S
_SAID = st.lists(st.one_of(*[occurrences] * 4, resets, registrations), max_size=15)


def _node(name: str, said: list[Said]) -> MemoryJournal:
    journal = MemoryJournal()
    record(journal, [replace(one, id=f"{name}-{n}") for n, one in enumerate(said)])
    return journal


def _answers(journal: MemoryJournal) -> Mapping[str, Any]:
    """Ask for everything that a reset, an alias or the order could change, by system."""
    with TemporaryDirectory() as directory:
        projector = CountersProjector(Generations(Path(directory, "counters")), REGISTRY)
        Runner(journal, projector, strict=True).finish()
        projector.close()
        with closing(Counters.open(Path(directory))) as counters:
            return {
                system_id: (
                    counters.show(NOW_US, system_id),
                    counters.statistics(NOW_US, 365, system_id=system_id),
                    counters.health(NOW_US, system_id),
                    counters.durations(NOW_US, None, system_id),
                    counters.by_day(0, NOW_US, system_id),
                    [(one.occurrence.type, one.time_us) for one in counters.history(system_id=system_id)],
                    [(one["time_us"], one["types"]) for one in counters.resets(system_id)],
                )
                for system_id in counters.systems()
            }


@examples(8)
@given(_SAID, _SAID, st.data())
def test_each_system_counts_in_the_cloud_as_at_its_node(
    a: list[Said], b: list[Said], data: st.DataObject
) -> None:
    other = {"rig_01": "gen_1", "rig_02": "gen_2", "stage_3": "gen_3"}
    b = [replace(one, subject=other.get(one.subject, one.subject)) for one in b]
    nodes = {"site_a": _node("site_a", a), "site_b": _node("site_b", b)}
    cloud = MemoryJournal()
    of = {name: entries(name, journal) for name, journal in nodes.items()}
    bring(cloud, lanes(of, lambda able: data.draw(st.sampled_from(able))), recorded_s=90 * 86_400)

    own = [_answers(journal) for journal in nodes.values()]

    assert _answers(cloud) == {**own[0], **own[1]}


def test_a_system_that_moved_has_the_counts_of_both_nodes_and_all_is_each_node_s_own() -> None:
    def lost(at_s: float, system: str = "rig_01") -> Said:
        return Said("ups.ac_power_loss", system, at_s, {"stage": "confirmed"})

    reset = Said("counters.reset", "all", 500, {"reason": "season"})
    nodes = {
        "site_a": _node("site_a", [lost(10), lost(20), lost(30, "rig_07"), reset]),
        "site_b": _node("site_b", [lost(100), lost(40, "rig_09"), lost(600)]),
    }
    cloud = MemoryJournal()
    bring(cloud, (one for name, of in nodes.items() for _, one in entries(name, of)), recorded_s=1000)

    found = _answers(cloud)

    counts = {system: [(one.total, one.since_reset) for one in of[0]] for system, of in found.items()}
    assert counts == {"rig_01": [(4, 2)], "rig_07": [(1, 0)], "rig_09": [(1, 1)]}

    own = _node("site_c", [Said("counters.reset", "rig_01", 550, {"reason": "battery"})])
    bring(cloud, (one for _, one in entries("site_c", own)), recorded_s=1001)

    assert [(one.total, one.since_reset) for one in _answers(cloud)["rig_01"][0]] == [(4, 1)]


def test_what_a_node_recorded_is_judged_by_nobody_else() -> None:
    node = _node(
        "site_a", [sample("rig_01", 1, 5.0), Said("device.disconnected", "rig_01", 2, {"device": "gx"})]
    )
    cloud = MemoryJournal()
    bring(cloud, (one for _, one in entries("site_a", node)), recorded_s=10)
    detector = Detector(REGISTRY, source="/cloud/detector", rules_of=lambda _: ((), {}))
    alerts = Alerts(REGISTRY, source="/cloud/alerts", limits_of=lambda _: ())
    for recorded in cloud.read():
        assert [*detector.take(recorded), *alerts.take(recorded)] == []
    assert (detector.status()["systems"], alerts.status()["systems"]) == (0, 0)

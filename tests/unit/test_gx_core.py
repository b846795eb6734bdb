"""The simulated GX keeps the protocol of Venus OS: who is told what, and when it is silent."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.simulator.gx_core import GxCore, Node, Publication

PORTAL = "c0619ab00001"
UNIX = 1_795_237_200.0
KEEPALIVE = f"R/{PORTAL}/keepalive"
VEBUS, SYSTEM = ("vebus", 276), ("system", 0)


def core(**options: Any) -> GxCore:
    gx = GxCore(PORTAL, **options)
    gx.appear(SYSTEM, Node({"/Serial": PORTAL, "/Dc/Battery/Soc": 80.0}))
    gx.appear(
        VEBUS, Node({"/Ac/Out/L1/P": 100, "/Ac/Out/L2/P": None, "/Mode": 3}, writable=frozenset({"/Mode"}))
    )
    gx.take()
    return gx


def said(publications: list[Publication]) -> dict[str, bytes]:
    return {item.topic.removeprefix(f"N/{PORTAL}/"): item.payload for item in publications}


def asked(gx: GxCore, payload: bytes = b"", at_s: float = 0.0) -> dict[str, bytes]:
    gx.receive(KEEPALIVE, payload, at_s, UNIX + at_s)
    return said(gx.take())


def test_only_the_serial_number_is_told_and_retained_while_nobody_listens() -> None:
    gx = GxCore(PORTAL)
    gx.appear(SYSTEM, Node({"/Serial": PORTAL, "/Dc/Battery/Soc": 80.0}))
    gx.appear(VEBUS, Node({"/Mode": 3}))
    payload = json.dumps({"value": PORTAL}, separators=(",", ":")).encode()
    assert gx.take() == [Publication(f"N/{PORTAL}/system/0/Serial", payload, retain=True)]


def test_the_start_says_that_keep_alives_are_answered() -> None:
    gx = GxCore(PORTAL)
    gx.start()
    assert gx.take() == [Publication(f"N/{PORTAL}/keepalive", b"1", retain=False)]


def test_a_keep_alive_is_answered_with_everything_and_then_the_time() -> None:
    gx = core()
    gx.receive(KEEPALIVE, b"", 0.0, UNIX)
    published = gx.take()
    told = said(published)
    assert told["vebus/276/Ac/Out/L1/P"] == b'{"value":100}'
    assert told["vebus/276/Ac/Out/L2/P"] == b'{"value":null}'
    assert told["system/0/Dc/Battery/Soc"] == b'{"value":80.0}'
    assert told["full_publish_completed"] == b'{"value":1795237200}'
    topics = [item.topic.rsplit("/", 1)[1] for item in published]
    assert topics.index("full_publish_completed") == len(told) - 2  # the first heartbeat comes after it


def test_only_the_serial_number_is_retained_of_everything() -> None:
    gx = core()
    gx.receive(KEEPALIVE, b"", 0.0, UNIX)
    assert [item.topic for item in gx.take() if item.retain] == [f"N/{PORTAL}/system/0/Serial"]


def test_the_old_way_to_keep_alive_works_too() -> None:
    gx = core()
    gx.receive(f"R/{PORTAL}/system/0/Serial", b"", 0.0, UNIX)
    assert "full_publish_completed" in said(gx.take())


@pytest.mark.parametrize(
    "payload",
    [b'{"keepalive-options":["suppress-republish"]}', b"suppress-republish", b'["suppress-republish"]'],
)
def test_a_suppressed_keep_alive_arms_and_repeats_nothing(payload: bytes) -> None:
    gx = core()
    assert asked(gx, payload).keys() == {"heartbeat"}
    assert gx.alive


def test_an_echo_comes_back_and_the_last_one_wins() -> None:
    options = [{"full-publish-completed-echo": "one"}, {"full-publish-completed-echo": "two"}]
    told = asked(core(), json.dumps({"keepalive-options": options}).encode())
    assert told["full_publish_completed"] == b'{"full-publish-completed-echo":"two","value":1795237200}'


def test_above_three_a_second_a_keep_alive_only_keeps_alive() -> None:
    gx = core()
    answers = [asked(gx, at_s=at_s) for at_s in (0.0, 0.1, 0.2, 0.3, 0.4)]
    assert ["full_publish_completed" in answer for answer in answers] == [True, True, True, False, False]
    gx.tick(59.9, UNIX)
    assert gx.alive, "the dropped ones armed the timer"
    assert "full_publish_completed" in asked(gx, at_s=60.0)


def test_changes_are_told_while_alive_only_and_repetitions_never() -> None:
    gx = core()
    gx.change(VEBUS, "/Ac/Out/L1/P", 101)
    assert not gx.take()
    asked(gx)
    gx.change(VEBUS, "/Ac/Out/L1/P", 102)
    gx.change(VEBUS, "/Ac/Out/L1/P", 102)
    gx.change(VEBUS, "/Ac/Out/L2/P", None)
    assert said(gx.take()) == {"vebus/276/Ac/Out/L1/P": b'{"value":102}'}


def test_the_keep_alive_runs_out_without_a_word() -> None:
    gx = core()
    asked(gx)
    gx.tick(59.9, UNIX)
    gx.take()
    gx.tick(60.0, UNIX)
    gx.tick(63.0, UNIX)
    gx.change(VEBUS, "/Ac/Out/L1/P", 5)
    assert not gx.alive
    assert not gx.take()


def test_the_serial_number_is_told_even_when_nobody_listens() -> None:
    gx = core()
    gx.change(SYSTEM, "/Serial", "c0619ab00002")
    assert said(gx.take()) == {"system/0/Serial": b'{"value":"c0619ab00002"}'}


def test_the_heart_beats_every_three_seconds_while_alive() -> None:
    gx = core()
    asked(gx)
    beats = []
    for tenth in range(1, 900):
        gx.tick(tenth / 10, UNIX + tenth / 10)
        beats += [json.loads(item.payload)["value"] - int(UNIX) for item in gx.take()]
    assert beats == list(range(3, 60, 3))


def test_a_read_is_answered_though_nobody_keeps_it_alive() -> None:
    gx = core()
    gx.receive(f"R/{PORTAL}/vebus/276/Mode", b"", 0.0, UNIX)
    assert said(gx.take()) == {"vebus/276/Mode": b'{"value":3}'}
    gx.receive(f"R/{PORTAL}/vebus/276/Ac/Out", b"", 0.0, UNIX)
    assert said(gx.take()).keys() == {"vebus/276/Ac/Out/L1/P", "vebus/276/Ac/Out/L2/P"}
    gx.receive(f"R/{PORTAL}/vebus/276", b"", 0.0, UNIX)
    assert len(gx.take()) == 3
    assert not gx.alive


@pytest.mark.parametrize(
    "path", ["vebus/276/Nothing", "vebus/277/Mode", "vebus/x/Mode", "vebus", "", "vebus/276/Mod"]
)
def test_a_read_of_what_is_not_there_is_not_answered(path: str) -> None:
    gx = core()
    gx.receive(f"R/{PORTAL}/{path}", b"", 0.0, UNIX)
    assert not gx.take()


def test_a_device_that_leaves_empties_all_its_topics_even_in_silence() -> None:
    gx = core()
    gx.leave(VEBUS)
    gx.leave(VEBUS)
    published = gx.take()
    assert {item.payload for item in published} == {b""}
    assert said(published).keys() == {
        f"vebus/276{path}" for path in ("/Mode", "/Ac/Out/L1/P", "/Ac/Out/L2/P")
    }


def test_a_device_that_comes_back_tells_all_it_has() -> None:
    gx = core()
    asked(gx)
    gx.leave(VEBUS)
    gx.take()
    gx.appear(VEBUS, Node({"/Mode": 3}))
    assert said(gx.take()) == {"vebus/276/Mode": b'{"value":3}'}


def test_a_write_reaches_what_may_be_written_and_nothing_else() -> None:
    written: list[object] = []
    gx = core(on_write=lambda key, path, value: written.append((key, path, value)))
    gx.receive(f"W/{PORTAL}/vebus/276/Mode", b'{"value": 4}', 0.0, UNIX)
    for path, payload in (
        ("vebus/276/Ac/Out/L1/P", b'{"value": 4}'),
        ("vebus/276/Mode", b'{"value": "on"}'),
        ("vebus/276/Mode", b'{"value": true}'),
        ("vebus/276/Mode", b"4"),
        ("vebus/276/Mode", b""),
        ("vebus/276/Mode", b"{"),
        ("vebus/9/Mode", b'{"value": 4}'),
    ):
        gx.receive(f"W/{PORTAL}/{path}", payload, 0.0, UNIX)
    assert written == [(VEBUS, "/Mode", 4)]


def test_settings_tell_their_limits_and_refuse_what_is_outside() -> None:
    written: list[object] = []
    gx = core(on_write=lambda _key, _path, value: written.append(value))
    path = "/Settings/SystemSetup/AcInput1"
    limits = {path: {"min": 0, "max": 3}}
    gx.appear(("settings", 0), Node({path: 1}, limits, frozenset({path})))
    assert asked(gx)["settings/0/Settings/SystemSetup/AcInput1"] == b'{"max":3,"min":0,"value":1}'
    for value in (2, 7):
        gx.receive(f"W/{PORTAL}/settings/0{path}", b'{"value": %d}' % value, 0.0, UNIX)
    assert written == [2]


def test_an_old_release_retains_everything_and_clears_it_when_nobody_listens() -> None:
    gx = core(legacy=True)
    gx.receive(f"R/{PORTAL}/system/0/Serial", b"", 0.0, UNIX)
    told = gx.take()
    assert all(item.retain for item in told)
    assert said(told)["vebus/276/Mode"] == b'{"value": 3}'
    assert not said(told).keys() & {"full_publish_completed", "heartbeat"}
    gx.tick(60.0, UNIX)
    cleared = gx.take()
    assert {(item.payload, item.retain) for item in cleared} == {(b"", True)}
    assert "system/0/Serial" not in said(cleared)
    assert "vebus/276/Mode" in said(cleared)


def test_an_old_release_repeats_itself_only_after_silence_and_is_kept_alive_by_any_request() -> None:
    gx = core(legacy=True)
    asked(gx)
    assert not asked(gx, at_s=30.0)
    gx.receive(f"R/{PORTAL}/vebus/276/Ac/Out", b"", 50.0, UNIX)
    nested = said(gx.take())["vebus/276/Ac/Out"]
    assert json.loads(nested) == {"value": {"L1/P": 100, "L2/P": None}}
    gx.tick(109.0, UNIX)
    assert gx.alive


@given(
    topic=st.one_of(
        st.text(),
        st.builds(
            "{}/{}/{}".format,
            st.sampled_from(["R", "W", "N", ""]),
            st.sampled_from([PORTAL, "other"]),
            st.one_of(
                st.text(), st.sampled_from(["keepalive", "vebus/276/Mode", "vebus/276", "vebus//", "a/²/b"])
            ),
        ),
    ),
    payload=st.one_of(
        st.binary(), st.sampled_from([b'{"keepalive-options": 3}', b'{"keepalive-options": [[]]}'])
    ),
    legacy=st.booleans(),
)
def test_nothing_that_a_client_sends_breaks_it(topic: str, payload: bytes, legacy: bool) -> None:
    gx = core(legacy=legacy)
    gx.receive(topic, payload, 0.0, UNIX)
    assert all(item.topic.startswith(f"N/{PORTAL}/") for item in gx.take())

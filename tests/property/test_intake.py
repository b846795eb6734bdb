"""Intake: any bytes on any topic give an entry or a reason, and names become canonical in one way."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus import envelope, instants, system_ids
from bus.envelope import Envelope
from bus.intake import Judge, claimed
from bus.journal import Entry
from bus.topics import Topics
from schemas.errors import InputError
from schemas.registry import Registry

TOPICS = Topics()
REGISTRY = Registry.load()
NOW_US = instants.parse("2026-11-21T05:00:00Z")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
types = st.sampled_from(REGISTRY.types()) | st.text(max_size=20)
topic_names = st.text(st.characters(codec="utf-8", exclude_characters="\x00#+"), max_size=24)
attributes = st.sampled_from(
    ["specversion", "id", "source", "type", "subject", "time", "dataschema", "data", "position", "xyz", "X"]
)


def judge(topic: str, payload: bytes) -> Entry | InputError:
    try:
        return Judge(REGISTRY, "edge-01").judge(TOPICS.parse_intake(topic), payload, NOW_US)
    except InputError as error:
        return error


def assert_recordable(entry: Entry) -> None:
    said = envelope.decode(entry.body)
    assert (said.id, said.source, said.type, said.subject) == (
        entry.id,
        entry.source,
        entry.type,
        entry.subject,
    )
    assert said.time_us == entry.time_us
    assert b"\n" not in entry.body
    assert entry.body.endswith(b"}")


def as_json(value: object) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer of more than 64 bits
        return b"18446744073709551616"


@given(topic_names, topic_names, types, st.binary(max_size=300) | json_values.map(as_json))
def test_any_topic_and_any_bytes_give_an_entry_or_a_reason(
    client: str, system_id: str, type_: str, payload: bytes
) -> None:
    answer = judge(f"ovr/in/{client}/{system_id}/{type_}", payload)

    if isinstance(answer, InputError):
        assert answer.reason
        assert answer.hint
    else:
        assert_recordable(answer)


@given(st.dictionaries(attributes, json_values, max_size=9))
def test_any_change_to_an_envelope_gives_an_entry_or_a_reason(changes: dict[str, object]) -> None:
    good = Envelope("n1", "/edge-01/alice", "note.added", "rig_01", NOW_US, {"text": "hello"})
    document = orjson.loads(envelope.encode(good)) | changes

    answer = judge("ovr/in/alice/rig_01/note.added", as_json(document))

    if isinstance(answer, Entry):
        assert_recordable(answer)


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
@pytest.mark.parametrize("type_", ["note.added", "sample.taken"])
def test_a_time_that_utc_cannot_write_is_refused(time: str, type_: str) -> None:
    data = {"kind": "victron", "interval_ms": 500, "values": {"soc_pct": 1}}
    good = Envelope("n1", "/edge-01/alice", type_, "rig_01", NOW_US, data)
    document = orjson.loads(envelope.encode(good)) | {"time": time}

    answer = judge(f"ovr/in/alice/rig_01/{type_}", orjson.dumps(document))

    assert isinstance(answer, InputError)
    assert answer.reason == "time"


@pytest.mark.parametrize("name", ["claimedtime", "typedsubject", "position"])
def test_what_the_recorder_notes_beside_a_claim_may_not_be_brought_along(name: str) -> None:
    extensions = {name: "2026-11-21T05:00:00Z"}
    fact = Envelope("n1", "/edge-01/alice", "note.added", "rig_01", NOW_US, {"text": "a"}, 1, extensions)
    answer = judge("ovr/in/alice/rig_01/note.added", envelope.encode(fact))

    assert isinstance(answer, InputError)
    assert answer.reason == "recorder_attribute"


@pytest.mark.parametrize("claim", ["nonsense", "", "2026-11-21T05:00:00Z"])
def test_what_a_body_claims_can_be_read_whatever_stands_under_our_names(claim: str) -> None:
    extensions = {"claimedtime": claim, "typedsubject": claim}
    fact = Envelope("n1", "/edge-01/alice", "note.added", "rig_01", NOW_US, {"text": "a"}, 1, extensions)

    assert claimed(envelope.encode(fact)) == claimed(envelope.encode(fact))


@pytest.mark.parametrize(
    "time",
    [
        "2026-W47-6T05:00:00Z",
        "20261121T050000.123Z",
        "2026-11-21T05:00:00+00:00:01",
        "2026-11-21T05:00+02:00",
    ],
)
def test_a_time_that_few_can_read_is_refused(time: str) -> None:
    good = Envelope("n1", "/edge-01/alice", "note.added", "rig_01", NOW_US, {"text": "hello"})
    document = orjson.loads(envelope.encode(good)) | {"time": time}

    said = judge("ovr/in/alice/rig_01/note.added", orjson.dumps(document))
    moved = judge("ovr/in/alice/rig_01/window.corrected", orjson.dumps({"corrects": "e1", "time": time}))

    assert isinstance(said, InputError)
    assert (said.reason, said.field) == ("time", "time")
    assert isinstance(moved, InputError)
    assert moved.reason in {"time", "schema"}


@pytest.mark.parametrize("time", ["2026-11-21T05:00:00Z", "2026-11-21T07:00:00.123456789+02:00"])
def test_a_time_as_rfc_3339_writes_it_is_taken(time: str) -> None:
    good = Envelope("n1", "/edge-01/alice", "note.added", "rig_01", NOW_US, {"text": "hello"})
    document = orjson.loads(envelope.encode(good)) | {"time": time}

    assert_recordable(judge("ovr/in/alice/rig_01/note.added", orjson.dumps(document)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("client", "source", "taken"),
    [
        ("detector", "/edge-01/detector", True),
        ("projector-reports", "/edge-01/reports", True),
        ("web", "/edge-01/web", True),
        ("alice", "/edge-01/detector", False),
        ("alice", "/edge-01/recorder", False),
        ("reports", "/edge-01/reports", False),
        ("alice", "/edge-02/detector", True),
        ("alice", "/edge-01/import", True),
    ],
)
def test_what_a_process_of_this_node_says_only_it_says(client: str, source: str, taken: bool) -> None:
    fact = Envelope("n1", source, "note.added", "rig_01", NOW_US, {"text": "hello"})

    answer = judge(f"ovr/in/{client}/rig_01/note.added", envelope.encode(fact))

    assert isinstance(answer, Entry) == taken
    if isinstance(answer, InputError):
        assert answer.reason == "source"


@pytest.mark.parametrize(("type_", "taken"), [("note.added", True), ("counters.reset", False)])
def test_the_site_is_no_system(type_: str, taken: bool) -> None:
    data = {"note.added": b'{"text":"hello"}', "counters.reset": b'{"reason":"new season"}'}

    answer = judge(f"ovr/in/alice/_site/{type_}", data[type_])

    assert isinstance(answer, Entry) == taken
    if isinstance(answer, InputError):
        assert (answer.reason, answer.field) == ("reserved", "subject")


@pytest.mark.parametrize(
    ("time", "reason"), [("2999-01-01T00:00:00Z", "time_future"), ("2000-01-01T00:00:00+01:00", "time_past")]
)
def test_a_correction_moves_nothing_to_where_no_fact_may_stand(time: str, reason: str) -> None:
    answer = judge("ovr/in/alice/rig_01/window.corrected", orjson.dumps({"corrects": "e1", "time": time}))

    assert isinstance(answer, InputError)
    assert (answer.reason, answer.field) == (reason, "data.time")


@pytest.mark.parametrize("client", ["no\u00a0break", "right\u202eleft", "x" * 250])
def test_a_plain_message_is_refused_from_a_client_whose_name_no_source_can_hold(client: str) -> None:
    answer = judge(f"ovr/in/{client}/rig_01/note.added", b'{"text":"hello"}')

    assert isinstance(answer, InputError)
    assert answer.reason == "client"


def test_nobody_publishes_as_the_recorder() -> None:
    answer = judge("ovr/in/recorder/rig_01/note.added", b'{"text":"hello"}')

    assert isinstance(answer, InputError)
    assert answer.reason == "client"


def test_a_topic_too_long_to_be_answered_is_refused() -> None:
    client = "x" * (65_535 - len("ovr/in//rig_01/note.added"))

    answer = judge(f"ovr/in/{client}/rig_01/note.added", b'{"text":"hello"}')

    assert isinstance(answer, InputError)
    assert answer.reason == "topic"


@given(st.dictionaries(st.text(max_size=8), json_values, max_size=5), st.sampled_from(REGISTRY.types()))
def test_any_plain_data_gives_an_entry_or_a_reason(data: dict[str, object], type_: str) -> None:
    answer = judge(f"ovr/in/alice/rig_01/{type_}", as_json(data))

    if isinstance(answer, Entry):
        assert_recordable(answer)


@given(
    st.dictionaries(
        st.sampled_from(["soc_pct", "x_mine_w", "dc_voltage_v"]), st.floats() | st.none(), min_size=1
    )
)
def test_readings_are_finite_numbers_or_null(values: dict[str, float | None]) -> None:
    text = ",".join(f'"{name}":{"null" if value is None else repr(value)}' for name, value in values.items())
    payload = f'{{"kind":"victron","interval_ms":500,"values":{{{text}}}}}'.encode()

    answer = judge("ovr/in/alice/rig_01/sample.taken", payload)

    finite = all(value is None or abs(value) <= 1e15 for value in values.values())
    assert isinstance(answer, Entry) == finite


@pytest.mark.parametrize(("length", "taken"), [(128, True), (129, False), (5000, False)])
def test_a_measurement_name_that_no_series_can_have_is_refused(length: int, taken: bool) -> None:
    data = {"kind": "victron", "interval_ms": 500, "values": {"x_".ljust(length, "a"): 1}}

    answer = judge("ovr/in/alice/rig_01/sample.taken", orjson.dumps(data))

    assert isinstance(answer, Entry) == taken


@given(st.text(max_size=80))
def test_a_canonical_id_is_its_own_canonical_id(typed: str) -> None:
    try:
        name = system_ids.canonical(typed)
    except InputError:
        return

    assert system_ids.canonical(name) == name
    assert TOPICS.parse_intake(TOPICS.intake("a", name, "t")) is not None


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("rig_01", "rig_01"),
        ("  Rig-01 ", "rig_01"),
        ("Logger 3", "acuvim_13"),
        ("logger3", "acuvim_13"),
        ("LOGGER-3", "acuvim_13"),
        ("logger 12", "logger_12"),
        ("logger 0", "logger_0"),
        ("Big  Blue", "big_blue"),
    ],
)
def test_what_people_type_for_one_system_is_one_name(typed: str, name: str) -> None:
    assert system_ids.canonical(typed) == name


@pytest.mark.parametrize(
    "typed", ["", " ", "_x", "a/b", "a+b", "a#", "naïve", "x" * 65, "a\x00b", "..", "a,b", "a=b"]
)
def test_names_unfit_for_topics_labels_or_files_are_refused(typed: str) -> None:
    with pytest.raises(InputError, match="system_id"):
        system_ids.canonical(typed)


def test_aliases_are_followed_and_a_circle_ends() -> None:
    aliases = {"blue": "rig_01", "sky": "blue", "a": "b", "b": "a"}

    assert system_ids.canonical("Sky", aliases) == "rig_01"
    assert system_ids.canonical("a", aliases) in {"a", "b"}

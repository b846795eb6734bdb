"""Envelopes: round trips, agreement with the reference reader, and splices that keep every byte."""

import orjson
import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from bus import envelope, ids, instants
from bus.envelope import Envelope, Recorded
from bus.topics import Topics
from schemas.errors import InputError

names = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=30)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
instants_us = st.integers(0, instants.parse("2999-12-31T23:59:59Z"))
envelopes = st.builds(
    Envelope,
    id=names,
    source=names,
    type=st.from_regex(r"[a-z]{1,8}\.[a-z]{1,8}", fullmatch=True),
    subject=names,
    time_us=instants_us,
    data=st.dictionaries(st.text(), values, max_size=4),
    version=st.integers(1, 99),
    extensions=st.dictionaries(
        st.from_regex(r"x[a-z0-9]{0,18}", fullmatch=True), st.text(max_size=20), max_size=3
    ),
)


@given(envelopes)
def test_what_is_written_is_read(said: Envelope) -> None:
    assert envelope.decode(envelope.encode(said)) == said


@given(envelopes)
def test_the_reference_reader_reads_the_same(said: Envelope) -> None:
    event = JSONFormat().read(CloudEvent, envelope.encode(said))

    assert (event.get_id(), event.get_source(), event.get_type()) == (said.id, said.source, said.type)
    assert event.get_subject() == said.subject
    assert event.get_dataschema() == f"ovr:{said.type}:{said.version}"
    assert event.get_data() == said.data
    time = event.get_time()
    assert time is not None
    assert instants.parse(time.isoformat()) == said.time_us


@given(envelopes, st.integers(1, 2**62), instants_us, names)
def test_what_the_recorder_adds_leaves_the_senders_bytes_as_they_were(
    said: Envelope, position: int, recorded_us: int, client: str
) -> None:
    body = envelope.encode(said)
    recorded = Recorded(
        position,
        recorded_us,
        client,
        said.source,
        said.id,
        said.type,
        said.subject,
        said.time_us,
        body,
        bytes(32),
    )

    published = envelope.published(recorded)

    assert published.startswith(body[:-1])
    added = orjson.loads(published)
    assert added["position"] == str(position)  # CloudEvents integers have 32 bits
    assert instants.parse(added["recordedat"]) == recorded_us
    assert {
        name: value for name, value in added.items() if name not in envelope.RECORDER_ATTRIBUTES
    } == orjson.loads(body)


@given(instants_us)
def test_instants_survive_their_text(instant_us: int) -> None:
    assert instants.parse(instants.text(instant_us)) == instant_us


@pytest.mark.parametrize(
    "text", ["2026-11-21T05:00:00", "2026-11-21", "yesterday", "", "2026-13-01T00:00:00Z", "05:00Z"]
)
def test_a_time_without_date_or_offset_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        instants.parse(text)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"id": ""}, "id"),
        ({"id": 7}, "id"),
        ({"id": "a\nb"}, "id"),
        ({"source": None}, "source"),
        ({"time": "now"}, "time"),
        ({"time": 12}, "time"),
        ({"dataschema": "ovr:other.type:1"}, "dataschema"),
        ({"dataschema": "ovr:note.added:one"}, "dataschema"),
        ({"data": []}, "data"),
        ({"BadName": "x"}, "BadName"),
        ({"extension": 1}, "extension"),
    ],
)
def test_a_broken_attribute_is_named(change: dict[str, object], field: str) -> None:
    good = Envelope("n1", "/edge/alice", "note.added", "rig_01", 0, {"text": "x"})
    document = orjson.loads(envelope.encode(good)) | change

    with pytest.raises(InputError) as caught:
        envelope.decode(orjson.dumps(document))

    assert caught.value.field == field
    assert caught.value.hint


def test_ids_of_one_process_sort_as_they_were_made_even_when_the_clock_steps_back() -> None:
    made = [ids.uuid7(1_000_000_000), ids.uuid7(2_000_000_000), ids.uuid7(1_000_000_000), ids.uuid7()]

    assert made == sorted(made)
    assert len(set(made)) == len(made)


@given(st.text(min_size=1, max_size=40))
def test_any_event_id_makes_one_level_of_a_topic(event_id: str) -> None:
    topic = Topics().state_event(event_id)

    assert topic.count("/") == 3
    assert not set(topic) & set("+#")

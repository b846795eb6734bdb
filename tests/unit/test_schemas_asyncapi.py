from typing import Any

import jsonschema_rs
import yaml

from bus.topics import Topics
from schemas import asyncapi, yaml_text
from schemas.registry import Registry

REGISTRY = Registry.load()
DOCUMENT = asyncapi.document(REGISTRY)
CHANNELS = DOCUMENT["channels"]


def resolve(reference: str) -> Any:
    part: Any = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        part = part[name]
    return part


def references(part: Any) -> list[str]:
    if isinstance(part, dict):
        here = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return here + [ref for value in part.values() for ref in references(value)]
    return [ref for value in part for ref in references(value)] if isinstance(part, list) else []


def test_the_committed_document_is_up_to_date() -> None:
    assert asyncapi.OUTPUT.read_text(encoding="utf-8") == yaml_text.dump(DOCUMENT), (
        "run python -m schemas.asyncapi"
    )


def test_the_document_names_the_topics_that_the_code_uses() -> None:
    topics = Topics()
    assert {name: channel["address"] for name, channel in CHANNELS.items() if channel["address"]} == {
        "intake": topics.intake("{client}", "{system_id}", "{type}"),
        "events": topics.events("{system_id}", "{type}"),
        "ack": topics.ack("{client}"),
        "rejected": topics.rejected("{client}"),
        "uplink": topics.uplink("{client}", "{lane}"),
        "head": topics.head,
        "replay_request": topics.replay_request,
        "replay_request_own": topics.own_replay_request("{client}"),
        "replay": topics.replay("{replay_id}", "{system_id}", "{type}"),
        "state": topics.state("system_id").replace("system_id", "{system_id}"),
        "state_event": topics.state_event("event_id").replace("event_id", "{event_id}"),
        "state_node": topics.state_node("node").replace("/node", "/{node}"),
        "health": topics.health("{process}"),
    }


def test_every_event_type_travels_in_and_out() -> None:
    types = set(REGISTRY.types())
    assert {name.removesuffix(".sent") for name in CHANNELS["intake"]["messages"]} == types - {
        "journal.restored",
        "node.progressed",
        "photo.missing",
    }
    assert {name.removesuffix(".recorded") for name in CHANNELS["events"]["messages"]} == types
    assert CHANNELS["replay"]["messages"] == CHANNELS["events"]["messages"]


def test_every_reference_leads_somewhere_and_every_message_travels() -> None:
    found = references(DOCUMENT)
    assert all(resolve(reference) for reference in found)
    used = {reference.rsplit("/", 1)[1] for reference in found if "/messages/" in reference}
    assert used == DOCUMENT["components"]["messages"].keys()


def test_every_example_of_a_message_passes_its_schema() -> None:
    for name, message in DOCUMENT["components"]["messages"].items():
        validator = jsonschema_rs.Draft7Validator(
            {**message["payload"], "components": DOCUMENT["components"]}
        )
        for example in message.get("examples", ()):
            assert validator.is_valid(example["payload"]), (name, example)


def test_an_envelope_is_held_to_the_schema_of_its_type() -> None:
    payload = resolve("#/components/messages/note.added.recorded")["payload"]
    validator = jsonschema_rs.Draft7Validator({**payload, "components": DOCUMENT["components"]})
    envelope = {
        "specversion": "1.0",
        "id": "1",
        "source": "/node/alice",
        "type": "note.added",
        "subject": "rig_01",
        "time": "2026-11-21T05:00:00Z",
        "data": {"text": "hello"},
        "position": "7",
        "recordedat": "2026-11-21T05:00:01Z",
        "client": "alice",
    }
    assert validator.is_valid(envelope)
    assert not validator.is_valid(envelope | {"data": {"texd": "hello"}})
    assert not validator.is_valid(envelope | {"type": "location.set"})


def test_yaml_keeps_every_text_apart_from_other_kinds() -> None:
    document = {
        "plain": "a text with blanks",
        "$ref": "#/a",
        "number like": "1.0",
        "no": ["yes", "off", "~", "", " x", "x ", "- a"],
        "multi": "one\ntwo: three # four",
        "exotic": "\u2028\ufeff\x7f🎸 é \\u0000",
        "float": [1e16, 1e-7, 1.5, -0.0],
        "nested": [[1, [2]], {"a": {"b": []}, "c": {}}, None, True],
        "2026-11-21": "2026-11-21",
    }
    assert yaml.safe_load(yaml_text.dump(document)) == document
    assert yaml.safe_load(yaml_text.dump(DOCUMENT)) == DOCUMENT

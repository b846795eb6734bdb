"""The AsyncAPI 3 document over all topics, made from the event schemas and the wire schemas.

`python -m schemas.asyncapi` writes `schemas/asyncapi.yaml`; `--check` only says whether that is up to date.
Payloads are AsyncAPI schema objects, not foreign formats: only those are looked into by AsyncAPI's own tools.
"""

import argparse
import re
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import orjson

from schemas import yaml_text
from schemas.registry import Registry

OUTPUT: Final = Path(__file__).with_name("asyncapi.yaml")
_CLOUDEVENTS: Final = "application/cloudevents+json"
_NOT_SENT: Final = frozenset({"journal.restored", "node.progressed", "photo.missing"})
_WIRE: Final = (
    "ack",
    "rejected",
    "batch",
    "head",
    "replay_request",
    "replay_answer",
    "state",
    "state_event",
    "state_node",
    "health",
)

_CARRY: Final = {"uplink": "batch", "replay_request_own": "replay_request"}
_BATCHES: Final = "application/vnd.ovr.batch+zstd"

_PARAMETERS: Final = {
    "client": "The user whom the broker authenticated.",
    "lane": "facts (everything but samples) or samples.",
    "system_id": "The system; canonical except on the intake, where the recorder makes it so.",
    "type": "The event type.",
    "event_id": "The user's name for the event, percent-encoded.",
    "node": "The node, by its node_id.",
    "process": "The process, such as recorder or projector-state.",
    "replay_id": "The id of the replay.",
}

_HEADERS: Final = {
    "epoch": "A transmission session of the sender: random, new at every start.",
    "sequence": "1, 2, 3 … within the epoch.",
    "position": "The event's place in the journal, in decimal digits.",
    "recordedat": "When the recorder committed it.",
    "client": "Whom the broker authenticated.",
    "hash": "The journal's hash at this event, 64 hexadecimal digits.",
}

# channel: address, action of the site's own processes, quality of service, retained, what it is, messages
_CHANNELS: Final = {
    "intake": (
        "ovr/in/{client}/{system_id}/{type}",
        "receive",
        1,
        False,
        "Intake: publish here to have it recorded.",
    ),
    "uplink": (
        "ovr/uplink/{client}/{lane}",
        "receive",
        1,
        False,
        "What nodes recorded: batches of their uplinks, for the recorder of a cloud.",
    ),
    "events": (
        "ovr/events/{system_id}/{type}",
        "send",
        1,
        False,
        "The ordered stream, live; samples at QoS 0.",
    ),
    "ack": ("ovr/ack/{client}", "send", 1, False, "What is committed of what a client sent."),
    "rejected": (
        "ovr/rejected/{client}",
        "send",
        1,
        False,
        "What was refused of what a client sent, and why.",
    ),
    "head": ("ovr/head", "send", 0, True, "The journal's newest position."),
    "replay_request": ("ovr/replay/request", "receive", 1, False, "Ask for the past again."),
    "replay_request_own": (
        "ovr/replay/request/{client}",
        "receive",
        1,
        False,
        "An uplink asks for what it brought; answered below ovr/replay/{client}/ alone.",
    ),
    "replay_answer": (None, "send", 1, False, "The response topic that a replay request names."),
    "replay": ("ovr/replay/{replay_id}/{system_id}/{type}", "send", 1, False, "The past again."),
    "state": ("ovr/state/{system_id}", "send", 1, True, "What is true of a system now."),
    "state_event": ("ovr/state/_events/{event_id}", "send", 1, True, "What is true of a user's event now."),
    "state_node": (
        "ovr/state/_nodes/{node}",
        "send",
        1,
        True,
        "In a cloud: how far the events of a node are here.",
    ),
    "health": ("ovr/health/{process}", "send", 1, True, "How a process is doing: birth, figures, death."),
}


def document(registry: Registry) -> dict[str, Any]:
    """Return the whole document as plain data."""
    newest = {type_: registry.newest(type_) for type_ in registry.types()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "ovr",
            "version": "1.0.0",
            "description": "Event-sourced telemetry for temporary power: every topic, every message. "
            "The prefix ovr is configurable. MQTT 5 only.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "site": {
                "host": "localhost:1883",
                "protocol": "mqtt",
                "protocolVersion": "5.0",
                "description": "The site's broker; websockets on the next port.",
                "bindings": {"mqtt": {"cleanSession": True, "bindingVersion": "0.2.0"}},
            }
        },
        "channels": {name: _channel(name, newest) for name in _CHANNELS},
        "operations": {_operation_name(name): _operation(name) for name in _CHANNELS},
        "components": {
            "parameters": {name: {"description": text} for name, text in _PARAMETERS.items()},
            "messages": _messages(registry, newest),
            "schemas": _schemas(registry, newest),
        },
    }


def _channel(name: str, newest: Mapping[str, int]) -> dict[str, Any]:
    address, _, _, _, description = _CHANNELS[name]
    parameters = re.findall(r"{(\w+)}", address or "")
    channel: dict[str, Any] = {"address": address, "description": description}
    if parameters:
        channel["parameters"] = {p: {"$ref": f"#/components/parameters/{p}"} for p in parameters}
    channel["messages"] = {m: {"$ref": f"#/components/messages/{m}"} for m in _messages_of(name, newest)}
    return channel


def _messages_of(channel: str, newest: Mapping[str, int]) -> list[str]:
    if channel in _WIRE:
        return [channel]
    if channel in _CARRY:
        return [_CARRY[channel]]
    if channel == "intake":
        return [f"{type_}.sent" for type_ in newest if type_ not in _NOT_SENT]
    return [f"{type_}.recorded" for type_ in newest]


def _operation_name(channel: str) -> str:
    return f"{_CHANNELS[channel][1]}_{channel}"


def _operation(channel: str) -> dict[str, Any]:
    _, action, qos, retain, description = _CHANNELS[channel]
    operation: dict[str, Any] = {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": description,
        "bindings": {"mqtt": {"qos": qos, "retain": retain, "bindingVersion": "0.2.0"}},
    }
    if channel in {"replay_request", "replay_request_own"}:
        operation["reply"] = {
            "address": {
                "description": "The MQTT 5 response topic of the request.",
                "location": "$message.header#/responseTopic",
            },
            "channel": {"$ref": "#/channels/replay_answer"},
        }
    return operation


def _messages(registry: Registry, newest: Mapping[str, int]) -> dict[str, Any]:
    messages: dict[str, Any] = {}
    for type_, version in newest.items():
        schema = registry.schema(type_, version)
        title, data = schema["title"], _ref(f"data.{type_}.{version}")
        envelope = _ref(f"event.{type_}")
        if type_ not in _NOT_SENT:
            messages[f"{type_}.sent"] = {
                **_message(f"{title} (sent)", schema["description"], {"anyOf": [envelope, data]}),
                "headers": _headers("epoch", "sequence"),
                "examples": [{"name": "plain", "payload": schema["examples"][0]}],
            }
        messages[f"{type_}.recorded"] = {
            **_message(title, schema["description"], envelope, _CLOUDEVENTS),
            "headers": _headers("position", "recordedat", "client", "hash"),
        }
    for name in _WIRE:
        schema = _wire(name)
        messages[name] = _message(schema["title"], schema["description"], _ref(f"wire.{name}"))
        messages[name]["examples"] = [{"payload": example} for example in schema["examples"]]
    messages["batch"] |= {"contentType": _BATCHES, "headers": _headers("epoch", "sequence")}
    messages["batch"]["bindings"] = {"mqtt": {"contentType": _BATCHES, "bindingVersion": "0.2.0"}}
    messages["replay_request"]["headers"] = {
        "type": "object",
        "properties": {"responseTopic": {"type": "string", "description": "Where to answer."}},
    }
    return messages


def _message(title: str, text: str, payload: Any, content_type: str = "application/json") -> dict[str, Any]:
    return {
        "title": title,
        "description": text,
        "contentType": content_type,
        "payload": payload,
        "bindings": {"mqtt": {"contentType": content_type, "bindingVersion": "0.2.0"}},
    }


def _headers(*names: str) -> dict[str, Any]:
    properties = {name: {"type": "string", "description": _HEADERS[name]} for name in names}
    return {"type": "object", "description": "MQTT 5 user properties.", "properties": properties}


def _schemas(registry: Registry, newest: Mapping[str, int]) -> dict[str, Any]:
    schemas: dict[str, Any] = {"cloudevent": _wire("cloudevent")}
    for type_, version in newest.items():
        narrowed = {"type": {"const": type_}, "data": _ref(f"data.{type_}.{version}")}
        schemas[f"event.{type_}"] = {"allOf": [_ref("cloudevent"), {"properties": narrowed}]}
        for each in range(1, version + 1):
            schemas[f"data.{type_}.{each}"] = _embedded(registry.schema(type_, each))
    for name in _WIRE:
        schemas[f"wire.{name}"] = _embedded(_wire(name))
    schemas["cloudevent"] = _embedded(schemas["cloudevent"])
    return schemas


def _embedded(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name not in {"$schema", "$id"}}


def _ref(schema: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{schema}"}


def _wire(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = orjson.loads(files("schemas").joinpath("wire", f"{name}.json").read_bytes())
    return schema


def main() -> int:
    """Write the document, or say whether it is up to date; 1 when it is not."""
    parser = argparse.ArgumentParser(prog="python -m schemas.asyncapi", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 when it is out of date"
    )
    check = parser.parse_args().check
    text = yaml_text.dump(document(Registry.load()))
    if not check:
        OUTPUT.write_text(text, encoding="utf-8")
    elif not OUTPUT.exists() or OUTPUT.read_text(encoding="utf-8") != text:
        sys.stderr.write(f"{OUTPUT.name} is out of date: run python -m schemas.asyncapi\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Reading journal rows as events in the newest version of their schemas: what projectors fold."""

from collections.abc import Mapping
from typing import Any

import orjson

from bus import envelope
from bus.envelope import Event, Recorded
from schemas.registry import Registry

SAMPLE = "sample.taken"
_PLAIN = len(("specversion", "id", "source", "type", "subject", "time", "dataschema", "data"))
_NO_EXTENSIONS: Mapping[str, str] = {}


class EventReader:
    """Decodes and upcasts what the recorder has validated; what is usual is not looked at twice."""

    def __init__(self, registry: Registry) -> None:
        self._upcast = registry.upcast
        self._newest = {name: f"ovr:{name}:{registry.newest(name)}" for name in registry.types()}

    def data(self, recorded: Recorded) -> Mapping[str, Any]:
        """Return only the payload of a journal row.

        Raises:
            InputError: its type or version is not known here, as after a step back to older software.
        """
        document = orjson.loads(recorded.body)
        data: Mapping[str, Any] = document["data"]
        if document.get("dataschema") == self._newest.get(recorded.type, ""):
            return data
        return self._upcast(recorded.type, envelope.parse(document).version, data)

    def event(self, recorded: Recorded) -> Event:
        """Return the event of a journal row.

        Raises:
            InputError: its type or version is not known here, as after a step back to older software.
        """
        document = orjson.loads(recorded.body)
        data, extensions = document["data"], _NO_EXTENSIONS
        if document.get("dataschema") != self._newest.get(recorded.type, "") or len(document) != _PLAIN:
            said = envelope.parse(document)
            data, extensions = self._upcast(recorded.type, said.version, data), said.extensions
        return Event(
            recorded.position,
            recorded.recorded_us,
            recorded.client,
            recorded.source,
            recorded.id,
            recorded.type,
            recorded.subject,
            recorded.time_us,
            data,
            extensions,
        )

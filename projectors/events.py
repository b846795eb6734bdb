"""Reading journal rows as events in the newest version of their schemas: what projectors fold."""

from bus import envelope
from bus.envelope import Event, Recorded
from schemas.registry import Registry

SAMPLE = "sample.taken"


class EventReader:
    """Decodes and upcasts."""

    def __init__(self, registry: Registry) -> None:
        self._upcast = registry.upcast

    def event(self, recorded: Recorded) -> Event:
        """Return the event of a journal row.

        Raises:
            InputError: its type or version is not known here, as after a step back to older software.
        """
        said = envelope.decode(recorded.body)
        return Event(
            recorded.position,
            recorded.recorded_us,
            recorded.client,
            recorded.source,
            recorded.id,
            recorded.type,
            recorded.subject,
            recorded.time_us,
            self._upcast(recorded.type, said.version, said.data),
            said.extensions,
        )

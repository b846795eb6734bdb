"""What one kind of producer is made of: where its devices come from, and what it keeps between two lives."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from producers.adapter import DeviceSpec
from producers.clock import Clock
from schemas.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Setting:
    """What a source of devices is told.

    Attributes:
        node_id: names the site.
        data: the data directory.
        state: a file of its own, for what it wants to remember.
        options: what the configuration says about this producer.
    """

    node_id: str
    data: Path
    state: Path
    clock: Clock
    options: Mapping[str, Any] = field(default_factory=dict)


class Source(Protocol):
    """Gives the devices of one producer; made with a `Setting`.

    Subclass it: all but `specs` have defaults that do nothing.
    """

    def specs(self) -> Iterable[DeviceSpec]:
        """Give every poll of every device: an equal spec, with the same adapter, for what has not changed.

        Raises:
            ConfigurationError: the options are wrong.
        """
        ...

    async def run(self, changed: Callable[[], None]) -> None:  # noqa: ARG002 - a default
        """Do what has to be done beside the polls, such as holding connections, until cancelled.

        Args:
            changed: to be called when `specs` gives something new.
        """
        return

    def configure(self, options: Mapping[str, Any]) -> None:  # noqa: ARG002 - a default
        """Take new options while running; `specs` is asked anew afterwards.

        Raises:
            ConfigurationError: they are wrong, or need a restart, and nothing has changed.
        """
        raise ConfigurationError("new options of this producer need a restart of it")

    def status(self) -> dict[str, Any]:
        """Tell what is going on, for health."""
        return {}

    def save(self) -> None:
        """Remember what a restart should go on from; called every few seconds and at the end."""
        return

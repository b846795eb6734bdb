"""What one kind of producer is made of: where its devices come from, and what it keeps between two lives."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from producers.adapter import DeviceSpec
from producers.clock import Clock


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
    """Gives the devices of one producer."""

    def specs(self) -> Iterable[DeviceSpec]:
        """Give every poll of every device.

        Raises:
            ConfigurationError: the options are wrong.
        """
        ...

    def save(self) -> None:
        """Remember what a restart should go on from; called every few seconds and at the end."""
        ...

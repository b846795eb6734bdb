"""What can be found on a unit: every map, by name, whether a device file or a walk through the device.

A new kind of walk is a module and a line in `walks`.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final, Protocol

from producers.modbus.device_reading import load_all, parse
from producers.modbus.file_map import FileMap
from producers.modbus.points import Layout, Parameter, Poll
from producers.modbus.registers import Registers
from producers.modbus.sunspec import SunSpecMap
from schemas.errors import ConfigurationError

FOLDER: Final = "maps"
"""Of the data directory: device files of a site's own."""


class Map(Protocol):
    """Knows one kind of device.

    Attributes:
        priority: maps with a lower one are looked for first.
        automatic: it can tell its devices from others, so it may be looked for unasked.
        parameters: what a site may say.
        blocks: unverified blocks that a site may confirm, and how many values each has.
        polls: which of fast and slow it has.
        unit: the unit that such devices have as delivered.
        units: all that they may have as delivered.
        port: the port that they have as delivered.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see the class
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def priority(self) -> int: ...  # noqa: D102
    @property
    def automatic(self) -> bool: ...  # noqa: D102
    @property
    def parameters(self) -> Mapping[str, Parameter]: ...  # noqa: D102
    @property
    def blocks(self) -> Mapping[str, int]: ...  # noqa: D102
    @property
    def polls(self) -> Collection[Poll]: ...  # noqa: D102
    @property
    def unit(self) -> int: ...  # noqa: D102
    @property
    def units(self) -> Collection[int]: ...  # noqa: D102
    @property
    def port(self) -> int: ...  # noqa: D102

    async def find(
        self,
        registers: Registers,
        parameters: Mapping[str, float],
        confirm: Mapping[str, Sequence[str]],
        *,
        named: bool = False,
    ) -> Layout | None:
        """Look whether the unit is one of these; None when it is not.

        Args:
            registers: of the unit.
            parameters: those of ours that the site sets.
            confirm: unverified blocks that the site has confirmed, and what they hold; others' are ignored.
            named: the site says that it is one, so that less is enough to believe it.

        Raises:
            DeviceError: there is no answer.
        """
        ...


@cache
def all_maps() -> Mapping[str, Map]:
    """Give every map there is, those to be looked for first in front.

    Raises:
        ConfigurationError: a device file is wrong.
    """
    maps: list[Map] = [FileMap(each) for each in load_all().values()]
    maps += walks()
    return {each.name: each for each in sorted(maps, key=lambda each: (each.priority, each.name))}


def maps_with(folder: Path) -> Mapping[str, Map]:
    """Give all maps, and a site's own: the device files of a folder, which go before ours of the same name.

    Raises:
        ConfigurationError: one of them is wrong or cannot be read.
    """
    own: dict[str, Map] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            file = parse(path.read_text(encoding="utf-8"), path.name)
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path} cannot be read: {error}") from error
        own[file.name] = FileMap(file)
    maps = dict(all_maps()) | own
    return {each.name: each for each in sorted(maps.values(), key=lambda each: (each.priority, each.name))}


def walks() -> list[Map]:
    """Give the maps that are no files."""
    return [SunSpecMap()]

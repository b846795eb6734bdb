"""Which number each instance of a service has: `solarcharger/279` is the second solar charger.

Pure. Rules that must stay true here:
- a number, once given, stays with its device for good, whoever else comes or goes;
- a device is known again by its serial number when a cable moved it to another instance;
- a number is given to another device only when all numbers are taken and its own device is not there.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class _Known:
    number: int
    serial: str


class Numbers:
    """The numbers of one GX's services.

    Attributes:
        changed: since the last `dump`.
    """

    def __init__(self, dumped: Mapping[str, Any] | None = None) -> None:
        self.changed = False
        self._known: dict[str, dict[int, _Known]] = {}
        for key, said in (dumped or {}).items():
            type_, _, instance = key.partition("/")
            number, serial = said
            if type(number) is not int or number < 1 or not isinstance(serial, str):
                raise ValueError(f"{key}: {said!r:.60} is no number of a device")
            self._known.setdefault(type_, {})[int(instance)] = _Known(number, serial)

    def give(self, type_: str, instance: int, serial: str, *, most: int, there: Callable[[int], bool]) -> int:
        """Give the number of a device; 0 when none is free.

        Args:
            type_: of the service.
            instance: of the service.
            serial: empty when it is not known.
            most: the highest number there is.
            there: tells whether another instance is there now.
        """
        known = self._known.setdefault(type_, {})
        moved = _by_serial(known, serial, instance, there)
        if moved is not None:
            known[instance] = known.pop(moved)
            self.changed = True
        found = known.get(instance)
        if found is None:
            number = _free({one.number for one in known.values()}, most) or _taken_over(known, there)
            if not number:
                return 0
            found = known[instance] = _Known(number, serial)
            self.changed = True
        elif serial and serial != found.serial:
            found.serial = serial
            self.changed = True
        return found.number if found.number <= most else 0

    def dump(self) -> dict[str, list[Any]]:
        """Write all numbers."""
        self.changed = False
        return {
            f"{type_}/{instance}": [one.number, one.serial]
            for type_, known in self._known.items()
            for instance, one in known.items()
        }


def _by_serial(
    known: Mapping[int, _Known], serial: str, instance: int, there: Callable[[int], bool]
) -> int | None:
    """Find the instance that a device had before it moved."""
    if not serial or (instance in known and known[instance].serial in {serial, ""}):
        return None
    return next((old for old, one in known.items() if one.serial == serial and not there(old)), None)


def _free(taken: Iterable[int], most: int) -> int:
    return next((number for number in range(1, most + 1) if number not in set(taken)), 0)


def _taken_over(known: dict[int, _Known], there: Callable[[int], bool]) -> int:
    """Take the number of a device that is not there; the one that was known first goes first."""
    old = next((instance for instance in known if not there(instance)), None)
    return known.pop(old).number if old is not None else 0

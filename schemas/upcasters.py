"""Upcasters: how data of an older schema version becomes data of the next one, on reading.

Each entry leads from one version of one type to the next: pure, total for whatever its old schema allowed,
and never changing its argument. Chains run in `schemas.registry`. The stored event is never edited, so an
entry stays for ever, and `tests/samples/<type>.<version>.json` keeps what it was written for.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

Upcaster = Callable[[Mapping[str, Any]], Mapping[str, Any]]

UPCASTERS: Final[Mapping[tuple[str, int], Upcaster]] = {}
"""(type, version it starts from) to its step; every type is at version 1 still."""

"""Which system a name stands for, as learned from `system.registered`. Pure.

Rules that must stay true here:
- an alias, once taken, stays: the first registration that claims it counts, as at the recorder;
- what a name stands for is never an alias itself, so there are no circles;
- learning only ever joins systems: what was folded for two of them is merged, and never taken apart;
- names may be qualified by a node: what one node calls a system is no name at another.
"""

from collections.abc import Iterable, Mapping

from bus import system_ids
from bus.envelope import Event
from projectors.nodes import plain, qualified
from schemas.errors import InputError

REGISTERED = "system.registered"


class Aliases:
    """Other names of systems, canonical in form, and the system each stands for."""

    def __init__(self, known: Mapping[str, str] | None = None) -> None:
        self._system_of: dict[str, str] = dict(known or {})

    def resolve(self, name: str) -> str:
        """Return the system that a canonical name stands for."""
        return self._system_of.get(name, name)

    def known(self) -> Mapping[str, str]:
        """Return every alias and its system."""
        return self._system_of

    def learn(self, event: Event) -> list[str]:
        """Take in a registration; return the names that from now on stand for its system.

        Each of them, and everything that stood for it, was a system of its own until now.
        """
        return self.claim(event.subject, event.data.get("aliases", ()))

    def claim(self, subject: str, aliases: Iterable[str]) -> list[str]:
        """Take in that a system has other names; see `learn`."""
        system_id = self.resolve(subject)
        unqualified, node = plain(system_id)
        if unqualified == system_ids.ALL or unqualified.startswith("_"):
            return []
        joined = list[str]()
        for typed in aliases:
            alias = _canonical(typed, node)
            if alias is None or alias == system_id or alias in self._system_of:
                continue
            for name, owner in self._system_of.items():
                if owner == alias:
                    self._system_of[name] = system_id
            self._system_of[alias] = system_id
            joined.append(alias)
        return joined


def _canonical(typed: str, node: str) -> str | None:
    """Return the canonical form of a node's alias; None for names that no system can have."""
    try:
        name = system_ids.canonical(typed)
    except InputError:
        return None
    return None if name == system_ids.ALL else qualified(name, node)

"""What a site wants of its reports, as plain JSON between processes, and what follows for one event. Pure.

Rules that must stay true here: what stands for an event goes before what stands for all; what a client is to
be charged or told is never guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from reporter.facts import Branding, ReportSettings


@dataclass(frozen=True, slots=True)
class EventWishes:
    """What stands for one event; None and nothing: what stands for all.

    Attributes:
        recipients: addresses that its reports are mailed to.
        attendance: how many people came.
    """

    client: str | None = None
    recipients: tuple[str, ...] = ()
    attendance: int | None = None
    price_per_kwh: float | None = None
    demand_charge_per_kw: float | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class ReportWishes:
    """What stands for all events, and for single ones."""

    settings: ReportSettings = field(default_factory=ReportSettings)
    events: Mapping[str, EventWishes] = field(default_factory=dict)

    def of(self, event_id: str) -> ReportSettings:
        """Return the settings for a report of an event."""
        own = self.events.get(event_id)
        if own is None:
            return self.settings
        names = ("price_per_kwh", "demand_charge_per_kw", "currency")
        told = {name: value for name in names if (value := getattr(own, name)) is not None}
        branding = self.settings.branding
        if own.client is not None:
            branding = replace(branding, client=own.client)
        return replace(self.settings, branding=branding, **told)

    def attendance(self, event_id: str) -> int | None:
        """Return how many people came to an event; None where nobody said."""
        own = self.events.get(event_id)
        return None if own is None else own.attendance

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> Self:
        """Read what `dataclasses.asdict` and JSON made of one."""
        settings = dict(said["settings"])
        settings["branding"] = Branding(**settings["branding"])
        known = {one.name for one in fields(EventWishes)} - {"recipients"}
        return cls(
            ReportSettings(**settings),
            {
                event_id: EventWishes(
                    **{name: value for name, value in own.items() if name in known},
                    recipients=tuple(own.get("recipients", ())),
                )
                for event_id, own in said["events"].items()
            },
        )

"""What a report is told besides the samples: window, registration, what was said and counted. Pure.

Rules that must stay true here: times are microseconds since the epoch and spans are [from, to); everything
here was decided before, from recorded events up to one cut; nothing here was asked of a clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Segment:
    """Tell where a system was in a part of its window."""

    location: str | None
    from_us: int
    to_us: int


@dataclass(frozen=True, slots=True)
class Remark:
    """Tell what somebody noted in the window; location and window facts too: they are on the time line."""

    time_us: int
    client: str
    kind: Literal["note", "photo", "location", "window"]
    text: str
    sha256: str | None = None
    media_type: str | None = None
    caption: str | None = None
    system_id: str | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """Tell of a device's alarm; `to_us` None: it was still raised at the cut."""

    name: str
    level: str
    device: str
    phase: str
    text: str
    from_us: int
    to_us: int | None = None
    system_id: str | None = None


@dataclass(frozen=True, slots=True)
class Occurred:
    """Tell of one counted occurrence."""

    type: str
    severity: str
    time_us: int
    duration_s: float | None = None
    cause: str | None = None
    system_id: str | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """Tell of samples that a sender had to drop."""

    from_us: int
    to_us: int
    samples: int
    reason: str


@dataclass(frozen=True, slots=True)
class MadeFrom:
    """Tell what a document was made from, so that it can be made again."""

    journal: str
    incarnation: str
    cut_position: int
    journal_hash: str
    software: str
    configuration_sha256: str


@dataclass(frozen=True, slots=True)
class SystemFacts:
    """Tell all that a report on one system in one window needs besides its samples.

    `registration` is the newest system.registered up to the cut, `described` are the newest
    device.described of its devices, `previous` are the totals of the revision before, as
    report.generated tells them, `behind` are the nodes of which samples may be yet to come.
    """

    event_id: str
    system_id: str
    from_us: int
    to_us: int
    made_from: MadeFrom
    ended: bool = True
    superseded: bool = False
    started_by: str | None = None
    ended_by: str | None = None
    segments: tuple[Segment, ...] = ()
    registration: Mapping[str, Any] = field(default_factory=dict)
    described: tuple[Mapping[str, Any], ...] = ()
    remarks: tuple[Remark, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    occurrences: tuple[Occurred, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    late_samples: int = 0
    revision: int = 1
    reason: str = "window_ended"
    previous: Mapping[str, Any] | None = None
    behind: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EventFacts:
    """Tell all that a report on a whole event needs besides its systems' documents."""

    event_id: str
    from_us: int
    to_us: int
    made_from: MadeFrom
    ended: bool = True
    attendance: int | None = None
    remarks: tuple[Remark, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    occurrences: tuple[Occurred, ...] = ()
    late_samples: int = 0
    revision: int = 1
    reason: str = "event_ended"
    previous: Mapping[str, Any] | None = None
    behind: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Branding:
    """Say whose report it is; `logo` is a data URI."""

    client: str | None = None
    company: str | None = None
    logo: str | None = None
    colour: str | None = None
    footer: str | None = None


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """Say what a site wants of its reports.

    `region` decides nominal voltages and factors; `nominal_voltage_v` (to neutral) and
    `nominal_frequency_hz` go over what was detected, and what was registered of a system goes over both.
    `max_gap_s` None: three intervals, at least 10 s, at most 60 s. `counterfactual` has the shape of
    system.registered's counterfactual_generator and is for systems that have none; None: nothing is
    compared. `grid_factor_kg_per_kwh` None: the region's of the factor table. `behind` says which system
    lies behind which other one, whose energy has its own in it already: it does not count in an event's
    totals.
    """

    time_zone: str = "UTC"
    language: str = "en"
    region: str = "eu"
    nominal_voltage_v: float | None = None
    nominal_frequency_hz: float | None = None
    max_gap_s: float | None = None
    currency: str = "EUR"
    price_per_kwh: float | None = None
    demand_charge_per_kw: float | None = None
    demand_minutes: int = 15
    counterfactual: Mapping[str, Any] | None = None
    grid_factor_kg_per_kwh: float | None = None
    behind: Mapping[str, str] = field(default_factory=dict)
    branding: Branding = field(default_factory=Branding)
    base_url: str | None = None

"""How reports are configured: `[reports]` of site.toml. Pure.

Rules that must stay true here: every key has a default that guesses nothing about money or fuel.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from ovr.config_reading import Reading
from schemas.errors import ConfigurationError, InputError

SECURITIES: Final = ("starttls", "tls", "none")
SCOPES: Final = ("event", "system")


@dataclass(frozen=True, slots=True)
class BrandingSettings:
    """Whose reports they are.

    Attributes:
        company: who makes them.
        client: whom they are for, unless an event says so.
        logo: an image file: PNG, JPEG, SVG or WebP, at most 500 kB.
        colour: of headings, as #rrggbb.
        footer: a line at the end of every page.
    """

    company: str | None = None
    client: str | None = None
    logo: Path | None = None
    colour: str | None = None
    footer: str | None = None


@dataclass(frozen=True, slots=True)
class MailSettings:
    """How reports are mailed; without a host they are not.

    Attributes:
        security: `starttls`, `tls` from the first byte, or `none`.
        password: better given as `OVR_REPORTS_MAIL_PASSWORD`.
        sender: the address they come from.
        recipients: who gets the reports of every event.
        scopes: `event` for whole events, `system` for single systems as well.
    """

    host: str | None = None
    port: int | None = None
    security: str = "starttls"
    username: str | None = None
    password: str | None = None
    sender: str | None = None
    recipients: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ("event",)
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Where is posted that a report is there; without a URL nowhere.

    Attributes:
        secret: signs what is posted (HMAC-SHA-256); better given as `OVR_REPORTS_WEBHOOK_SECRET`.
        scopes: of which reports.
    """

    url: str | None = None
    secret: str | None = None
    scopes: tuple[str, ...] = SCOPES


@dataclass(frozen=True, slots=True)
class EventSettings:
    """What holds for one event.

    Attributes:
        client: whom its reports are for.
        recipients: who gets them besides those who get all.
        attendance: how many people came, for figures per person.
    """

    client: str | None = None
    recipients: tuple[str, ...] = ()
    attendance: int | None = None
    price_per_kwh: float | None = None
    demand_charge_per_kw: float | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class ReportsSettings:
    """What reports say, and who gets them.

    Attributes:
        automatic: make them when windows and events end; else only when asked.
        time_zone: an IANA name; the machine's when left out.
        region: decides nominal voltages and emission factors: eu, uk, us, ….
        nominal_voltage_v: to neutral, where it is known and not to be found out.
        max_gap_s: across longer gaps nothing is interpolated.
        demand_minutes: of the demand that is charged for.
        grid_factor_kg_per_kwh: CO2 of grid energy; the region's when left out.
        base_url: how clients reach reports, for links; REPORT_BASE_URL is it too.
        counterfactual: the generator that would have run, for systems that are registered without one.
        behind: by system, the one whose energy has its own in it already.
        events: what holds for single events, by event_id.
    """

    automatic: bool = True
    time_zone: str | None = None
    language: str = "en"
    region: str = "eu"
    nominal_voltage_v: float | None = None
    nominal_frequency_hz: float | None = None
    max_gap_s: float | None = None
    currency: str = "EUR"
    price_per_kwh: float | None = None
    demand_charge_per_kw: float | None = None
    demand_minutes: int = 15
    grid_factor_kg_per_kwh: float | None = None
    base_url: str | None = None
    counterfactual: Mapping[str, Any] = field(default_factory=dict)
    behind: Mapping[str, str] = field(default_factory=dict)
    branding: BrandingSettings = BrandingSettings()
    mail: MailSettings = MailSettings()
    webhook: WebhookSettings = WebhookSettings()
    events: Mapping[str, EventSettings] = field(default_factory=dict)


def read(said: Any, reading: Reading) -> ReportsSettings:
    """Read the table.

    Raises:
        ConfigurationError: it says what cannot be.
    """
    if not isinstance(said, dict):
        raise ConfigurationError(f"{reading.where}: write reports as a table")
    events = _tables(said.pop("events", {}), "reports.events", reading)
    counterfactual = said.pop("counterfactual", {})
    if counterfactual:
        _check_generator(counterfactual, reading.where)
    settings = reading.table(ReportsSettings, said, "reports.", skip=("events", "counterfactual"))
    own = {
        name: reading.table(EventSettings, table, f"reports.events.{name}.") for name, table in events.items()
    }
    return replace(settings, events=own, counterfactual=counterfactual)


def _tables(said: Any, at: str, reading: Reading) -> dict[str, dict[str, Any]]:
    if not isinstance(said, dict) or not all(isinstance(table, dict) for table in said.values()):
        raise ConfigurationError(f'{reading.where}: write [{at}."Name of the event"] as tables')
    return said


def _check_generator(said: Any, where: str) -> None:
    """Hold the generator to the schema of registrations."""
    from schemas.registry import Registry  # noqa: PLC0415 - few have one, and all processes read settings

    try:
        Registry.load().check("system.registered", 1, {"name": "x", "counterfactual_generator": said})
    except InputError as error:
        raise ConfigurationError(
            f"{where}: reports.counterfactual is written as in system.registered: {error.hint}"
        ) from error

"""What the configuration says about reports, as the reporter and those who send want it.

Rules that must stay true here: what is wrong in the configuration stops the process before it makes a report;
passwords leave it only towards the worker that needs them.
"""

import base64
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bus.connection import Broker
from ovr.config import Site
from ovr.node import Node
from ovr.report_settings import SCOPES, SECURITIES, ReportsSettings
from projectors.report_wishes import EventWishes, ReportWishes
from reporter.facts import Branding, ReportSettings
from schemas.errors import ConfigurationError

_IMAGES: Final = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
}
_MOST_LOGO: Final = 500_000
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_URL = re.compile(r"https?://[^\s/]+\S*")
_ADDRESS = re.compile(r"[^\s@,;<>\"]+@[^\s@,;<>\"]+")
_PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}


def wishes(said: ReportsSettings) -> ReportWishes:
    """Return what reports say.

    Raises:
        ConfigurationError: there is no such zone, logo or colour, or a number makes no sense.
    """
    _check(said)
    branding = said.branding
    settings = ReportSettings(
        time_zone=said.time_zone or machine_zone(),
        language=said.language,
        region=said.region,
        nominal_voltage_v=said.nominal_voltage_v,
        nominal_frequency_hz=said.nominal_frequency_hz,
        max_gap_s=said.max_gap_s,
        currency=said.currency,
        price_per_kwh=said.price_per_kwh,
        demand_charge_per_kw=said.demand_charge_per_kw,
        demand_minutes=said.demand_minutes,
        counterfactual=dict(said.counterfactual) or None,
        grid_factor_kg_per_kwh=said.grid_factor_kg_per_kwh,
        behind=dict(said.behind),
        branding=Branding(
            client=branding.client,
            company=branding.company,
            logo=_logo(branding.logo),
            colour=branding.colour,
            footer=branding.footer,
        ),
        base_url=said.base_url,
    )
    events = {
        event_id: EventWishes(
            client=own.client,
            recipients=own.recipients,
            attendance=own.attendance,
            price_per_kwh=own.price_per_kwh,
            demand_charge_per_kw=own.demand_charge_per_kw,
            currency=own.currency,
        )
        for event_id, own in said.events.items()
    }
    return ReportWishes(settings, events)


def delivery(site: Site) -> dict[str, Any]:
    """Return how reports are sent, as JSON for the worker that sends.

    Raises:
        ConfigurationError: it is not complete.
    """
    said = site.reports
    _check_delivery(said)
    mail, webhook = said.mail, said.webhook
    smtp = None
    if mail.host is not None:
        smtp = {
            "host": mail.host,
            "port": mail.port or _PORTS[mail.security],
            "security": mail.security,
            "username": mail.username,
            "password": mail.password,
            "sender": mail.sender,
            "ca_file": None if mail.ca_file is None else str(mail.ca_file),
        }
    return {
        "smtp": smtp,
        "webhook": None if webhook.url is None else {"url": webhook.url, "secret": webhook.secret},
        "base_url": said.base_url,
        "node_id": site.node_id,
    }


def recipients(said: ReportsSettings) -> Callable[[str, str], Iterable[tuple[str, str]]]:
    """Return who gets a report that made itself, by its scope and event."""

    def of(scope: str, event_id: str) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        if said.mail.host is not None and scope in said.mail.scopes:
            own = said.events[event_id].recipients if event_id in said.events else ()
            found += [("mail", address) for address in dict.fromkeys((*said.mail.recipients, *own))]
        if said.webhook.url is not None and scope in said.webhook.scopes:
            found.append(("webhook", said.webhook.url))
        return found

    return of


def run(node: Node, data: Path, broker: Broker) -> None:
    """Run the reports projector of a node until it is asked to stop.

    Raises:
        ConfigurationError: what is configured cannot be, or another process does this already.
    """
    from projectors.reports import Wishes  # noqa: PLC0415 - only the process itself loads it
    from projectors.run_reports import run_reports  # noqa: PLC0415

    said = node.site.reports
    run_reports(
        data,
        broker,
        node_id=node.site.node_id,
        said=wishes(said),
        wishes=Wishes(said.automatic, recipients(said)),
        delivery=delivery(node.site),
    )


def machine_zone(environment: Mapping[str, str] = os.environ, root: Path = Path("/etc")) -> str:
    """Tell the machine's time zone by its IANA name; UTC when it says none."""
    named = [environment.get("TZ", "").removeprefix(":")]
    link = (root / "localtime").resolve()
    if "zoneinfo" in link.parts:
        named.append("/".join(link.parts[link.parts.index("zoneinfo") + 1 :]))
    try:
        named.append((root / "timezone").read_text(encoding="ascii").strip())
    except (OSError, UnicodeDecodeError):
        named.append("UTC")
    return next((name for name in named if name and _is_zone(name)), "UTC")


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _check(said: ReportsSettings) -> None:
    if said.time_zone is not None and not _is_zone(said.time_zone):
        raise ConfigurationError(f"reports.time_zone: there is no {said.time_zone}: write Europe/London")
    if said.branding.colour is not None and not _COLOUR.fullmatch(said.branding.colour):
        raise ConfigurationError(f"reports.branding.colour is written as #0b6e4f, not {said.branding.colour}")
    if said.base_url is not None and not _URL.fullmatch(said.base_url):
        raise ConfigurationError(
            f"reports.base_url is an address such as https://ovr.example, not {said.base_url}"
        )
    if said.demand_minutes < 1:
        raise ConfigurationError("reports.demand_minutes must be at least 1")
    for name in ("nominal_voltage_v", "nominal_frequency_hz", "max_gap_s"):
        value = getattr(said, name)
        if value is not None and not 0 < value < float("inf"):
            raise ConfigurationError(f"reports.{name} must be above 0")
    for at, value in _not_below_zero(said):
        if value is not None and not 0 <= value < float("inf"):
            raise ConfigurationError(f"{at} must not be below 0")


def _not_below_zero(said: ReportsSettings) -> Iterable[tuple[str, float | None]]:
    for name in ("price_per_kwh", "demand_charge_per_kw", "grid_factor_kg_per_kwh"):
        yield f"reports.{name}", getattr(said, name)
    for event_id, own in said.events.items():
        for name in ("price_per_kwh", "demand_charge_per_kw", "attendance"):
            yield f"reports.events.{event_id}.{name}", getattr(own, name)


def _check_delivery(said: ReportsSettings) -> None:
    mail = said.mail
    if mail.security not in SECURITIES:
        raise ConfigurationError(f"reports.mail.security is {', '.join(SECURITIES)}, not {mail.security}")
    for at, scopes in (("mail", mail.scopes), ("webhook", said.webhook.scopes)):
        if unknown := set(scopes) - set(SCOPES):
            raise ConfigurationError(f"reports.{at}.scopes are {', '.join(SCOPES)}, not {min(unknown)}")
    if mail.host is not None and mail.sender is None:
        raise ConfigurationError("reports.mail.sender: name the address that reports come from")
    named = [mail.sender] if mail.sender is not None else []
    named += [*mail.recipients, *(one for own in said.events.values() for one in own.recipients)]
    for address in named:
        if not _ADDRESS.fullmatch(address):
            raise ConfigurationError(f"reports: {address!r} is no e-mail address")
    if said.webhook.url is not None and not _URL.fullmatch(said.webhook.url):
        raise ConfigurationError(f"reports.webhook.url is an http(s) address, not {said.webhook.url}")


def _logo(path: Path | None) -> str | None:
    """Read a logo as a data URI.

    Raises:
        ConfigurationError: it cannot be read, is too large, or no image that reports show.
    """
    if path is None:
        return None
    media_type = _IMAGES.get(path.suffix.lower())
    if media_type is None:
        raise ConfigurationError(f"reports.branding.logo is a file of {', '.join(_IMAGES)}, not {path.name}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"reports.branding.logo: {path} cannot be read: {error}") from error
    if len(content) > _MOST_LOGO:
        raise ConfigurationError(f"reports.branding.logo: {path} is larger than {_MOST_LOGO // 1000} kB")
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"

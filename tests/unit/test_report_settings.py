"""What the configuration says about reports."""

from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from ovr import config
from ovr.config import Site
from ovr.main import app
from ovr.reports import delivery, machine_zone, recipients, wishes
from projectors.report_wishes import ReportWishes
from schemas.errors import ConfigurationError

FULL = """
[reports]
time_zone = "Europe/London"
region = "uk"
currency = "GBP"
price_per_kwh = 0.4
base_url = "https://ovr.example"
[reports.counterfactual]
rated_va = 60000
fuel = "diesel"
[reports.behind]
acuvim_13 = "rig_01"
[reports.branding]
company = "Power Ltd"
client = "Everybody"
logo = "logo.png"
colour = "#0b6e4f"
[reports.mail]
host = "smtp.example.org"
sender = "r@example.org"
recipients = ["ops@example.org"]
username = "ovr"
[reports.webhook]
url = "https://hook.example/x"
scopes = ["event"]
[reports.events."Summer / Festival"]
client = "Summer GmbH"
recipients = ["client@example.org", "ops@example.org"]
attendance = 12000
price_per_kwh = 0.55
"""


def site(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> Site:
    path = tmp_path / "site.toml"
    path.write_text(text, encoding="utf-8")
    return config.load(path, environment or {})


def test_what_holds_for_an_event_goes_before_what_holds_for_all(tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(b"\x89PNG")
    found = wishes(site(tmp_path, FULL).reports)
    everybody, summer = found.of("other"), found.of("Summer / Festival")
    assert (everybody.branding.client, summer.branding.client) == ("Everybody", "Summer GmbH")
    assert (everybody.price_per_kwh, summer.price_per_kwh) == (0.4, 0.55)
    assert found.attendance("Summer / Festival") == 12000
    assert found.attendance("other") is None
    assert everybody.branding.logo == "data:image/png;base64,iVBORw=="
    assert everybody.counterfactual == {"rated_va": 60000, "fuel": "diesel"}
    assert everybody.behind == {"acuvim_13": "rig_01"}


def test_wishes_travel_as_json_and_come_back_the_same(tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(b"\x89PNG")
    found = wishes(site(tmp_path, FULL).reports)
    assert ReportWishes.of_json(orjson.loads(orjson.dumps(found))) == found


def test_reports_go_to_those_who_get_all_and_to_those_of_the_event_each_once(tmp_path: Path) -> None:
    of = recipients(site(tmp_path, FULL).reports)
    hook = ("webhook", "https://hook.example/x")
    assert list(of("event", "other")) == [("mail", "ops@example.org"), hook]
    assert list(of("event", "Summer / Festival")) == [
        ("mail", "ops@example.org"),
        ("mail", "client@example.org"),
        hook,
    ]
    assert list(of("system", "other")) == []
    assert list(recipients(Site().reports)("event", "other")) == []


def test_the_environment_brings_the_password_and_where_reports_are_reached(tmp_path: Path) -> None:
    said = {"OVR_REPORTS_MAIL_PASSWORD": "secret", "REPORT_BASE_URL": "https://elsewhere.example"}
    found = delivery(site(tmp_path, FULL, said))
    assert found["smtp"]["password"] == "secret"
    assert found["smtp"]["port"] == 587
    assert found["base_url"] == "https://elsewhere.example"
    assert found["webhook"] == {"url": "https://hook.example/x", "secret": None}


def test_passwords_are_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "site.toml").write_text(
        '[reports.mail]\npassword = "hush"\n[reports.webhook]\nsecret = "mum"\n'
    )
    monkeypatch.setenv("OVR_CONFIG", str(tmp_path / "site.toml"))
    shown = CliRunner().invoke(app, ["config", "show"])
    assert shown.exit_code == 0
    assert "hush" not in shown.output
    assert "mum" not in shown.output


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[reports]\ntime_zone = "Europe/Nowhere"', "no Europe/Nowhere"),
        ('[reports]\nbase_url = "ovr.example"', "base_url is an address"),
        ("[reports]\nprice_per_kwh = -1", "price_per_kwh must not be below 0"),
        ("[reports]\ndemand_minutes = 0", "demand_minutes must be at least 1"),
        ("[reports]\nmax_gap_s = 0", "max_gap_s must be above 0"),
        ('[reports]\nregoin = "eu"', "did you mean reports.region"),
        ('[reports.branding]\ncolour = "green"', "#0b6e4f"),
        ('[reports.branding]\nlogo = "there_is_none.png"', "cannot be read"),
        ('[reports.branding]\nlogo = "logo.exe"', "not logo.exe"),
        ("[reports.counterfactual]\nlitres = 3", "counterfactual"),
        ('[reports.mail]\nhost = "x"', "name the address"),
        ('[reports.mail]\nhost = "x"\nsender = "no address"', "is no e-mail address"),
        ('[reports.mail]\nsecurity = "ssl"', "starttls, tls, none"),
        ('[reports.mail]\nscopes = ["all"]', "event, system"),
        ('[reports.webhook]\nurl = "ftp://x"', "http(s) address"),
        ('[reports.events]\ngig = "x"', "as tables"),
        ('[reports.events.gig]\nrecipients = ["a@b, c@d"]', "is no e-mail address"),
        ("[reports.events.gig]\nattendance = -5", "must not be below 0"),
    ],
)
def test_what_cannot_be_is_said_where_it_stands(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        understood(tmp_path, text)
    assert says in str(raised.value)


def understood(tmp_path: Path, text: str) -> None:
    found = site(tmp_path, text)
    wishes(found.reports)
    delivery(found)


def test_the_machine_s_zone_is_taken_where_none_is_named(tmp_path: Path) -> None:
    assert machine_zone({"TZ": "Asia/Tokyo"}, tmp_path) == "Asia/Tokyo"
    (tmp_path / "timezone").write_text("Europe/Rome\n")
    assert machine_zone({}, tmp_path) == "Europe/Rome"
    (tmp_path / "zoneinfo" / "America").mkdir(parents=True)
    (tmp_path / "zoneinfo" / "America" / "Lima").write_text("")
    (tmp_path / "localtime").symlink_to(tmp_path / "zoneinfo" / "America" / "Lima")
    assert machine_zone({}, tmp_path) == "America/Lima"
    assert machine_zone({"TZ": "Not/There"}, tmp_path / "empty") == "UTC"

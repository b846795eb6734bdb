"""The configuration of a node: defaults, site.toml, the environment, and errors that say what to change."""

import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ovr import config, processes
from ovr.config import ClockSettings, Site
from ovr.layout import Layout
from ovr.main import app
from ovr.node import open_node
from ovr.ports import Ports
from schemas.errors import ConfigurationError

EXAMPLE = Path(config.__file__).with_name("site.example.toml")


def load(tmp_path: Path, text: str, **environment: str) -> Site:
    path = tmp_path / "site.toml"
    path.write_text(text)
    return config.load(path, environment)


def refused(tmp_path: Path, text: str, **environment: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text, **environment)
    return str(caught.value)


def test_without_a_file_everything_has_a_default() -> None:
    assert config.load(None, {}) == Site()


def test_the_example_says_the_defaults() -> None:
    site = config.load(EXAMPLE, {})
    assert [(one.name, one.kind) for one in site.producers] == [("host", "host")]
    for name in (
        "node_id",
        "prefix",
        "listen",
        "broker",
        "recorder",
        "victoria",
        "series",
        "clock",
        "web",
        "map",
    ):
        assert getattr(site, name) == getattr(Site(), name), name


def test_what_the_example_shows_for_example_can_be_uncommented() -> None:
    lines = EXAMPLE.read_text().splitlines()
    keys = tomllib.loads(EXAMPLE.read_text())
    shown = [line for line in lines if line.startswith("# ") and " = " in line and "`" not in line]
    assert shown
    for line in shown:
        said = tomllib.loads(line.removeprefix("# "))
        assert said
    assert {"listen", "broker", "recorder", "victoria", "series", "aliases", "producers"} <= keys.keys()


def planned(site: Site) -> list[str]:
    return [spec.name for spec in processes.plan(site, Layout(Path("/data")), Ports(1883))]


def test_a_cloud_judges_nothing() -> None:
    assert set(planned(Site())) - set(planned(Site(role="cloud"))) == {"detector", "alerts"}


def test_a_node_may_do_without_what_follows_the_journal_and_nothing_else(tmp_path: Path) -> None:
    lean = load(tmp_path, 'without = ["alerts", "projector-counters"]')
    assert set(planned(Site())) - set(planned(lean)) == {"alerts", "projector-counters"}
    for name in ("recorder", "mosquitto", "no_such"):
        with pytest.raises(ConfigurationError, match=f"cannot be without {name}: .*projector-counters"):
            planned(load(tmp_path, f'without = ["{name}"]'))


def test_a_file_sets_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    site = load(
        tmp_path, 'node_id = "edge-01"\n[recorder]\nlinger_ms = 50\n[aliases]\n"Big Rig" = "rig_01"\n'
    )
    assert site.node_id == "edge-01"
    assert (site.recorder.linger_ms, site.recorder.batch) == (50, Site().recorder.batch)
    assert site.aliases == {"Big Rig": "rig_01"}


def test_a_producer_is_a_table_of_options_and_may_have_another_kind_than_its_name(tmp_path: Path) -> None:
    site = load(tmp_path, '[producers.stage]\nkind = "modbus"\nfast_ms = 500\n')
    (producer,) = site.producers
    assert (producer.name, producer.kind) == ("stage", "modbus")
    assert producer.options == {"fast_ms": 500}


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    site = load(tmp_path, 'data = "here"\nmount = "/mnt/esata"\n')
    assert site.data == tmp_path / "here"
    assert site.mount == Path("/mnt/esata")


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    site = load(
        tmp_path,
        'node_id = "edge-01"\n[broker]\nport = 1884\n',
        OVR_NODE_ID="edge-02",
        OVR_BROKER_HOST="mosquitto",
        OVR_BROKER_PORT="1885",
        OVR_BROKER_TLS="true",
        HOME="/root",
    )
    assert site.node_id == "edge-02"
    assert (site.broker.host, site.broker.port, site.broker.tls) == ("mosquitto", 1885, True)


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ('node = "x"', "node_id"),
        ("[recorder]\nlinger = 5", "recorder.linger_ms"),
        ('[victoria]\nretentoin = "1y"', "victoria.retention"),
    ],
)
def test_an_unknown_key_is_an_error_that_names_the_nearest(tmp_path: Path, text: str, near: str) -> None:
    assert f"did you mean {near}?" in refused(tmp_path, text)


def test_an_unknown_variable_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    assert "did you mean OVR_BROKER_PORT?" in refused(tmp_path, "", OVR_BROKER_PROT="1883")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("node_id = 5", "node_id must be text, got 5"),
        ('[broker]\nport = "1883"', "broker.port must be a whole number"),
        ("[broker]\nport = true", "broker.port must be a whole number"),
        ("[broker]\ntls = 1", "broker.tls must be true or false"),
        ("broker = 1", "broker must be a table"),
        ("[aliases]\nrig = 1", "aliases must be a table of texts"),
        ('node_id = "Edge 01"', "node_id must be at most 40 of a-z"),
        ('role = "head office"', "role is node or cloud, not 'head office'"),
        ('prefix = "ovr/#"', "prefix must be topic levels"),
        ("[listen]\nport_base = 65533", "leave room for 40 ports"),
        ('[listen]\ncert_file = "node.crt"', "cert_file and listen.key_file go together"),
        ("[recorder]\nbatch = 0", "recorder.batch must be at least 1"),
        ("[recorder]\nlinger_ms = -1", "linger_ms must not be negative"),
        ('[victoria]\nretention = "ever"', "victoria.retention is a number with"),
        ("producers = 1", "write producers as tables"),
        ("[producers]\nhost = 1", "write [producers.host] as a table"),
        ("[producers.Host]", "name producers with a-z"),
        ("node_id = ", "cannot be read"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_change(tmp_path: Path, text: str, words: str) -> None:
    message = refused(tmp_path, text)
    assert words in message
    assert str(tmp_path / "site.toml") in message


def test_a_variable_of_the_wrong_form_is_refused_by_its_name(tmp_path: Path) -> None:
    assert "OVR_BROKER_PORT must be a whole number" in refused(tmp_path, "", OVR_BROKER_PORT="many")


def test_a_file_that_is_not_there_is_an_error_that_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no"):
        config.load(tmp_path / "missing.toml", {})


def test_a_node_finds_the_configuration_in_its_data_directory(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('node_id = "edge-07"\n')
    node = open_node(tmp_path, None, {})
    assert node.site.node_id == "edge-07"
    assert node.layout.data == tmp_path


def test_a_node_that_never_ran_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ovr up"):
        open_node(tmp_path, None, {}).broker("alice")


def test_a_torn_record_of_an_earlier_run_is_none(tmp_path: Path) -> None:
    node = open_node(tmp_path, None, {})
    node.layout.run.mkdir()
    node.layout.supervisor.write_bytes(b"")
    assert node.supervised() is None


def test_another_broker_needs_no_supervisor(tmp_path: Path) -> None:
    said = {"OVR_BROKER_HOST": "mosquitto", "OVR_BROKER_USERNAME": "edge", "OVR_BROKER_PASSWORD": "secret"}
    broker = open_node(tmp_path, None, said).broker("recorder")
    assert (broker.host, broker.username, broker.password) == ("mosquitto", "edge", "secret")


def test_time_that_runs_faster_is_a_table_of_its_own(tmp_path: Path) -> None:
    text = '[clock]\nspeed = 60\nreal_zero = "2026-11-21T05:00:00Z"\nzero = "2026-11-18T05:00:00Z"\n'

    site = load(tmp_path, text)

    assert site.clock == ClockSettings(60.0, "2026-11-21T05:00:00Z", "2026-11-18T05:00:00Z")
    assert load(tmp_path, text, OVR_CLOCK_SPEED="0.5").clock.speed == 0.5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[clock]\nspeed = 60\n", "go together"),
        ("[clock]\nspeed = true\n", "a number"),
        (
            '[clock]\nspeed = 0\nreal_zero = "2026-11-21T05:00:00Z"\nzero = "2026-11-18T05:00:00Z"\n',
            "between",
        ),
    ],
)
def test_time_that_makes_no_sense_is_refused(tmp_path: Path, text: str, says: str) -> None:
    said = refused(tmp_path, text)

    assert "site.toml" in said
    assert says in said


def test_a_speed_in_the_environment_must_be_a_number(tmp_path: Path) -> None:
    assert "a number" in refused(tmp_path, "", OVR_CLOCK_SPEED="fast")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[alerts]\nurl = "http://a:port"\n', "alerts.url: give Alertmanager as"),
        (
            "[detection.systems.rig_01]\nrules.battery_low = { below = 3.1 }\n",
            "rule battery_low: below may mean",
        ),
    ],
)
def test_what_a_process_would_refuse_is_refused_when_the_configuration_is_shown(
    tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "site.toml"
    path.write_text(text)

    done = CliRunner().invoke(app, ["config", "show", "--config", str(path), "--data", str(tmp_path)])

    assert done.exit_code == 78
    assert says in done.output


def test_no_password_of_any_option_is_printed(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text(
        '[broker]\nhost = "h"\npassword = "broker-word"\n'
        '[[producers.victron.gx]]\nhost = "g"\npassword = "gx-word"\n'
        '[producers.ups]\nupsd = [{ host = "u", username = "mon", password = "ups-word" }]\n'
        '[alerts]\nurl = "http://site:url-word@at-word@a:9093"\n'
    )
    done = CliRunner().invoke(app, ["config", "show", "--config", str(path), "--data", str(tmp_path)])

    assert done.exit_code == 0, done.output
    assert "-word" not in done.output
    assert "mon" in done.output

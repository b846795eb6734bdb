"""compose.yml runs what `ovr up` runs, under the rules that containers of a node must keep."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from ovr import config, processes
from ovr.layout import Layout
from ovr.main import app
from ovr.node import Node
from ovr.ports import Ports
from projectors import victoria_server

ROOT = Path(__file__).parents[2]
SITE = ROOT / "deploy" / "site.toml"
COMPOSE = yaml.safe_load((ROOT / "compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
TELLING = {"alertmanager", "vmalert"}  # beside a node: `ovr up` tells the Alertmanager that is configured
LASTING = sorted(SERVICES.keys() - {"prepare"})


def planned() -> dict[str, processes.ProcessSpec]:
    """List our own processes, as the supervisor runs them where others run the broker and VictoriaMetrics."""
    specs = processes.plan(config.load(SITE, {}), Layout(Path("/data")), Ports(1883))
    return {spec.name: spec for spec in specs}


def test_every_process_of_the_supervisor_is_a_service() -> None:
    assert set(LASTING) == planned().keys() | {processes.MOSQUITTO, processes.VICTORIA} | TELLING


@pytest.mark.parametrize("name", sorted(planned()))
def test_a_service_runs_the_command_of_its_process(name: str) -> None:
    said = planned()[name].command
    ours = said[said.index("ovr") + 1 : said.index("--data")]
    assert tuple(SERVICES[name]["command"]) == ours
    assert CliRunner().invoke(app, [*ours, "--help"]).exit_code == 0


@pytest.mark.parametrize("name", LASTING)
def test_a_service_is_restarted_bounded_and_watched(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service["mem_limit"]
    assert service["logging"]["options"].keys() >= {"max-size", "max-file"}
    assert service["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", sorted(planned()))
def test_health_is_asked_of_the_process_itself(name: str) -> None:
    words = SERVICES[name]["healthcheck"]["test"]
    assert words == ["CMD", "ovr", "status", "--process", name]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_has_no_rights_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not any("PASSWORD" in variable for variable in service.get("environment", {}))


@pytest.mark.parametrize("name", LASTING)
def test_what_a_service_waits_for_exists_and_can_become_so(name: str) -> None:
    waits = SERVICES[name]["depends_on"]
    assert waits
    for other, wanted in waits.items():
        assert wanted["condition"] != "service_healthy" or "healthcheck" in SERVICES[other]


def test_ports_are_published_on_loopback_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_images_have_versions() -> None:
    assert all(":" in service["image"] and "latest" not in service["image"] for service in SERVICES.values())


def test_volumes_are_named_and_declared() -> None:
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert {name for name in used if not name.startswith(".")} == COMPOSE["volumes"].keys()
    assert all((ROOT / name).exists() for name in used if name.startswith("."))


def test_victoria_metrics_has_the_settings_that_replay_relies_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: name)
    wanted = victoria_server.command(Path("/data/victoria-metrics"), 8428, host="")[1:]
    assert set(SERVICES[processes.VICTORIA]["command"]) == set(wanted)


def test_the_broker_reads_what_was_prepared() -> None:
    prepared, broker = SERVICES["prepare"], SERVICES[processes.MOSQUITTO]
    node = Node(config.load(SITE, {}), Layout(Path("/data")), SITE)
    assert broker["command"] == ["mosquitto", "-c", str(node.layout.mosquitto_conf)]
    assert "run:/data/run:ro" in broker["volumes"]
    assert "run:/data/run" in prepared["volumes"]
    assert node.broker("recorder").host == processes.MOSQUITTO


def test_preparing_writes_listeners_users_and_passwords(tmp_path: Path) -> None:
    command = [*SERVICES["prepare"]["command"], "--config", str(SITE), "--data", str(tmp_path)]
    assert CliRunner().invoke(app, command).exit_code == 0
    layout = Layout(tmp_path)
    assert "listener 1883 0.0.0.0" in layout.mosquitto_conf.read_text(encoding="utf-8")
    passwords = layout.mosquitto_passwords.read_text(encoding="utf-8")
    for name in planned():
        assert f"{name}:" in passwords
        assert (layout.secrets / name).stat().st_mode & 0o077 == 0


def test_the_image_holds_every_package_and_runs_without_rights() -> None:
    lines = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8").splitlines()
    words = [line.split() for line in lines]
    copied = {word[1] for word in words if word[:1] == ["COPY"] and not word[1].startswith("-")}
    assert copied >= {"schemas", "bus", "producers", "projectors", "mosquitto", "ovr"}
    assert [word[1] for word in words if word[:1] == ["USER"]] == ["10001:10001"]


def test_alerts_go_to_the_alertmanager_beside_them() -> None:
    assert config.load(SITE, {}).alerts.url == "http://alertmanager:9093"
    assert "-notifier.url=http://alertmanager:9093" in SERVICES["vmalert"]["command"]
    version = SERVICES[processes.VICTORIA]["image"].partition(":")[2]
    assert SERVICES["vmalert"]["image"].endswith(f":{version}")


def test_one_version_of_victoria_metrics_serves_and_rebuilds() -> None:
    text = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    version = SERVICES[processes.VICTORIA]["image"].partition(":")[2]
    assert f"ARG VICTORIA={version}\n" in text

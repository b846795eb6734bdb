"""The compose files run what `ovr up` runs, under the rules that containers of a node must keep."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from ovr import config, processes
from ovr.layout import Layout
from ovr.main import app
from ovr.node import Node
from projectors import victoria_server
from tests.compose_files import ASKED_FOR, BESIDE, CLOUD, DEPLOYMENTS, EDGE, ROOT, Deployment, plain

OURS = [(one, name) for one in DEPLOYMENTS for name in sorted(DEPLOYMENTS[one].planned())]
EVERY = [(one, name) for one, said in DEPLOYMENTS.items() for name in sorted(said.services)]
LASTING = [(one, name) for one, name in EVERY if name not in {"prepare", "backup"}]
OPEN = {"8883:8883", "443:443"}  # with TLS and users
each = pytest.mark.parametrize("deployment", DEPLOYMENTS.values(), ids=DEPLOYMENTS.keys())


def service_of(deployment: str, name: str) -> dict[str, Any]:
    return DEPLOYMENTS[deployment].services[name]


@pytest.mark.parametrize(
    ("deployment", "field"),
    [(EDGE, {}), (CLOUD, {"OVR_TLS": "/etc/ovr/tls", "OVR_IMAGE": "registry.example/ovr"})],
    ids=["edge", "cloud, as in the field"],
)
def test_docker_compose_takes_it(deployment: Deployment, field: dict[str, str]) -> None:
    command = ["docker-compose", "-p", "ovr", "-f", str(deployment.file), "config"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **field})
    assert done.returncode == 0, done.stderr
    said = yaml.safe_load(done.stdout)
    assert said["services"].keys() >= deployment.services.keys() - {"uplink", "backup"}
    assert said["services"]["recorder"]["image"].startswith(field.get("OVR_IMAGE", "ovr") + ":")


@each
def test_every_process_of_the_supervisor_is_a_service(deployment: Deployment) -> None:
    lasting = deployment.services.keys() - {"prepare"} - BESIDE - ASKED_FOR
    assert lasting == deployment.planned().keys() | {processes.MOSQUITTO, processes.VICTORIA}


def test_the_cloud_runs_no_rules_of_its_own() -> None:
    assert EDGE.services.keys() - CLOUD.services.keys() == {"detector", "alerts", "uplink"}
    assert CLOUD.services.keys() <= EDGE.services.keys()


@pytest.mark.parametrize(("deployment", "name"), OURS)
def test_a_service_runs_the_command_of_its_process(deployment: str, name: str) -> None:
    said = DEPLOYMENTS[deployment].planned()[name].command
    ours = said[said.index("ovr") + 1 : said.index("--data")]
    assert tuple(service_of(deployment, name)["command"]) == ours


@pytest.mark.parametrize("name", sorted(EDGE.planned()))
def test_the_command_of_a_service_is_one_of_ours(name: str) -> None:
    assert CliRunner().invoke(app, [*EDGE.services[name]["command"], "--help"]).exit_code == 0


@pytest.mark.parametrize(("deployment", "name"), LASTING)
def test_a_service_is_restarted_bounded_and_watched(deployment: str, name: str) -> None:
    service = service_of(deployment, name)
    assert service["restart"] == "unless-stopped"
    assert service["mem_limit"]
    assert service["cpus"] > 0
    assert service["pids_limit"] > 0
    assert service["logging"]["options"].keys() >= {"max-size", "max-file"}
    assert service["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize(("deployment", "name"), OURS)
def test_health_is_the_heartbeat_of_the_process_itself(deployment: str, name: str) -> None:
    service = service_of(deployment, name)
    assert service["healthcheck"]["test"] == ["CMD", "healthy"]
    directory = str(Path(service["environment"]["HEARTBEAT_FILE"]).parent)
    assert any(one.startswith(f"{directory}:") for one in service["tmpfs"])


@pytest.mark.parametrize(("deployment", "name"), EVERY)
def test_a_service_has_no_rights_it_does_not_need(deployment: str, name: str) -> None:
    service = service_of(deployment, name)
    user, group = service["user"].split(":")
    assert int(user) > 0
    assert group == "10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "caddy" else [])
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")


@pytest.mark.parametrize(("deployment", "name"), EVERY)
def test_no_secret_is_in_the_environment_or_on_a_command_line(deployment: str, name: str) -> None:
    service = service_of(deployment, name)
    for variable, value in service.get("environment", {}).items():
        if any(word in variable for word in ("PASSWORD", "SECRET", "API_KEY")):
            assert variable.removesuffix("__FILE").removesuffix("_FILE") != variable
            assert value.startswith("/run/secrets/")
    assert not any("password" in word.lower() for word in service.get("command", []))


@each
def test_secrets_are_files_that_are_drawn_or_brought(deployment: Deployment, tmp_path: Path) -> None:
    files = {name: plain(one["file"]) for name, one in deployment.said["secrets"].items()}
    used = {name for service in deployment.services.values() for name in service.get("secrets", [])}
    assert used == files.keys()
    subprocess.run(
        [ROOT / "deploy" / "secrets", tmp_path], check=True, env={"OVR_GROUP": "0", "PATH": "/bin:/usr/bin"}
    )
    assert {path.name for path in tmp_path.iterdir()} == used - {"uplink_password", "uplink_key"}
    assert all(path.stat().st_mode & 0o007 == 0 for path in tmp_path.iterdir())


def test_secrets_that_were_drawn_stay(tmp_path: Path) -> None:
    def draw() -> list[str]:
        subprocess.run(
            [ROOT / "deploy" / "secrets", tmp_path],
            check=True,
            env={"OVR_GROUP": "0", "PATH": "/bin:/usr/bin"},
        )
        return [path.read_text() for path in sorted(tmp_path.iterdir())]

    first = draw()
    assert len(set(first)) == len(first)
    assert all(len(secret.strip()) >= 32 for secret in first)
    assert draw() == first


@pytest.mark.parametrize(("deployment", "name"), LASTING)
def test_what_a_service_waits_for_exists_and_can_become_so(deployment: str, name: str) -> None:
    services = DEPLOYMENTS[deployment].services
    for other, wanted in services[name].get("depends_on", {}).items():
        assert wanted["condition"] != "service_healthy" or "healthcheck" in services[other]


@each
def test_what_others_reach_has_tls_and_the_rest_is_published_on_loopback_only(deployment: Deployment) -> None:
    published = {port for service in deployment.services.values() for port in service.get("ports", [])}
    assert {port for port in published if not port.startswith("127.0.0.1:")} == OPEN
    site = config.load(deployment.site, {})
    assert site.listen.tls_port == 8883
    assert site.listen.cert_file == Path("/etc/ovr/tls/node.crt")
    assert site.web.reads == "key"


@pytest.mark.parametrize(("deployment", "name"), EVERY)
def test_a_service_is_on_named_networks_and_leaves_the_machine_only_with_a_reason(
    deployment: str, name: str
) -> None:
    said, service = DEPLOYMENTS[deployment].said, service_of(deployment, name)
    networks = set(service["networks"])
    assert networks <= said["networks"].keys()
    inside = {one for one, options in said["networks"].items() if (options or {}).get("internal")}
    assert inside == said["networks"].keys() - {"outside"}
    published = bool(service.get("ports"))
    sends = name in {"projector-reports", "alertmanager", "uplink"}  # mail, messages, events
    assert ("outside" in networks) == (published or sends)


@each
def test_the_api_believes_what_its_own_proxy_says_of_callers(deployment: Deployment) -> None:
    front = plain(deployment.said["networks"]["front"]["ipam"]["config"][0]["subnet"])
    assert front in config.load(deployment.site, {}).web.trusted_proxies


@each
def test_images_have_versions(deployment: Deployment) -> None:
    images = [plain(service["image"]) for service in deployment.services.values()]
    assert all(":" in image and "latest" not in image for image in images)


def test_node_and_cloud_run_the_same_versions() -> None:
    for name, service in CLOUD.services.items():
        assert plain(service["image"]) == plain(EDGE.services[name]["image"])


@each
def test_volumes_are_named_and_declared(deployment: Deployment) -> None:
    volumes = [volume for service in deployment.services.values() for volume in service.get("volumes", [])]
    used = {plain(volume).split(":")[0] for volume in volumes}
    assert {name for name in used if not name.startswith(".")} == deployment.said["volumes"].keys()
    made = {"./private/tls", "./private/tls/node.crt", "./private/uplink", "./private/backups"}
    assert all((ROOT / name).exists() for name in used - made if name.startswith("."))


@pytest.mark.parametrize("name", ["uplink", "observe"])
def test_the_authority_of_a_cloud_is_where_the_documents_say(name: str) -> None:
    text = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    (said,) = re.findall(r'^ca_file = ".*" *# in containers: (\S+)$', text, re.MULTILINE)
    targets = {plain(volume).split(":")[1] for volume in EDGE.services[name]["volumes"]}
    assert str(Path(said).parent) in targets
    assert targets >= {"/data", "/data/run", "/etc/ovr/site.toml"}


@each
def test_victoria_metrics_has_the_settings_that_replay_relies_on(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: name)
    memory_mb = config.load(deployment.site, {}).victoria.memory_mb
    layout = Layout(Path("/data"))
    wanted = victoria_server.command(
        layout.victoria, 8428, host="", memory_mb=memory_mb, scrape=layout.scrape
    )
    assert set(deployment.services[processes.VICTORIA]["command"]) == set(wanted[1:])


@each
def test_the_broker_reads_what_was_prepared(deployment: Deployment) -> None:
    prepared, broker = deployment.services["prepare"], deployment.services[processes.MOSQUITTO]
    node = Node(config.load(deployment.site, {}), Layout(Path("/data")), deployment.site)
    assert broker["command"] == ["mosquitto", "-c", str(node.layout.mosquitto_conf)]
    assert "run:/data/run:ro" in broker["volumes"]
    assert "run:/data/run" in prepared["volumes"]
    assert node.broker("recorder").host == processes.MOSQUITTO


@each
def test_preparing_writes_listeners_users_and_passwords(deployment: Deployment, tmp_path: Path) -> None:
    command = deployment.services["prepare"]["command"]
    done = CliRunner().invoke(app, [*command, "--config", str(deployment.site), "--data", str(tmp_path)])
    assert done.exit_code == 0
    layout = Layout(tmp_path)
    said = layout.mosquitto_conf.read_text(encoding="utf-8")
    assert "listener 1883 0.0.0.0" in said
    assert "listener 8883\ncertfile /etc/ovr/tls/node.crt\nkeyfile /etc/ovr/tls/node.key" in said
    assert "allow_anonymous false" in said
    passwords = layout.mosquitto_passwords.read_text(encoding="utf-8")
    for name in deployment.planned():
        assert f"{name}:" in passwords
        assert (layout.secrets / name).stat().st_mode & 0o077 == 0


@each
def test_alerts_go_to_the_alertmanager_beside_them(deployment: Deployment) -> None:
    services = deployment.services
    assert "-notifier.url=http://alertmanager:9093" in services["vmalert"]["command"]
    assert "--data.maintenance-interval=1m" in services["alertmanager"]["command"]
    version = services[processes.VICTORIA]["image"].partition(":")[2]
    assert services["vmalert"]["image"].endswith(f":{version}")
    assert config.load(EDGE.site, {}).alerts.url == "http://alertmanager:9093"


def test_caddy_leads_to_the_services_behind_it() -> None:
    text = (ROOT / "deploy" / "caddy" / "Caddyfile").read_text(encoding="utf-8")
    said = EDGE.services["caddy"]["environment"]
    for name in ("OVR_WEB", "OVR_MQTT", "OVR_GRAFANA"):
        assert f"{{${name}:" in text
        assert said[name].partition(":")[0] in EDGE.services
    networks = set(EDGE.services["caddy"]["networks"])
    for behind in ("web", processes.MOSQUITTO, "grafana"):
        assert networks & set(EDGE.services[behind]["networks"]) >= {"front"}

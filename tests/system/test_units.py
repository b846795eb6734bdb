"""The units for systemd: accepted without a word, hardened, and about what is there. systemd judges them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ovr.main import app
from tests.compose_files import DEPLOYMENTS, ROOT

UNITS = ROOT / "deploy" / "systemd"
NAMES = sorted(path.name for path in UNITS.iterdir() if path.is_file())
SERVICES = [name for name in NAMES if name.endswith(".service")]
TEXTS = {name: (UNITS / name).read_text(encoding="utf-8") for name in NAMES}
MOST_EXPOSED = "25"  # of 100; a service without any hardening has 96


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a root in which everything is installed that the units start."""
    root = tmp_path_factory.mktemp("root")
    system = root / "usr" / "lib" / "systemd" / "system"
    shutil.copytree("/lib/systemd/system", system, symlinks=True)
    shutil.copytree(UNITS, root / "etc" / "systemd" / "system")
    for name in ("docker", "caddy"):
        (system / f"{name}.service").write_text("[Service]\nExecStart=/usr/bin/docker\n")
    programs = set(re.findall(r"^Exec\w+=[-+]*(\S+)", "\n".join(TEXTS.values()), re.MULTILINE))
    for program in programs | {"/usr/bin/docker"}:
        place = root / program[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("#!/bin/sh\n")
        place.chmod(0o755)
    return root


def test_systemd_accepts_every_unit_without_a_word(root: Path) -> None:
    instances = [name.replace("@.", "@edge.") for name in NAMES]
    command = ["systemd-analyze", "verify", f"--root={root}", "--man=no", *instances, "caddy.service"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_do_little(root: Path, name: str) -> None:
    options = ["--offline=true", f"--root={root}", f"--threshold={MOST_EXPOSED}", "--no-pager"]
    done = subprocess.run(
        ["systemd-analyze", "security", *options, name], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_starts_of_ours_is_released_and_known(name: str) -> None:
    for program, words in re.findall(
        r"^Exec\w+=[-+]*/opt/ovr/current/(\S+) ?(.*)", TEXTS[name], re.MULTILINE
    ):
        if program == "bin/ovr":
            command = [word for word in words.split(" --")[0].split() if word]
            assert CliRunner().invoke(app, [*command, "--help"]).exit_code == 0
        else:
            assert (ROOT / program).is_file()
    for document in re.findall(r"^Documentation=file:/opt/ovr/current/(\S+)", TEXTS[name], re.MULTILINE):
        assert (ROOT / document).is_file()


def test_a_timer_and_a_path_have_their_service() -> None:
    started = {name.rpartition(".")[0] for name in NAMES if not name.endswith(".service")}
    assert {f"{name}.service" for name in started} <= set(SERVICES)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_all_that_reads_a_certificate_reads_a_new_one(name: str) -> None:
    changed = TEXTS["ovr-certificates-changed.service"].splitlines()
    for unit in ("ovr", f"ovr-containers@{name}"):
        assert f"ExecStart=-/usr/bin/systemctl try-reload-or-restart {unit}.service" in changed
    told: set[str] = set()
    for words in re.findall(r"^ExecReload=.*\.env (.+)$", TEXTS["ovr-containers@.service"], re.MULTILINE):
        told |= set(words.split())
    services = DEPLOYMENTS[name].services
    assert told - {"kill", "-s", "HUP", "restart"} == {
        one for one in services if any("OVR_TLS" in volume for volume in services[one].get("volumes", []))
    }


def test_the_node_is_watched_and_a_wrong_configuration_is_not_tried_again() -> None:
    lines = TEXTS["ovr.service"].splitlines()
    assert {"Type=notify", "WatchdogSec=60s", "Restart=always", "RestartPreventExitStatus=78"} <= set(lines)
    assert "User=ovr" in lines


def test_the_broker_is_told_of_users_and_certificates_only_where_it_runs(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["user", "reload", "--data", str(tmp_path)])
    assert done.exit_code == 1

"""The checks of `ovr doctor` that look at what a deployment is made of: certificates, units, containers."""

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from bus import heartbeat
from ovr.findings import Finding, Grade
from ovr.node import Node

_SOON = timedelta(days=21)
_ASK_S: Final = 10.0
_UNITS: Final = (
    "ovr.service",
    "ovr-containers@*.service",
    "ovr-vmalert.service",
    "ovr-certificates.service",
    "ovr-backup@*.service",
    "ovr-firewall.service",
)
_RENEW: Final = "`deploy/certificates renew DIR`, or bring a new one: docs/tls.md"
_ENV_FOLDER: Final = Path("/etc/ovr")


def check_certificates(node: Node) -> Iterator[Finding]:
    """Read when the certificates that are configured end, and who can read their keys."""
    listen, said, up = node.site.listen, node.site.broker, node.site.uplink
    chains = [
        listen.cert_file,
        listen.client_ca_file,
        said.ca_file,
        said.cert_file,
        up.ca_file,
        up.cert_file,
    ]
    for path in dict.fromkeys(path for path in chains if path is not None):
        yield _certificate(path)
    for path in dict.fromkeys(
        key for key in (listen.key_file, said.key_file, up.key_file) if key is not None
    ):
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o007:
            yield Finding(Grade.BAD, "certificates", f"others can read {path}", f"`chmod 640 {path}`")


def _certificate(path: Path) -> Finding:
    if heartbeat.VARIABLE in os.environ and not path.parent.is_dir():  # a container of our compose files
        remedy = "`docker compose -p ovr exec observe ovr doctor`: that container has the certificates"
        return Finding(Grade.NOTE, "certificates", f"{path.parent} is not in this container", remedy)
    if not path.exists():
        remedy = "`deploy/certificates node DIR NAME`, or bring one: docs/tls.md"
        return Finding(Grade.BAD, "certificates", f"there is no {path}", remedy)
    told = _asked(["openssl", "x509", "-in", str(path), "-noout", "-enddate"])
    if told is None or not told.startswith("notAfter="):
        remedy = "the file must hold a chain in PEM; is openssl installed, and may you read the file?"
        return Finding(Grade.BAD, "certificates", f"{path} cannot be read", remedy)
    ends = datetime.strptime(told.strip(), "notAfter=%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC)
    left = ends - datetime.now(UTC)
    text = f"{path} ends on {ends:%Y-%m-%d}"
    if left < timedelta():
        return Finding(Grade.BAD, "certificates", f"{path} ended on {ends:%Y-%m-%d}", _RENEW)
    if left < _SOON:
        return Finding(Grade.NOTE, "certificates", f"{text}, in {left.days} days", _RENEW)
    return Finding(Grade.GOOD, "certificates", text)


def check_units(_: Node) -> Iterator[Finding]:
    """Ask systemd how our units are, where it runs and has some."""
    told = _asked(["systemctl", "show", "--property=Id,LoadState,ActiveState,Result,UnitFileState", *_UNITS])
    for block in (told or "").split("\n\n"):
        said = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if said.get("LoadState") == "loaded":
            yield _unit(said)


def _unit(said: Mapping[str, str]) -> Finding:
    name, state = said["Id"], said["ActiveState"]
    if state == "failed":
        remedy = f"`journalctl -u {name} -n 50`, then `systemctl restart {name}`"
        return Finding(Grade.BAD, name, f"failed: {said['Result']}", remedy)
    if said["UnitFileState"] == "disabled":
        return Finding(
            Grade.NOTE, name, f"{state}, and does not start by itself", f"`systemctl enable {name}`"
        )
    return Finding(Grade.GOOD, name, state)


def check_containers(_: Node) -> Iterator[Finding]:
    """Ask Docker how the containers of this node are, where they run and we may ask."""
    if not any(_ENV_FOLDER.glob("*.env")) or shutil.which("docker") is None:
        return
    form = '{{.Label "com.docker.compose.service"}}\t{{.State}}\t{{.Status}}'
    told = _asked(
        ["docker", "ps", "--all", "--filter", "label=com.docker.compose.project=ovr", "--format", form]
    )
    for line in (told or "").splitlines():
        name, state, status = line.split("\t")
        done = name in {"prepare", "backup"} and status.startswith("Exited (0)")
        if done or (state == "running" and "unhealthy" not in status):
            yield Finding(Grade.GOOD, f"container {name}", status)
        else:
            yield Finding(Grade.BAD, f"container {name}", status, f"`docker compose -p ovr logs {name}`")


def _asked(command: list[str]) -> str | None:
    """Ask a program; None when it is not there, or cannot tell."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_S, check=False)  # noqa: S603 - our table
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None

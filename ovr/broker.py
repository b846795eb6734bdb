"""The generated configuration of Mosquitto. Pure but for reading the templates."""

import os
from importlib import resources
from pathlib import Path

from ovr.config import Listen, is_loopback
from ovr.layout import Layout
from ovr.ports import Ports
from schemas.errors import ConfigurationError

_MOST_CONNECTIONS = 1000
EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to


def configuration(layout: Layout, listen: Listen, ports: Ports, *, anonymous: bool) -> str:
    """Write `mosquitto.conf`.

    Args:
        layout: where the files it names are.
        listen: where it listens, besides loopback.
        ports: of this node.
        anonymous: let everyone in without a password, on loopback only.

    Raises:
        ConfigurationError: everyone in the network would be let in, or a file to include cannot be read.
    """
    if anonymous and not is_loopback(listen.address):
        raise ConfigurationError(
            f"listen.address is {listen.address}: only `ovr up`, with passwords, listens beyond this machine"
        )
    return _template("mosquitto.conf").format(
        user="user root" if os.geteuid() == 0 else "",
        listeners="\n".join(_listeners(listen, ports)),
        access=_access(layout, anonymous=anonymous),
        include="\n".join(_included(path) for path in listen.include),
    )


def _listeners(listen: Listen, ports: Ports) -> list[str]:
    most = f"max_connections {_MOST_CONNECTIONS}"
    lines = [f"listener {ports.mqtt} {address}\n{most}" for address in _addresses(listen.address)]
    lines += [f"listener {ports.websockets} {listen.address}", "protocol websockets", most]
    if listen.cert_file is not None and listen.key_file is not None:
        certificates = ""
        if listen.client_ca_file is not None:
            certificates = f"cafile {listen.client_ca_file}\nrequire_certificate true"
        lines.append(
            _template("tls.conf").format(
                tls_port=listen.tls_port,
                cert_file=listen.cert_file,
                key_file=listen.key_file,
                client_certificates=certificates,
            )
        )
    return lines


def _addresses(address: str) -> list[str]:
    """List the addresses for MQTT: our own processes always come over loopback."""
    reached = is_loopback(address) or address in EVERYWHERE
    return [address] if reached else ["127.0.0.1", address]


def _access(layout: Layout, *, anonymous: bool) -> str:
    if anonymous:
        return "# A demo: everyone on this machine may do everything.\nallow_anonymous true"
    return (
        "# Made by `ovr user` and at every start.\n"
        "allow_anonymous false\n"
        f"password_file {layout.mosquitto_passwords}\n"
        f"acl_file {layout.mosquitto_acl}"
    )


def _included(path: Path) -> str:
    try:
        return f"\n# From {path}\n{path.read_text(encoding='utf-8')}"
    except OSError as error:
        raise ConfigurationError(f"listen.include names {path}, which cannot be read: {error}") from error


def _template(name: str) -> str:
    return (resources.files("mosquitto") / name).read_text(encoding="utf-8")

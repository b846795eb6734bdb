"""The uplink as the commands see it: its settings with the secrets that files hold."""

from pathlib import Path

from bus.connection import Broker
from ovr.node import Node
from schemas.errors import ConfigurationError
from uplink.shared import Settings


def settings(node: Node) -> Settings:
    """Read what `[uplink]` says.

    Raises:
        ConfigurationError: there is no cloud, or a secret cannot be read.
    """
    said = node.site.uplink
    if said.host is None:
        raise ConfigurationError("there is no cloud: name it in [uplink] of site.toml, see docs/uplink.md")
    user = said.user or node.site.node_id
    cloud = Broker(
        host=said.host,
        port=said.port,
        username=user,
        password=_secret(said.password_file, "uplink.password_file"),
        tls=said.tls,
        ca_file=_readable(said.ca_file, "uplink.ca_file"),
        cert_file=_readable(said.cert_file, "uplink.cert_file"),
        key_file=_readable(said.key_file, "uplink.key_file"),
        prefix=said.prefix,
    )
    return Settings(
        cloud=cloud,
        node_id=node.site.node_id,
        bytes_per_s=said.bytes_per_s,
        linger_s=said.linger_s,
        level=said.level,
        web_url=said.web_url.rstrip("/") if said.web_url else None,
        web_key=_secret(said.web_key_file, "uplink.web_key_file"),
        web_ca=cloud.ca_file,
        photo_patience_s=said.photo_patience_s,
    )


def _secret(path: Path | None, name: str) -> str | None:
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name} names {path}, which cannot be read: {error}") from error
    if not text:
        raise ConfigurationError(f"{name} names {path}, which is empty")
    return text


def _readable(path: Path | None, name: str) -> str | None:
    if path is None:
        return None
    try:
        path.open("rb").close()
    except OSError as error:
        raise ConfigurationError(f"{name} names {path}, which cannot be read: {error}") from error
    return str(path)

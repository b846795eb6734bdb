"""How a node sends its journal to the cloud: `[uplink]` of site.toml."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from schemas.errors import ConfigurationError

_LAST_PORT = 65_535
_SLOWEST = 500
_LEVELS = range(1, 20)


@dataclass(frozen=True, slots=True)
class UplinkSettings:
    """The cloud; without a host there is no uplink.

    Attributes:
        host, port: of its broker.
        user: who we are to it, of role `uplink`; the node_id when left out.
        password_file: of that user.
        tls: encrypt; the certificate is checked against `ca_file`, or the system's authorities.
        cert_file, key_file: our own certificate, where the cloud asks for one.
        prefix: of the cloud's topics.
        bytes_per_s: of everything that is sent; None: as much as the link carries.
        linger_s: samples wait so long for others: larger batches are fewer bytes.
        level: of the compression (zstd): higher is smaller, and slower.
        web_url: of its HTTP API, for photos; without it photos stay here.
        web_key_file: its key, of role `uplink`.
        photo_patience_s: a photo that cannot be brought holds its event back no longer than this.
    """

    host: str | None = None
    port: int = 8883
    user: str | None = None
    password_file: Path | None = None
    tls: bool = True
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    prefix: str = "ovr"
    bytes_per_s: float | None = None
    linger_s: float = 2.0
    level: int = 5
    web_url: str | None = None
    web_key_file: Path | None = None
    photo_patience_s: float = 600.0


def check(said: UplinkSettings, where: str) -> None:
    """Make sure that the settings can be.

    Raises:
        ConfigurationError: they cannot.
    """
    if not 1 <= said.port <= _LAST_PORT:
        raise ConfigurationError(f"{where}: uplink.port must be 1 to {_LAST_PORT}")
    if said.bytes_per_s is not None and said.bytes_per_s < _SLOWEST:
        raise ConfigurationError(f"{where}: uplink.bytes_per_s must be at least {_SLOWEST}")
    if said.level not in _LEVELS:
        raise ConfigurationError(f"{where}: uplink.level must be {_LEVELS.start} to {_LEVELS.stop - 1}")
    if not 0 <= said.linger_s <= 60 or said.photo_patience_s < 0:  # noqa: PLR2004 - a minute
        raise ConfigurationError(f"{where}: uplink.linger_s must be 0 to 60, and no patience be negative")
    if said.web_url is not None and urlsplit(said.web_url).scheme not in {"http", "https"}:
        raise ConfigurationError(f"{where}: uplink.web_url must begin with https:// or http://")
    if bool(said.cert_file) != bool(said.key_file):
        raise ConfigurationError(f"{where}: uplink.cert_file and uplink.key_file go together")

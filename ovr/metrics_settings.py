"""How the figures of our own processes are served: `[metrics]` of site.toml."""

from dataclasses import dataclass

from schemas.errors import ConfigurationError

_LAST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Where each process serves /metrics, for VictoriaMetrics.

    Attributes:
        enabled: serve and scrape them.
        address: where to listen; nobody is asked for a password.
        port: of the process, where each has a network of its own; `ovr up` gives every process another.
        every_s: how often VictoriaMetrics asks.
    """

    enabled: bool = True
    address: str = "127.0.0.1"
    port: int | None = None
    every_s: float = 15.0


def check(said: MetricsSettings, where: str) -> None:
    """Make sure that the settings can be.

    Raises:
        ConfigurationError: they cannot.
    """
    if said.port is not None and not 1 <= said.port <= _LAST_PORT:
        raise ConfigurationError(f"{where}: metrics.port must be 1 to {_LAST_PORT}")
    if not 1 <= said.every_s <= 3600:  # noqa: PLR2004 - an hour
        raise ConfigurationError(f"{where}: metrics.every_s must be 1 to 3600")

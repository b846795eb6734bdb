"""What the configuration says about alerts, as the limits that hold."""

import yaml

from detection.limits import LimitsOf, Said, limits_of, packaged, read, specified
from ovr.config import AlertSettings
from schemas.errors import ConfigurationError


def limits(settings: AlertSettings) -> LimitsOf:
    """Put together what the program, the event counters' YAML file and site.toml say.

    Raises:
        ConfigurationError: a file cannot be read, or says what cannot be.
    """
    said = [packaged(), _from_yaml(settings), read(settings.thresholds, "alerts.thresholds")]
    return limits_of(*said, systems=settings.systems)


def _from_yaml(settings: AlertSettings) -> Said:
    if settings.yaml is None:
        return {}
    try:
        document = yaml.safe_load(settings.yaml.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"alerts.yaml: {settings.yaml} cannot be read: {error}") from error
    return specified(document, str(settings.yaml))

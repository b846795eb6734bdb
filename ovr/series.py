"""What the configuration says about the series projector, as its settings."""

from ovr.config import Site
from projectors.lines import load_compatibility
from projectors.series_projector import Settings
from schemas.errors import ConfigurationError


def settings(site: Site) -> Settings:
    """Return the settings that a site's configuration asks for.

    Raises:
        ConfigurationError: the table of names cannot be read.
    """
    if not site.series.compatibility:
        return Settings()
    try:
        return Settings(load_compatibility(site.series.database, site.series.names_file))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"series.names_file cannot be read: {error}") from error

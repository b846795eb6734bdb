"""Up to where samples may be erased from the journal: as far as the archive, and the cloud, have them.

Rules that must stay true here:
- in doubt nothing is erased;
- positions of another life of the journal are of other events: what was held of it says nothing of this one.
"""

from pathlib import Path

from bus import uplink_checkpoint
from ovr.config import Site
from ovr.layout import Layout

_EVERYTHING = 2**62


def erasable(site: Site, layout: Layout, incarnation: str) -> int:
    """Return the position in a life of the journal; 0 while an archive that is to be kept has none of it."""
    archived = _EVERYTHING
    if "projector-archive" not in site.without:
        archived = _archived(layout.archive / "current", incarnation)
    return min(archived, _sent(site, layout.data, incarnation))


def _archived(root: Path, incarnation: str) -> int:
    from projectors.archive_place import place_of  # noqa: PLC0415 - asked when something is due

    place = place_of(root.resolve())
    return 0 if place is None or place.incarnation != incarnation else place.position


def _sent(site: Site, data: Path, incarnation: str) -> int:
    if site.disk.erase_unsent or site.uplink.host is None:
        return _EVERYTHING
    return uplink_checkpoint.sent_upto(data, incarnation)

"""Up to where samples may be erased from the journal: as far as the archive, and the cloud, have them.

Rules that must stay true here: in doubt nothing is erased.
"""

from pathlib import Path

from bus import uplink_checkpoint
from ovr.config import Site
from ovr.layout import Layout

_EVERYTHING = 2**62


def erasable(site: Site, layout: Layout) -> int:
    """Return the position; 0 while an archive that is to be kept has none."""
    archived = _EVERYTHING if "projector-archive" in site.without else _archived(layout.archive / "current")
    return min(archived, _sent(site, layout.data))


def _archived(root: Path) -> int:
    from projectors.archive_place import place_of  # noqa: PLC0415 - asked when something is due

    place = place_of(root.resolve())
    return 0 if place is None else place.position


def _sent(site: Site, data: Path) -> int:
    if site.disk.erase_unsent or site.uplink.host is None:
        return _EVERYTHING
    return uplink_checkpoint.sent_upto(data) or 0

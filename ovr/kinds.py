"""The SQLite read models of a node, by name; each is imported when it is asked for."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from projectors.kind import Kind

KINDS: Final = ("state", "counters")


def kind_of(name: str) -> "Kind":
    """Return what is to be known of one of `KINDS`."""
    if name == "counters":
        from projectors.counters import kind as counters  # noqa: PLC0415 - only who needs it loads it

        return counters()
    from projectors.state import STATE  # noqa: PLC0415 - as above

    return STATE

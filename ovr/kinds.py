"""The SQLite read models of a node, by name; each is imported when it is asked for."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ovr.node import Node
    from projectors.kind import Kind

KINDS: Final = ("state", "counters")


def kind_of(name: str, node: "Node") -> "Kind":
    """Return what is to be known of one of `KINDS`.

    Raises:
        ConfigurationError: what the configuration says about it does not fit.
    """
    if name == "counters":
        from ovr.counters import counters_kind  # noqa: PLC0415 - only who needs it loads it

        return counters_kind(node.site.counters, node.layout.data)
    from projectors.state import STATE  # noqa: PLC0415 - as above

    return STATE

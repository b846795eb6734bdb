"""What may be wrong with a node, looked at from outside, and what to do about it.

Rules that must stay true here:
- looking changes nothing, and no check can stop the others;
- every finding that is not good says what to do.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence

from ovr.deployment_checks import check_certificates, check_containers, check_units
from ovr.findings import Finding, Grade
from ovr.keeping_checks import check_backups, check_restores, check_room
from ovr.machine_checks import (
    check_clock,
    check_disk,
    check_mount,
    check_permissions,
    check_programs,
    check_python,
)
from ovr.node import Node
from ovr.node_checks import check_journal, check_network, check_services
from schemas.errors import OvrError

Check = Callable[[Node], Iterator[Finding]]
CHECKS: Sequence[Check] = (
    check_programs,
    check_python,
    check_mount,
    check_disk,
    check_clock,
    check_permissions,
    check_network,
    check_certificates,
    check_units,
    check_containers,
    check_services,
    check_journal,
    check_room,
    check_backups,
    check_restores,
)


def examine(node: Node, checks: Sequence[Check] = CHECKS) -> Iterator[Finding]:
    """Look at everything."""
    for check in checks:
        yield from _safely(check, node)


def _safely(check: Check, node: Node) -> Iterator[Finding]:
    what = check.__name__.removeprefix("check_")
    try:
        yield from check(node)
    except OvrError as error:
        yield Finding(Grade.BAD, what, str(error), "do what the sentence says")
    except (OSError, sqlite3.Error) as error:
        yield Finding(Grade.BAD, what, f"cannot be looked at: {error}", "run this as the node's user")

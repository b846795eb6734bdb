"""The checks of `ovr doctor` that look at what is kept: backups, room on the disk, what restores left."""

from collections.abc import Iterator

from bus import instants
from bus.disk_guard import RESERVE, room
from bus.disk_levels import DOES, Level, level_at
from ovr.backup_state import load
from ovr.findings import Finding, Grade
from ovr.node import Node

_LATE = 2.0


def check_backups(node: Node) -> Iterator[Finding]:
    """Tell how old the newest backup is, and whether the last try made one."""
    said, state, now_us = node.site.backup, load(node.layout.backup_state), instants.now_us()
    age_s = state.age_s(now_us)
    if age_s is None:
        if node.layout.journal.is_dir():
            remedy = "[backup] in site.toml, or `ovr backup --to DIRECTORY` now and then"
            yield Finding(Grade.NOTE, "backup", f"there is none {state.problem}".rstrip(), remedy)
    else:
        told = f"{state.name}, {age_s / 3600:.1f} h old, up to position {state.position:,} in {state.place}"
        old = said.to is not None and age_s > _LATE * said.every_h * 3600
        remedy = f"see {node.layout.logs / 'backup.log'}; `ovr backup` tries again" if old else ""
        yield Finding(Grade.BAD if old else Grade.GOOD, "backup", told, remedy)
    if state.problem and age_s is not None:
        yield Finding(
            Grade.NOTE, "backup", f"the last try made none: {state.problem}", "do what the sentence says"
        )


def check_room(node: Node) -> Iterator[Finding]:
    """Tell what is given up for want of room, and whether there is any kept for what operators say."""
    if not node.layout.journal.is_dir():
        return
    free, total = room(node.layout.journal)
    limits = node.site.disk.limits()
    level = level_at(Level.GOOD, free, limits.of(total))
    if level is not Level.GOOD:
        remedy = "make room, or a larger disk; it goes back by itself. docs/backup.md says what comes next"
        grade = Grade.BAD if level >= Level.ERASING else Grade.NOTE
        yield Finding(grade, "room", f"{free / 1e6:,.0f} MB are free: {DOES[level]}", remedy)
    elif limits.reserve(total) and not (node.layout.journal / RESERVE).exists():
        remedy = "the recorder keeps it as soon as it runs"
        yield Finding(Grade.NOTE, "room", "nothing is kept for when the disk is full", remedy)


def check_restores(node: Node) -> Iterator[Finding]:
    """Find what restores left behind."""
    if node.layout.restoring.exists():
        remedy = "run the same `ovr restore` again"
        yield Finding(Grade.BAD, "restore", "a restore was interrupted", remedy)
    for path in sorted(node.layout.data.glob("replaced-*")):
        remedy = f"when nothing of it is needed any more: `rm -r {path}`"
        yield Finding(Grade.NOTE, "restore", f"what a restore replaced is still in {path}", remedy)

"""How much of the disk's life is used up, where it can be read without being root.

Rules that must stay true here:
- an eMMC tells it in `/sys`; other disks through `smartctl`, when it is installed and may open the disk;
- a disk is never woken for it, and asked only now and then: wear takes months.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from producers.host_readings import Readings, block_device

_EVERY_S = 900.0
_PATIENCE_S = 20.0
_MOST_WORN = 0x0B
_HOUR_S = 3600.0
_LIFE_LEFT = frozenset(  # of SATA disks, whose makers agree on no number: the name that smartctl gives
    {
        "Wear_Leveling_Count",
        "SSD_Life_Left",
        "Media_Wearout_Indicator",
        "Percent_Lifetime_Remain",
        "Remaining_Lifetime_Perc",
    }
)


class Wear:
    """Reads the wear of the disk that a directory is on.

    Args:
        blocks: the kernel's list of block devices.
        devices: where their device files are.
    """

    def __init__(
        self, data: Path, blocks: Path = Path("/sys/class/block"), devices: Path = Path("/dev")
    ) -> None:
        self._data, self._blocks, self._devices = data, blocks, devices
        self._smart: Readings = {}
        self._asked_at = -_EVERY_S

    def read(self) -> Readings:
        """Read it; empty when it cannot be known."""
        if not self._data.exists():
            return {}
        disk = whole_disk(block_device(self._data), self._blocks)
        if not disk:
            return {}
        card = flash(self._blocks / disk / "device")
        return card or self._by_smart(disk)

    def _by_smart(self, disk: str) -> Readings:
        if time.monotonic() - self._asked_at >= _EVERY_S:
            self._asked_at = time.monotonic()
            program, device = shutil.which("smartctl"), self._devices / disk
            readable = program is not None and os.access(device, os.R_OK)
            self._smart = smart(_asked(str(program), device)) if readable else {}
        return self._smart


def whole_disk(name: str, blocks: Path) -> str:
    """Name the disk below a partition, a mapping or an encryption; empty when there is no single one."""
    for _ in range(8):
        if not name or not (blocks / name).exists():
            return ""
        folder = (blocks / name).resolve()
        if (folder / "partition").exists():
            name = folder.parent.name
            continue
        below = sorted(path.name for path in folder.glob("slaves/*"))
        if not below:
            return name
        name = below[0] if len(below) == 1 else ""
    return ""


def flash(device: Path) -> Readings:
    """Read what an eMMC tells: two lives in steps of 10 %, and its own verdict."""
    lives = [life for word in _words(device / "life_time") if 0 < (life := _hex(word)) <= _MOST_WORN]
    verdict = next((_hex(word) for word in _words(device / "pre_eol_info")), 0)
    values: Readings = {}
    if lives:
        values["disk_wear_pct"] = float(max(lives) * 10)
    if verdict:
        values["disk_end_of_life_code"] = float(verdict)
    return values


def smart(said: Mapping[str, Any]) -> Readings:
    """Read what smartctl says, in its JSON."""
    log = _object(said.get("nvme_smart_health_information_log"))
    found = {
        "disk_wear_pct": _object(said.get("endurance_used")).get(
            "current_percent", log.get("percentage_used", _sata(said))
        ),
        "disk_spare_pct": _object(said.get("spare_available")).get(
            "current_percent", log.get("available_spare")
        ),
        "disk_media_errors_count": log.get("media_errors"),
    }
    hours: Any = _object(said.get("power_on_time")).get("hours")
    values = {name: float(value) for name, value in found.items() if _is_number(value)}
    return values | ({"disk_power_on_s": hours * _HOUR_S} if _is_number(hours) else {})


def _sata(said: Mapping[str, Any]) -> int | None:
    table = _object(said.get("ata_smart_attributes")).get("table")
    for row in table if isinstance(table, list) else ():
        value = _object(row).get("value")
        if _object(row).get("name") in _LIFE_LEFT and isinstance(value, int) and 0 <= value <= 100:  # noqa: PLR2004
            return 100 - value
    return None


def _asked(program: str, device: Path) -> Mapping[str, Any]:
    command = [program, "--json=c", "--nocheck=standby", "--health", "--attributes", str(device)]
    try:
        answer = subprocess.run(  # noqa: S603 - smartctl, and a device of the kernel's list
            command, capture_output=True, timeout=_PATIENCE_S, check=False, stdin=subprocess.DEVNULL
        )
        return _object(json.loads(answer.stdout))
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return {}


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return []


def _hex(word: str) -> int:
    try:
        return int(word, 16)
    except ValueError:
        return 0


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

"""Whether the processor is slowed down, by heat or by a weak supply, where the machine tells."""

from collections import defaultdict
from pathlib import Path

from producers.host_readings import Readings

SYSTEM = Path("/sys")
ALARMS = (
    ("under_voltage", "alarm", 0x1),
    ("throttled", "warning", 0xE),  # frequency capped, throttled, soft temperature limit
)
"""Of the Raspberry Pi's `get_throttled`: alarm, level, bits. The bits from 16 on say "since boot"."""

_FIRMWARE = "devices/platform/soc/soc:firmware/get_throttled"


def read(system: Path = SYSTEM) -> Readings:
    """Read what there is."""
    return _by_heat(system) | _by_firmware(system)


def _by_heat(system: Path) -> Readings:
    """Sum what Intel's processors count: of each core once, although its threads all show it."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    times_ms: dict[tuple[str, str], int] = defaultdict(int)
    for folder in system.glob("devices/system/cpu/cpu[0-9]*/thermal_throttle"):
        core = _text(folder / "../topology/physical_package_id"), _text(folder / "../topology/core_id")
        key = core if all(core) else (folder.parent.name, "")
        counts[key] = max(counts[key], _number(folder / "core_throttle_count"))
        times_ms[key] = max(times_ms[key], _number(folder / "core_throttle_total_time_ms"))
    if not counts:
        return {}
    return {
        "cpu_throttled_count": float(sum(counts.values())),
        "cpu_throttled_s": sum(times_ms.values()) / 1000,
    }


def _by_firmware(system: Path) -> Readings:
    text = _text(system / _FIRMWARE)
    try:
        return {"host_throttled_code": float(int(text, 16))} if text else {}
    except ValueError:
        return {}


def _number(path: Path) -> int:
    text = _text(path)
    return int(text) if text.isdecimal() else 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""

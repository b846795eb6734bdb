"""What psutil tells about this machine: processor, memory, disk, network, load, temperatures."""

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil

Readings = dict[str, float | None]

_CPU_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "cpu-thermal", "soc_thermal")
_DISK_SENSORS = ("nvme", "drivetemp")
_MOST_CORES = 32


def processor() -> Readings:
    """Read the use of the processor since the last call, of all cores and of each."""
    cores = psutil.cpu_percent(percpu=True)
    values: Readings = {"cpu_pct": round(sum(cores) / len(cores), 1)}
    values |= {f"cpu_{number}_pct": use for number, use in enumerate(cores[:_MOST_CORES], start=1)}
    frequency = psutil.cpu_freq()
    if frequency is not None and frequency.current:
        values["cpu_frequency_hz"] = round(frequency.current * 1e6)
    return values


def memory() -> Readings:
    """Read memory, and swap where there is one."""
    main, swap = psutil.virtual_memory(), psutil.swap_memory()
    values: Readings = {
        "memory_used_pct": main.percent,
        "memory_total_bytes": main.total,
        "memory_used_bytes": main.used,
        "memory_available_bytes": main.available,
    }
    if swap.total:
        values |= {
            "swap_used_pct": swap.percent,
            "swap_total_bytes": swap.total,
            "swap_used_bytes": swap.used,
        }
    return values


def disk(data: Path) -> Readings:
    """Read the disk that `data` is on: its space, and its traffic where the system counts it."""
    usage = psutil.disk_usage(str(data))
    values: Readings = {
        "disk_used_pct": usage.percent,
        "disk_total_bytes": usage.total,
        "disk_used_bytes": usage.used,
        "disk_free_bytes": usage.free,
    }
    counters = psutil.disk_io_counters(perdisk=True) or {}
    found = counters.get(block_device(data))
    if found is not None:
        values |= {
            "disk_read_bytes": found.read_bytes,
            "disk_written_bytes": found.write_bytes,
            "disk_reads_count": found.read_count,
            "disk_writes_count": found.write_count,
        }
        if hasattr(found, "busy_time"):
            values["disk_busy_s"] = found.busy_time / 1000
    return values


def network() -> Readings:
    """Read the traffic of all interfaces but loopback."""
    counters = [
        count for name, count in psutil.net_io_counters(pernic=True).items() if not name.startswith("lo")
    ]
    if not counters:
        return {}

    def total(field: str) -> int:
        return sum(getattr(count, field) for count in counters)

    return {
        "net_received_bytes": total("bytes_recv"),
        "net_sent_bytes": total("bytes_sent"),
        "net_received_count": total("packets_recv"),
        "net_sent_count": total("packets_sent"),
        "net_receive_errors_count": total("errin"),
        "net_send_errors_count": total("errout"),
        "net_receive_drops_count": total("dropin"),
        "net_send_drops_count": total("dropout"),
    }


def load() -> Readings:
    """Read how busy the machine is and how long it has been up."""
    one, five, fifteen = psutil.getloadavg()
    return {
        "host_load_1m_count": round(one, 2),
        "host_load_5m_count": round(five, 2),
        "host_load_15m_count": round(fifteen, 2),
        "host_processes_count": len(psutil.pids()),
        "host_uptime_s": round(time.clock_gettime(time.CLOCK_BOOTTIME), 1),
    }


def temperatures() -> Readings:
    """Read the sensors that there are."""
    sensors: Mapping[str, Any] = getattr(psutil, "sensors_temperatures", dict)()
    fans: Mapping[str, Any] = getattr(psutil, "sensors_fans", dict)()
    values = {
        "host_temperature_c": _highest(sensors, sensors),
        "cpu_temperature_c": _highest(sensors, _CPU_SENSORS),
        "disk_temperature_c": _highest(sensors, _DISK_SENSORS),
        "host_fan_rpm": _highest(fans, fans),
    }
    return {name: value for name, value in values.items() if value is not None}


def _highest(sensors: Mapping[str, Any], wanted: Iterable[str]) -> float | None:
    """Give the highest value of some sensors; None when there is none of them."""
    return max(
        (
            float(item.current)
            for name in wanted
            for item in sensors.get(name, ())
            if item.current is not None
        ),
        default=None,
    )


def block_device(path: Path) -> str:
    """Name the block device that a path is on, as the kernel does; empty when it is on none."""
    number = path.stat().st_dev
    node = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    return node.resolve().name if node.exists() else ""

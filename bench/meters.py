"""A fleet of simulated Acuvim II meters, each with a port of its own, some of which can be made to hang."""

import asyncio
import math
import time
from collections.abc import Mapping
from pathlib import Path

import orjson

from producers.simulator.layouts.acuvim_ii import acuvim_ii
from producers.simulator.modbus_image import Tell
from producers.simulator.modbus_server import Failure, Fault, ModbusServer

_LOOK_EVERY_S = 0.2


def serve(count: int, directory: Path) -> None:
    """Be `count` meters until SIGTERM; write their ports, and do what the files there say."""
    asyncio.run(_serve(count, directory))


def hang(directory: Path, count: int) -> None:
    """Let the first `count` meters accept connections and never answer from now on, and the others answer."""
    _write(directory / "hang.json", count)


def ports(directory: Path) -> list[int]:
    """Return the ports of the meters; none while they are not ready."""
    try:
        return [int(port) for port in orjson.loads((directory / "ports.json").read_bytes())]
    except FileNotFoundError:
        return []


async def _serve(count: int, directory: Path) -> None:
    fleet = [ModbusServer({1: acuvim_ii(_line(number), serial=f"AH{number:06d}")}) for number in range(count)]
    for server in fleet:
        await server.start()
    _write(directory / "ports.json", [server.port for server in fleet])
    hanging = 0
    while True:
        await asyncio.sleep(_LOOK_EVERY_S)
        wanted = _wanted(directory)
        if wanted != hanging:
            hanging = wanted
            for number, server in enumerate(fleet):
                await server.fail(Fault(Failure.SILENT) if number < hanging else None)


def _line(number: int) -> Tell:
    """Make a line whose load goes up and down."""

    def tell() -> Mapping[str, float | None]:
        swing = 1 + 0.2 * math.sin(time.monotonic() / 10 + number)
        readings: dict[str, float | None] = {"ac_frequency_hz": 50.0, "ac_voltage_v": 230.0}
        for phase in ("l1", "l2", "l3"):
            readings |= {
                f"ac_{phase}_voltage_v": 230.0,
                f"ac_{phase}_current_a": 10 * swing,
                f"ac_{phase}_power_w": 2_300 * swing,
                f"ac_{phase}_power_factor_ratio": 1.0,
            }
        return readings | {"ac_power_w": 6_900 * swing, "ac_energy_import_wh": 1e6 + number * 1e3}

    return tell


def _wanted(directory: Path) -> int:
    try:
        return int(orjson.loads((directory / "hang.json").read_bytes()))
    except FileNotFoundError:
        return 0


def _write(path: Path, said: object) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(orjson.dumps(said))
    part.replace(path)

"""Devices that answer anything at all: reads fail as reads may, none is wrong, nothing is left behind."""

import asyncio
import contextlib
import random
from contextlib import AsyncExitStack
from pathlib import Path

from producers.adapter import DeviceError, DeviceSpec
from producers.clock import SystemClock
from producers.modbus.source import ModbusSource
from producers.source import Setting
from tests.modbus_peers import Reply, Request, holding, raw
from tests.modbus_words import acuvim_ii

READS = 30
LIMITS_S = (0.02, 0.1, 1.0)


def misbehaving(chance: random.Random, well: Reply) -> Reply:
    """Answer well nine times out of ten, and wrongly in every way we know."""

    async def silent(_: Request) -> bytes | None:
        return b""

    async def cut(_: Request) -> bytes | None:
        return None

    async def babble(_: Request) -> bytes | None:
        return chance.randbytes(chance.randrange(1, 80))

    async def half(request: Request) -> bytes | None:
        answer = await well(request) or b""
        return answer[: chance.randrange(len(answer))]

    async def late(request: Request) -> bytes | None:
        await asyncio.sleep(0.12)
        return await well(request)

    async def refuse(request: Request) -> bytes | None:
        return request.refuse(chance.choice([1, 2, 3, 4, 6, 11]))

    async def short(request: Request) -> bytes | None:
        return request.answer([1] * chance.choice([at for at in range(1, 125) if at != request.count]))

    async def another(request: Request) -> bytes | None:
        return request.answer(transaction=request.transaction + chance.randrange(1, 1000))

    ways = (silent, cut, babble, half, late, refuse, short, another)

    async def reply(request: Request) -> bytes | None:
        return await (well if chance.random() < 0.9 else chance.choice(ways))(request)

    return reply


async def read_often(spec: DeviceSpec, chance: random.Random) -> None:
    """Read often, and until it worked; all that was read is right."""
    tried = worked = 0
    while tried < READS or not worked:
        tried += 1
        try:
            async with asyncio.timeout(chance.choice(LIMITS_S)):
                read = await spec.adapter.read()
        except (DeviceError, TimeoutError):
            continue
        worked += 1
        assert read.values.get("ac_l1_voltage_v", 230) == 230
        assert round(read.values.get("ac_power_w", 6900) or 0) == 6900
        assert read.values.get("ac_energy_import_wh", 17_807_783_300) == 17_807_783_300


def sockets() -> set[str]:
    """Name this process's sockets; no two have one name, however often a number is used again."""
    names = set()
    for file in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            names.add(str(file.readlink()))
    return {name for name in names if name.startswith("socket:")}


def test_nothing_that_devices_answer_breaks_more_than_a_read(tmp_path: Path) -> None:
    async def test() -> None:
        chance = random.Random(7)
        async with AsyncExitStack() as stack:
            servers = [
                await stack.enter_async_context(raw(misbehaving(chance, holding(acuvim_ii()))))
                for _ in range(5)
            ]
            devices = [
                {
                    "host": "127.0.0.1",
                    "port": server.port,
                    "unit": unit,
                    "map": "acuvim_ii",
                    "system_id": name,
                }
                for number, server in enumerate(servers)
                for unit, name in ((1, f"m{number}"), (2, f"n{number}"))
            ]
            options = {"timeout_ms": 60, "devices": devices}
            setting = Setting("site", tmp_path, tmp_path / "modbus.json", SystemClock(), options)
            before = sockets(), asyncio.all_tasks()
            specs = list(ModbusSource(setting).specs())

            # Every device's polls get through, among whatever goes wrong with the others.
            await asyncio.gather(*(read_often(spec, chance) for spec in specs))

            for spec in specs:
                await spec.adapter.close()
            for server in servers:
                server.close_all()
            while not (sockets() <= before[0] and asyncio.all_tasks() <= before[1]):  # noqa: ASYNC110 - the kernel's state
                await asyncio.sleep(0.01)

    asyncio.run(test())

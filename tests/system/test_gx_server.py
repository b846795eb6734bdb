"""A simulated GX on its own Mosquitto, seen by independent clients that follow Victron's documentation."""

import asyncio
import json
import math
import re
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from producers.pace import Pace
from producers.paced_loop import run
from producers.simulator.gx_device import GxDevice
from producers.simulator.gx_server import GxOptions, GxServer, Rates, Service
from producers.simulator.gx_service import BUSY, Values
from tests.gx_site import PORTAL, Listener, Rig, running, until

FAST = Pace(speed=30.0)
QUICK = GxOptions(rates=Rates(0.04, 0.08, 0.16))


@asynccontextmanager
async def watched(
    directory: Path, rig: Rig, options: GxOptions = QUICK
) -> AsyncIterator[tuple[GxServer, Listener]]:
    async with running(directory, rig.services(), options) as server:
        listener = Listener(server)
        try:
            await until(lambda: listener.connects, "the client is connected")
            yield server, listener
        finally:
            listener.close()


def command(*words: str) -> Coroutine[Any, Any, asyncio.subprocess.Process]:
    return asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


async def output(*words: str) -> str:
    process = await command(*words)
    said, complaint = await process.communicate()
    assert process.returncode in {0, 27}, complaint  # 27: mosquitto_sub's own time limit
    return said.decode()


def test_it_is_discovered_by_its_one_retained_topic(tmp_path: Path) -> None:
    async def see() -> None:
        async with running(tmp_path, Rig().services(), QUICK) as server:
            port = str(server.port)
            found = await output("mosquitto_sub", "-p", port, "-t", "N/+/system/0/Serial", "-v", "-C", "1")
            assert found.split(" ") == [f"N/{PORTAL}/system/0/Serial", '{"value":"c0619ab00001"}\n']
            everything = await output("mosquitto_sub", "-p", port, "-t", "#", "-v", "-W", "1", "-F", "%r %t")
            assert everything.splitlines() == [f"1 N/{PORTAL}/system/0/Serial"]

    run(see())


def test_debians_client_gets_a_snapshot_and_then_changes(tmp_path: Path) -> None:
    async def see() -> None:
        async with running(tmp_path, Rig().services(), QUICK) as server:
            port = str(server.port)
            listening = await command(
                "mosquitto_sub", "-p", port, "-t", "N/#", "-t", "$SYS/broker/uptime", "-v", "-W", "2"
            )
            assert listening.stdout is not None
            await listening.stdout.readline()  # the retained serial: it has subscribed
            await output("mosquitto_pub", "-p", port, "-t", f"R/{PORTAL}/keepalive", "-n")
            said, _ = await listening.communicate()
        lines = [line.split(" ", 1) for line in said.decode().splitlines()]
        topics = [topic for topic, _ in lines]
        end = topics.index(f"N/{PORTAL}/full_publish_completed")
        products = {topic for topic in topics[:end] if re.fullmatch(r"N/\w+/\w+/\d+/ProductId", topic)}
        assert {topic.split("/")[2] for topic in products} >= {"vebus", "battery", "grid", "solarcharger"}
        assert len(set(topics[:end])) > 250
        assert topics[end + 1 :].count(f"N/{PORTAL}/vebus/276/Ac/Out/L1/P") > 5
        assert dict(lines[: end + 1])[f"N/{PORTAL}/grid/30/Ac/Energy/Forward"] == '{"value":5276.4}'

    run(see())


def test_a_client_recognises_its_own_snapshot_and_may_do_without(tmp_path: Path) -> None:
    async def see() -> None:
        async with watched(tmp_path, Rig()) as (server, client):
            client.keep_alive(suppress=True)
            await until(lambda: server.alive, "the keep-alive counts")
            await until(lambda: client.told("vebus/276/Ac/Out/L1/P"), "changes are told")
            assert "vebus/276/ProductName" not in client.topics()
            client.keep_alive(echo="snapshot-7")
            await until(lambda: client.told("full_publish_completed"), "the snapshot ends")
            ends = [payload for topic, payload, _ in client.messages if topic.endswith("_completed")]
            assert json.loads(ends[0])["full-publish-completed-echo"] == "snapshot-7"
            assert client.told("vebus/276/ProductName") == ["MultiPlus 48/5000/70-100"]

    run(see())


def test_the_fourth_snapshot_of_a_second_is_dropped_without_a_word(tmp_path: Path) -> None:
    async def see() -> None:
        async with watched(tmp_path, Rig()) as (_, client):
            for number in range(6):
                client.keep_alive(echo=str(number))
            client.send("R/vebus/276/Mode")
            await until(lambda: len(client.told("vebus/276/Mode")) >= 4, "the read is answered last")
            assert len(client.told("full_publish_completed")) == 3
            await asyncio.sleep(1.1)
            client.keep_alive(echo="later")
            await until(lambda: len(client.told("full_publish_completed")) == 4, "a second later it answers")

    run(see())


def test_it_falls_silent_a_minute_after_the_last_keep_alive(tmp_path: Path) -> None:
    async def see() -> None:
        async with watched(tmp_path, Rig(), GxOptions()) as (server, client):
            started = asyncio.get_running_loop().time()
            client.keep_alive()
            await until(lambda: server.alive, "it is kept alive")
            await until(lambda: not server.alive, "the keep-alive runs out")
            assert asyncio.get_running_loop().time() - started > 59.0
            client.send("R/vebus/276/Mode")
            await until(lambda: len(client.told("vebus/276/Mode")) == 2, "a read is answered in silence")
            heard = len(client.messages)
            await asyncio.sleep(30.0)
            assert client.topics()[heard:] == []
            assert len(client.told("heartbeat")) <= 20

    run(see(), FAST)


def test_a_device_that_is_unplugged_empties_its_topics_and_comes_back(tmp_path: Path) -> None:
    rig, plugged = Rig(), True

    def tell() -> Values | None:
        return {"pvinverter_l1_power_w": 900.0, "pvinverter_energy_import_wh": 12_240.0} if plugged else None

    async def see() -> None:
        nonlocal plugged
        services = [*rig.services(), Service("pvinverter", 31, tell)]
        async with running(tmp_path, services, QUICK) as server:
            client = Listener(server)
            try:
                await until(lambda: client.connects, "the client is connected")
                client.keep_alive()
                await until(lambda: client.told("full_publish_completed"), "the snapshot ends")
                known = {topic for topic in client.topics() if topic.startswith("pvinverter/")}
                assert len(known) > 15
                assert client.told("pvinverter/31/Ac/L2/Power") == [None]
                assert client.told("system/0/Ac/PvOnOutput/L1/Power") == [900.0]
                plugged = False
                await until(lambda: client.told("pvinverter/31/Ac/Power")[-1] == "<left>", "it left")
                await until(
                    lambda: client.told("system/0/Ac/PvOnOutput/L1/Power")[-1] is None, "the system knows it"
                )
                assert {client.told(topic)[-1] for topic in known} == {"<left>"}
                plugged = True
                await until(lambda: client.told("pvinverter/31/Ac/Power")[-1] == 900.0, "it is back")
                assert client.told("pvinverter/31/ProductName")[-1] == "Fronius Symo"
            finally:
                client.close()

    run(see())


def test_a_device_leaves_aloud_even_when_nobody_keeps_the_gx_alive(tmp_path: Path) -> None:
    plugged = True

    def tell() -> Values | None:
        return {"tank_level_pct": 33.0} if plugged else None

    async def see() -> None:
        nonlocal plugged
        async with running(tmp_path, [Service("tank", 20, tell)], QUICK) as server:
            client = Listener(server)
            try:
                await until(lambda: client.told("system/0/Serial"), "the client is connected")
                plugged = False
                await until(lambda: "tank/20/Level" in client.topics(), "it left")
                assert client.told("tank/20/Level") == ["<left>"]
            finally:
                client.close()

    run(see())


def test_a_measurement_that_is_not_there_is_null_and_never_zero(tmp_path: Path) -> None:
    rig = Rig()
    rig.values = {name: value for name, value in rig.values.items() if "_l3_" not in name}

    async def see() -> None:
        async with watched(tmp_path, rig) as (_, client):
            client.keep_alive()
            await until(lambda: client.told("full_publish_completed"), "the snapshot ends")
            assert client.told("vebus/276/Ac/Out/L3/P")[0] is None
            assert client.told("vebus/276/Ac/NumberOfPhases")[0] == 2
            rig.values["battery_temperature_c"] = None
            await until(lambda: client.told("battery/1/Dc/0/Temperature")[-1] is None, "the sensor is gone")

    run(see())


def test_after_a_restart_of_the_gx_nobody_keeps_it_alive(tmp_path: Path) -> None:
    async def see() -> None:
        async with watched(tmp_path, Rig()) as (server, client):
            client.keep_alive()
            await until(lambda: client.told("full_publish_completed"), "the snapshot ends")
            client.send("W/vebus/276/Mode", b'{"value": 1}')
            await until(lambda: client.told("vebus/276/Mode")[-1] == 1, "it is written")
            await server.reboot(0.3)
            await until(lambda: client.connects == 2, "the client is back")
            heard = len(client.messages)
            assert not server.alive
            client.keep_alive(echo="again")
            await until(lambda: len(client.told("full_publish_completed")) == 2, "it answers again")
            between = client.topics()[heard:]
            assert between.index("full_publish_completed") > 200
            assert client.told("vebus/276/Mode")[-1] == 1, "what was set survives"

    run(see())


def test_a_broker_that_dies_is_started_again(tmp_path: Path) -> None:
    async def see() -> None:
        async with watched(tmp_path, Rig()) as (server, client):
            asked_s = -math.inf

            def answers() -> bool:
                nonlocal asked_s
                if time.monotonic() > asked_s + 1:  # what is sent before the GX itself is back is lost
                    asked_s = time.monotonic()
                    client.keep_alive()
                return bool(client.told("full_publish_completed"))

            server._broker.kill()
            await until(lambda: client.connects == 2, "the client is back")
            await until(answers, "it answers")

    run(see())


def test_a_gx_that_hangs_says_nothing_and_goes_on(tmp_path: Path) -> None:
    async def see() -> None:
        async with watched(tmp_path, Rig()) as (server, client):
            client.keep_alive(suppress=True)
            await until(lambda: client.told("vebus/276/Ac/Out/L1/P"), "it tells")
            server.hang()
            await asyncio.sleep(0.2)
            heard = len(client.messages)
            await asyncio.sleep(0.3)
            assert len(client.messages) == heard
            server.wake()
            await until(lambda: len(client.messages) > heard + 50, "it goes on")
            assert client.connects == 1

    run(see())


def test_what_clients_write_is_told_back_and_offered_to_the_site(tmp_path: Path) -> None:
    offered: list[object] = []

    def take(*words: object) -> bool:
        offered.append(words)
        return words[0] == "generator"

    async def see() -> None:
        options = replace(QUICK, on_write=take)
        rig = Rig()
        services = [*rig.services(), Service("generator", 0, dict)]
        async with running(tmp_path, services, options) as server:
            client = Listener(server)
            try:
                await until(lambda: client.connects, "the client is connected")
                client.keep_alive()
                client.send("W/system/0/Relay/0/State", b'{"value": 1}')
                client.send("W/generator/0/ManualStart", b'{"value": 1}')
                client.send("W/solarcharger/277/CustomName", '{"value": "Süd"}')
                client.send("W/vebus/276/Soc", b'{"value": 1}')
                client.send("W/vebus/276/Mode", b"\xff not JSON")
                await until(
                    lambda: client.told("solarcharger/277/CustomName")[-1:] == ["Süd"], "the name is set"
                )
                assert client.told("system/0/Relay/0/State")[-1] == 1
                assert server.value("generator", 0, "/ManualStart") == 0, "the site decides"
                assert ("generator", 0, "/ManualStart", 1) in offered
                assert server.value("vebus", 276, "/Soc") == 80.0
            finally:
                client.close()

    run(see())


def test_tls_and_a_password_keep_strangers_out(tmp_path: Path) -> None:
    options = replace(QUICK, tls=True, password="secret 1")

    async def see() -> None:
        async with running(tmp_path, Rig().services(), options) as server:
            stranger = Listener(server, certificate=server.certificate, username="ovr", password="wrong")
            client = Listener(server, certificate=server.certificate, username="ovr", password="secret 1")
            try:
                await until(lambda: client.told("system/0/Serial"), "the client sees the serial number")
                client.keep_alive()
                await until(lambda: client.told("full_publish_completed"), "it answers")
                await until(lambda: stranger.refusals, "the stranger is refused")
                assert not stranger.messages
            finally:
                client.close()
                stranger.close()
            about = await output("openssl", "x509", "-in", str(server.certificate), "-noout", "-subject")
            assert about.strip().endswith("venus.local")

    run(see())


def test_a_port_that_is_taken_is_told_and_not_shared(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        server = GxServer(PORTAL, [], tmp_path, GxOptions(port=other.getsockname()[1]))
        with pytest.raises(Exception, match="did not start"):
            run(server.start())


def test_an_old_release_retains_all_and_clears_it_when_the_keep_alive_runs_out(tmp_path: Path) -> None:
    async def see() -> None:
        options = replace(QUICK, firmware="v2.94", keepalive_s=2.0)
        async with watched(tmp_path, Rig(), options) as (server, client):
            client.keep_alive()
            await until(lambda: client.told("vebus/276/Mode"), "it tells")
            late = Listener(server)
            try:
                await until(lambda: late.told("vebus/276/Mode"), "a late client finds everything")
                assert [retain for topic, _, retain in late.messages if topic.endswith("276/Mode")] == [True]
                assert [body for topic, body, _ in late.messages if topic.endswith("276/Mode")] == [
                    b'{"value": 3}'
                ]
                await until(lambda: late.told("vebus/276/Mode")[-1] == "<left>", "everything is cleared")
                assert "<left>" not in late.told("system/0/Serial")
                assert not late.told("full_publish_completed")
            finally:
                late.close()
            found = await output("mosquitto_sub", "-p", str(server.port), "-t", "N/#", "-W", "1", "-F", "%t")
            assert sorted(found.split()) == [f"N/{PORTAL}/keepalive", f"N/{PORTAL}/system/0/Serial"]

    run(see())


def test_a_fast_simulation_is_no_flood() -> None:
    assert Rates().at_speed(1.0) == Rates().at_speed(10.0) == Rates()
    assert Rates().at_speed(60.0) == Rates(3.0, 12.0, 60.0)


@pytest.mark.parametrize(("rates", "low", "high"), [(Rates(), 80, 150), (BUSY, 230, 400)])
def test_a_full_gx_talks_as_much_as_it_is_set_to(rates: Rates, low: int, high: int) -> None:
    gx, unix_s = GxDevice(PORTAL, Rig().services(), GxOptions(rates=rates)), 1_795_237_200.0
    gx.boot(0.0, unix_s)
    gx.receive(f"R/{PORTAL}/keepalive", b"suppress-republish", 0.0, unix_s)
    ticks = round(50.0 / rates.tick_s)

    told = [len(gx.look(n * rates.tick_s, unix_s + n * rates.tick_s)) for n in range(ticks)]

    assert low < sum(told) / 50.0 < high

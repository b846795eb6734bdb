"""The HTTP API under faults and behind a proxy: what it was given is recorded once, whatever was killed."""

import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from bus import ids
from ovr.processes import binary
from tests.services import Service, free_port
from tests.waiting import until
from tests.web_node import Api, serving

WITHOUT = '"projector-counters", "projector-reports", "projector-archive"'
KILLS, LEAST = 3, 10
CADDY = shutil.which("caddy") or str(Path(sys.executable).with_name("caddy"))
CADDYFILE = Path(__file__).parents[2] / "deploy" / "caddy" / "Caddyfile"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with serving(tmp_path_factory.mktemp("node"), without=WITHOUT) as found:
        yield found


def confirmed(api: Api, action: str) -> bool:
    with suppress(httpx.HTTPError):
        return bool(api.get(f"/api/actions/{action}").json().get("state") == "confirmed")
    return False


def test_what_is_written_while_the_broker_hangs_is_recorded_once_after_it_was_killed(api: Api) -> None:
    said = {"system_id": "rig_01", "event_id": "storm", "id": ids.uuid7()}

    with api.hanging("mosquitto"):
        first = api.post("/api/event/start", said)
        again = api.post("/api/event/start", said)
        became = api.get(f"/api/actions/{said['id']}").json()
        assert api.get("/health").json()["waiting"] == 1
        api.node.kill("mosquitto")

    assert [first.status_code, again.status_code] == [202, 202]
    assert (first.json()["status"], first.json()["position"]) == ("waiting", None)
    assert first.headers["location"] == f"/api/actions/{said['id']}"
    assert first.json() == again.json()
    assert became["state"] == "waiting"
    until(lambda: confirmed(api, said["id"]), "it is recorded")
    assert len(api.recorded(said["id"])) == 1
    answer = api.post("/api/event/start", said)
    assert (answer.status_code, answer.json()["time"]) == (200, first.json()["time"])


def test_retries_through_kills_of_the_process_are_recorded_once_in_order(api: Api) -> None:
    """A client sends each action until it is confirmed, before it sends the next, as the pages do."""
    until(api.served, "the API serves")
    actions: list[dict[str, Any]] = []

    def kill() -> None:
        for _ in range(KILLS):
            api.node.kill("web")

    killer = threading.Thread(target=kill)
    killer.start()
    while killer.is_alive() or len(actions) < LEAST:
        actions.append({"system_id": "rig_02", "msg": f"note {len(actions)}", "id": ids.uuid7()})
        until(partial(sent, api, actions[-1]), "it is confirmed")
    killer.join()

    reader = api.node.journal()
    notes = [row for row in reader.read(types=["note.added"]) if row.subject == "rig_02"]
    reader.close()
    assert [row.id for row in notes] == [action["id"] for action in actions]


def sent(api: Api, action: dict[str, Any]) -> bool:
    with suppress(httpx.HTTPError):
        answer = api.post("/api/note", action)
        assert answer.status_code in {200, 202, 503}, answer.text
        return answer.status_code == 200
    return False


def test_the_recorder_killed_under_writes_loses_none(api: Api) -> None:
    until(api.served, "the API serves")
    actions = [{"system_id": "rig_03", "msg": f"note {n}", "id": ids.uuid7()} for n in range(20)]
    killer = threading.Thread(target=api.node.kill, args=("recorder",))
    killer.start()

    codes = [api.post("/api/note", action).status_code for action in actions]
    killer.join()

    assert set(codes) <= {200, 202}
    for action in actions:
        until(partial(confirmed, api, action["id"]), "all are recorded")
        assert len(api.recorded(action["id"])) == 1


def is_open(connection: socket.socket) -> bool:
    """Tell whether the other side still waits."""
    connection.setblocking(False)
    try:
        connection.recv(1)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def test_many_slow_connections_do_not_keep_others_out(api: Api) -> None:
    until(api.served, "the API serves")
    slow = [api.connected() for _ in range(300)]
    try:
        for connection in slow:
            connection.sendall(b"POST /api/note HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
        assert api.start("rig_04", "crowded")["ok"]
        assert any(is_open(connection) for connection in slow), "it was not they who made room"
    finally:
        for connection in slow:
            connection.close()


def test_a_client_that_hangs_up_in_the_middle_does_no_harm(api: Api) -> None:
    head = api.node.head()
    for _ in range(20):
        with api.connected() as connection:
            connection.sendall(
                b"POST /api/note HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b'Content-Length: 60\r\n\r\n{"system_id":"rig_05",'
            )
            connection.shutdown(socket.SHUT_WR)
    assert api.served()
    reader = api.node.journal()
    assert not [row for row in reader.read(head, types=["note.added"]) if row.subject == "rig_05"]
    reader.close()


@pytest.fixture
def proxy(api: Api, tmp_path: Path) -> Iterator[Service]:
    """Run Caddy with the configuration that we ship, and a certificate of our own."""
    key = (
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    )
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    files = ("-keyout", str(tmp_path / "node.key"), "-out", str(tmp_path / "node.crt"))
    subprocess.run([binary("openssl"), *key, *names, *files], check=True, capture_output=True)
    port = free_port()
    environment = {
        "OVR_NAME": f"https://localhost:{port}",
        "OVR_TLS": str(tmp_path),
        "OVR_WEB": f"127.0.0.1:{api.port}",
        "OVR_MQTT": f"127.0.0.1:{api.node.base + 1}",
        "HOME": str(tmp_path),
    }
    said = [f"{name}={value}" for name, value in environment.items()]
    command = ["env", *said, CADDY, "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"]
    service = Service(command, port, tmp_path / "caddy")
    service.start()
    yield service
    service.stop()


def test_pages_api_and_stream_are_one_address_behind_the_proxy(
    api: Api, proxy: Service, tmp_path: Path
) -> None:
    until(api.served, "the API serves")
    trust = ssl.create_default_context(cafile=str(tmp_path / "node.crt"))
    here = f"https://localhost:{proxy.port}"
    with httpx.Client(base_url=here, verify=trust) as client:
        page = client.get("/")
        assert page.status_code == 200
        assert page.headers["strict-transport-security"]
        begin = client.get("/api/ui").json()
        assert (begin["secure"], begin["base_url"]) == (True, here)
        note = {"system_id": "rig_07", "msg": "By TLS.", "id": ids.uuid7()}
        assert client.post("/api/note", json=note, headers={"Origin": here}).status_code == 200
        assert client.post("/api/note", json=note, headers={"Origin": "https://x"}).status_code == 403
        photo = client.post("/api/photo", files={"file": b"\x89PNG\r\n\x1a\n" + bytes(3 << 20)})
        assert photo.status_code == 413

    heard: list[str] = []
    browser = mqtt.Client(CallbackAPIVersion.VERSION2, transport="websockets", protocol=mqtt.MQTTv5)
    browser.tls_set_context(trust)
    browser.ws_set_options(path=begin["mqtt"]["path"])
    browser.on_connect = lambda client, *_: client.subscribe("ovr/state/#")
    browser.on_message = lambda _client, _data, message: heard.append(message.topic)
    browser.connect("localhost", proxy.port)
    browser.loop_start()
    try:
        api.start("rig_07", "streamed")
        until(lambda: "ovr/state/rig_07" in heard, "the state comes through the proxy")
    finally:
        browser.disconnect()
        browser.loop_stop()


def test_without_a_state_reading_says_so_and_writing_goes_on(api: Api) -> None:
    with api.hanging("projector-state"):
        said = api.start("rig_06", "stateless")
        assert api.get("/api/status", params={"system_id": "rig_06"}).status_code in {200, 404}
        assert said["status"] == "recorded"
        assert api.get("/api/counters").status_code == 503
        assert int(api.get("/api/counters").headers["retry-after"]) > 0

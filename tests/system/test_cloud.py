"""A cloud of two nodes: what it says of them while they are connected, apart, and at odds."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import pytest

from bus import ids, instants
from bus.envelope import Envelope
from bus.instants import SECOND_US
from bus.sender import Sender
from tests.node import free_base
from tests.services import start_mosquitto
from tests.uplinks import Place
from tests.waiting import PATIENCE_S, until


@dataclass
class Cloud:
    """A cloud, its nodes, and who speaks at each node."""

    place: Place
    nodes: dict[str, Place]
    senders: dict[str, Sender]
    client: httpx.Client

    def say(self, node: str, type_: str, subject: str, ago_s: float = 0, **data: Any) -> None:
        time_us = instants.now_us() - round(ago_s * SECOND_US)
        self.senders[node].put(Envelope(ids.uuid7(), f"/{node}/alice", type_, subject, time_us, data))

    def get(self, path: str) -> Any:
        return self.client.get(path).json()

    def node(self, name: str) -> dict[str, Any]:
        try:
            found = self.get("/api/nodes").get("nodes", ())
        except httpx.HTTPError:
            return {}
        return next((one for one in found if one["node"] == name), {})

    def system(self, system_id: str) -> dict[str, Any]:
        return next((one for one in self.get("/api/status")["systems"] if one["system_id"] == system_id), {})


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with ExitStack() as stack:

        def place(name: str, lines: str) -> Place:
            directory = tmp_path_factory.mktemp(name)
            made = Place(name, directory / "data", stack.enter_context(start_mosquitto(directory)), lines)
            stack.callback(made.close)
            made.start("record")
            return made

        port = free_base()
        said = f'role = "cloud"\n[web]\nport = {port}\n[victoria]\nurl = "http://127.0.0.1:1"\n'
        head = place("head-office", said)
        head.start("project", "state")
        head.start("web")
        nodes = {}
        for name in ("site_a", "site_b"):
            ends = f'[uplink]\nhost = "127.0.0.1"\nport = {head.broker.port}\ntls = false\nlinger_s = 0.2\n'
            nodes[name] = place(name, ends)
            nodes[name].start("uplink")
        senders = {name: node.sender() for name, node in nodes.items()}
        for sender in senders.values():
            stack.callback(sender.close)
        client = stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S))
        yield Cloud(head, nodes, senders, client)


def test_the_cloud_says_which_node_a_system_is_at_and_how_far_all_is_here(cloud: Cloud) -> None:
    for node, rig in (("site_a", "rig_01"), ("site_b", "rig_02")):
        cloud.say(node, "window.started", rig, event_id="tour", location="stage")
        cloud.say(node, "location.set", rig, name="stage", lat=51.5, lon=-2.5)
        values = {"soc_pct": 80.0}
        cloud.say(node, "sample.taken", rig, kind="victron", interval_ms=500, values=values)
    for node in ("site_a", "site_b"):
        until(lambda node=node: cloud.node(node).get("status") == "live", f"{node} is live")  # type: ignore[misc]
        until(lambda node=node: len(cloud.node(node)["systems"]) == 1, f"{node} has its system")  # type: ignore[misc]
    assert cloud.node("site_a")["systems"] == ["rig_01"]
    assert cloud.node("site_a")["connected"]
    until(lambda: cloud.system("rig_02").get("lat") == 51.5, "its place is known")
    assert cloud.system("rig_02")["node"] == "site_b"


def test_end_all_at_one_node_leaves_the_other_s_windows(cloud: Cloud) -> None:
    cloud.say("site_a", "window.ended", "all", event_id="tour")
    until(lambda: not cloud.system("rig_01")["active"], "the window of rig_01 has ended")
    assert cloud.system("rig_02")["active"]


def test_windows_of_a_node_s_systems_are_not_changed_from_the_cloud(cloud: Cloud) -> None:
    answer = cloud.client.post("/api/event/end", json={"system_id": "rig_02"})
    assert (answer.status_code, answer.json()["reason"]) == (422, "at_a_node")
    assert "site_b" in answer.json()["detail"]


def test_a_name_that_two_nodes_use_at_once_is_a_conflict_for_all_to_see(cloud: Cloud) -> None:
    for node in ("site_a", "site_b"):
        cloud.say(node, "device.connected", "rig_07", ago_s=900, device="gx")
    until(lambda: cloud.get("/api/nodes")["conflicts"], "the conflict shows")
    (found,) = cloud.get("/api/nodes")["conflicts"]
    assert (found["system_id"], found["nodes"]) == ("rig_07", ["site_a", "site_b"])


def test_a_node_whose_uplink_died_is_silent(cloud: Cloud) -> None:
    cloud.nodes["site_a"].end("uplink")
    until(lambda: cloud.node("site_a")["status"] == "silent", "site_a is silent")
    assert cloud.node("site_b")["status"] == "live"


def test_the_command_line_says_the_same(cloud: Cloud) -> None:
    done = cloud.place.run("nodes", "--json")
    found = orjson.loads(done.stdout)
    assert done.returncode == 1
    assert [(one["node"], one["status"]) for one in found["nodes"]] == [
        ("site_a", "silent"),
        ("site_b", "live"),
    ]

"""A node between a site's network and its devices, in network namespaces: prints who could do what.

unshare --map-root-user --net --mount --pid --fork python -m tests.network_stage RULES DNSMASQ DIRECTORY
"""

import json
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WAN, NODE_WAN, NODE_GX, NODE_LAN = "198.51.100.1", "198.51.100.2", "192.168.100.1", "10.10.4.1"
GX, LAN = "192.168.100.2", "10.10.4.50"
MAC = "02:00:00:00:00:aa"


def sh(command: str) -> None:
    subprocess.run(command, shell=True, check=True)


def in_namespace(name: str, work: Callable[[], Any]) -> Any:
    """Work in a thread of its own that has moved into a namespace."""
    said: list[Any] = []

    def move() -> None:
        import ctypes  # noqa: PLC0415 - in the thread that moves
        import os  # noqa: PLC0415

        handle = os.open(f"/run/netns/{name}", os.O_RDONLY)
        if ctypes.CDLL(None, use_errno=True).setns(handle, 0) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        said.append(work())

    thread = threading.Thread(target=move)
    thread.start()
    thread.join()
    return said[0]


def listen(address: str, port: int) -> socket.socket:
    return socket.create_server((address, port))


def reach(address: str, port: int, server: socket.socket) -> str | None:
    """Return whom the server saw, None when the connection did not come about."""
    try:
        with socket.create_connection((address, port), timeout=0.7):
            whom = server.accept()[1][0]
            assert isinstance(whom, str)
            return whom
    except OSError:
        return None


def name_of(server: str, name: str) -> str | None:
    """Ask for a name's address."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    question = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(5)
        asker.sendto(question, (server, 53))
        try:
            answer = asker.recv(512)
        except OSError:
            return None
    return socket.inet_ntoa(answer[-4:]) if answer[7] else None


def lease(device: str, mac: str) -> dict[str, str] | None:
    """Ask for an address as a device does that has none, and return what is offered."""
    hardware = bytes.fromhex(mac.replace(":", ""))
    head = struct.pack(">BBBBIHH", 1, 1, 6, 0, 0x1234, 0, 0x8000) + bytes(16) + hardware + bytes(10 + 192)
    discover = head + b"\x63\x82\x53\x63" + b"\x35\x01\x01" + b"\x37\x03\x03\x06\x2a" + b"\xff"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        asker.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        asker.bind(("0.0.0.0", 68))
        asker.settimeout(8)
        asker.sendto(discover, ("255.255.255.255", 67))
        try:
            offer = asker.recv(1500)
        except OSError:
            return None
    said = {"address": socket.inet_ntoa(offer[16:20])}
    names = {3: "router", 6: "names", 42: "time"}
    rest = offer[240:]
    while rest and rest[0] != 255:
        code, length = rest[0], rest[1]
        if code in names:
            said[names[code]] = socket.inet_ntoa(rest[2:6])
        rest = rest[2 + length :]
    return said


def main(rules: str, names: str, directory: str) -> None:
    """Build the stage, load the rules, and look."""
    sh("mount -t tmpfs none /run && mkdir -p /run/netns && ip link set lo up")
    for place, address, node, name in (
        ("wan", WAN, NODE_WAN, "enp1s0"),
        ("gx", GX, NODE_GX, "enp2s0"),
        ("lan", LAN, NODE_LAN, "enp3s0"),
    ):
        sh(f"ip netns add {place} && ip link add {name} type veth peer name eth0 netns {place}")
        sh(f"ip address add {node}/24 dev {name} && ip link set {name} up")
        sh(f"ip -n {place} address add {address}/24 dev eth0 && ip -n {place} link set eth0 up")
        sh(f"ip -n {place} link set lo up")
        if place != "wan":
            sh(f"ip -n {place} route add default via {node}")
    sh(f"ip -n gx link set eth0 address {MAC}; echo 1 >/proc/sys/net/ipv4/ip_forward")
    sh("ip -n wan route add 10.10.4.0/24 via 198.51.100.2")  # an answer would find its way
    sh(f"nft -f {rules} && nft -f {rules}")
    command = ["dnsmasq", "--no-daemon", f"--conf-file={names}", "--pid-file="]  # as who we are
    with Path(directory, "dnsmasq.log").open("wb") as log:
        dnsmasq = subprocess.Popen(command, stderr=log)
    deadline = time.monotonic() + 20
    while name_of_here() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    outside = in_namespace("wan", lambda: listen(WAN, 443))
    device = in_namespace("gx", lambda: listen(GX, 502))
    here = {port: listen("0.0.0.0", port) for port in (22, 443, 1883)}
    json.dump(
        {
            "gx to the internet": in_namespace("gx", lambda: reach(WAN, 443, outside)),
            "lan to the internet": in_namespace("lan", lambda: reach(WAN, 443, outside)),
            "lan to gx": in_namespace("lan", lambda: reach(GX, 502, device)),
            "internet to gx": in_namespace("wan", lambda: reach(GX, 502, device)),
            "node to gx": reach(GX, 502, device),
            "internet to node 443": in_namespace("wan", lambda: reach(NODE_WAN, 443, here[443])),
            "internet to node 1883": in_namespace("wan", lambda: reach(NODE_WAN, 1883, here[1883])),
            "gx to node 22": in_namespace("gx", lambda: reach(NODE_GX, 22, here[22])),
            "lan to node 22": in_namespace("lan", lambda: reach(NODE_LAN, 22, here[22])),
            "name for gx": in_namespace("gx", lambda: name_of(NODE_GX, "edge-01.lan")),
            "name for lan": in_namespace("lan", lambda: name_of(NODE_LAN, "edge-01.lan")),
            "lease for gx": in_namespace("gx", lambda: lease("eth0", MAC)),
            "lease for lan": in_namespace("lan", lambda: lease("eth0", "02:00:00:00:00:bb")),
        },
        sys.stdout,
    )
    dnsmasq.terminate()
    dnsmasq.wait()


def name_of_here() -> str | None:
    """Ask from a device's side until somebody answers."""
    answer = in_namespace("lan", lambda: name_of(NODE_LAN, "edge-01.lan"))
    return answer if isinstance(answer, str) else None


if __name__ == "__main__":
    main(*sys.argv[1:])

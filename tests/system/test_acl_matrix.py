"""Every role, every topic, both directions, asked of a real Mosquitto and compared with a table.

The table is written by hand from the guarantees, not made from mosquitto/roles.toml: a line that is added
there and opens more than was meant shows here.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import pytest

from bus.connection import Broker, Connection, Message
from bus.mqtt import Will
from ovr.node import open_node
from ovr.ports import Ports
from ovr.preparing import prepare_broker
from ovr.processes import MOSQUITTO, binary
from ovr.users import PROCESS_ROLES, PUBLIC_ROLES, User, access_list, hash_password, roles
from tests.node import free_base
from tests.services import Service
from tests.waiting import until

ROLES = (
    "browser",
    "supervisor",
    "operator",
    "device",
    "uplink",
    "recorder",
    "replay",
    "projector",
    "state_projector",
    "player",
)
# Columns are the roles in this order. r: may hear. w: may say. {me}: one's own name, {other}: another's.
MATRIX = """
ovr/in/{me}/rig_01/note.added           -    -    w    w    -    r    -    -    -    -
ovr/in/{other}/rig_01/note.added        -    -    -    -    -    r    -    -    -    -
ovr/uplink/{me}/facts                   -    -    -    -    w    r    -    -    -    -
ovr/uplink/{other}/facts                -    -    -    -    -    r    -    -    -    -
ovr/uplink/{me}/facts/more              -    -    -    -    -    r    -    -    -    -
ovr/uplink/{other}/facts/more           -    -    -    -    -    r    -    -    -    -
ovr/events/rig_01/note.added            r    r    r    r    -   rw    r    r    r    r
ovr/events/rig_01/note/added            r    r    r    r    -    r    r    r    r    r
ovr/ack/{me}                            -    -    r    r    r    w    -    -    -    -
ovr/ack/{other}                         -    -    -    -    -    w    -    -    -    -
ovr/rejected/{me}                       -    -    r    r    r    w    -    -    -    -
ovr/rejected/{other}                    -    -    -    -    -    w    -    -    -    -
ovr/head                                r    r    r    r    r   rw    r    r    r    r
ovr/state/rig_01                        r    r    r    r    -    r    r    r   rw    r
ovr/state/_events/startup               r    r    r    r    -    r    r    r   rw    r
ovr/health/{me}                         r    r    r   rw   rw    r    r   rw   rw    r
ovr/health/{other}                      r    r    r    r    -    r    r    r    r    r
ovr/health/recorder                     r    r    r    r    r   rw    r    r    r    r
ovr/health/replay                       r    r    r    r    -    r   rw    r    r    r
ovr/replay/request                      -    -   rw   rw    -    -    r    -    -    -
ovr/replay/request/{me}                 -    -    r    r    w    -    r    -    -    -
ovr/replay/request/{other}              -    -    r    r    -    -    r    -    -    -
ovr/replay/{me}/rig_01/note.added       -    -    r    r    r    -    w    -    -    -
ovr/replay/{other}/rig_01/note.added    -    -    r    r    -    -    w    -    -    -
N/c0619ab1234/vebus/276/Soc             -    -    -    -    -    -    -    -    -    w
W/c0619ab1234/vebus/276/Mode            -    -    -    -    -    -    -    -    -    w
R/c0619ab1234/keepalive                 -    -    -    -    -    -    -    -    -    w
ovr                                     -    -    -    -    -    -    -    -    -    -
ovr/anything                            -    -    -    -    -    -    -    -    -    -
elsewhere                               -    -    -    -    -    -    -    -    -    -
$SYS/broker/bytes/sent                  -    r    -    -    -    -    -    -    -    -
"""
ROWS = [line.split() for line in MATRIX.strip().splitlines()]
TABLE: Mapping[str, Mapping[str, str]] = {row[0]: dict(zip(ROLES, row[1:], strict=True)) for row in ROWS}
OTHER = "somebody"
ALL, BEGIN, END = "all-powerful", "matrix/begin", "matrix/end"
PASSWORD = "a password for the matrix"
SYS = "$SYS/"


@dataclass(frozen=True)
class Seen:
    """What each role could do.

    Attributes:
        said: by role, the topics that the broker took from it.
        heard: by role, the topics of which something reached it.
    """

    said: Mapping[str, frozenset[str]]
    heard: Mapping[str, frozenset[str]]
    port: int


def name_of(role: str) -> str:
    return f"one-{role.replace('_', '-')}"


def topics(me: str) -> dict[str, str]:
    """Return, by row of the table, the topic for somebody."""
    return {row: row.format(me=me, other=OTHER) for row in TABLE}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    data = tmp_path_factory.mktemp("matrix")
    node, ports = open_node(data, None, {}), Ports(free_base())
    prepare_broker(node, ports, anonymous=False)
    hashed = hash_password(PASSWORD, b"0123456789ab")
    users = [User(name_of(role), role, hashed) for role in roles()]
    with node.layout.mosquitto_acl.open("a") as file:
        file.write(access_list(users, "ovr"))
        file.write(f"\nuser {ALL}\ntopic readwrite #\npattern read matrix/+\n")
    with node.layout.mosquitto_passwords.open("a") as file:
        file.writelines(f"{name}:{hashed}\n" for name in [*(user.name for user in users), ALL])
    command = (binary(MOSQUITTO), "-c", str(node.layout.mosquitto_conf))
    service = Service(command, ports.mqtt, data / "mosquitto")
    service.start()
    try:
        yield Seen({role: said(role, ports.mqtt) for role in roles()}, heard(ports.mqtt), ports.mqtt)
    finally:
        service.stop()


def connect(port: int, user: str, will: Will | None = None) -> Connection:
    connection = Connection(Broker(port=port, username=user, password=PASSWORD), f"matrix-{user}")
    connection.will = will
    return connection


def hear(heard_of: set[str], message: Message) -> None:
    heard_of.add(message.topic)


def answered(connection: Connection) -> None:
    until(
        lambda: connection.connected or connection.refusal,
        "the broker answers",
        turn=lambda: connection.step(0.05),
    )


def said(role: str, port: int) -> frozenset[str]:
    """Say something on every topic, and return where it was taken."""
    connection = connect(port, name_of(role))
    until(lambda: connection.connected, f"{role} is let in", turn=lambda: connection.step(0.05))
    codes: dict[str, int] = {}
    wanted = [topic for topic in topics(name_of(role)).values() if not topic.startswith(SYS)]
    for topic in wanted:
        assert connection.publish(topic, b"{}", qos=1, on_ack=partial(codes.__setitem__, topic))
    until(lambda: len(codes) == len(wanted), f"{role} is answered", turn=lambda: connection.step(0.05))
    connection.close()
    assert set(codes.values()) <= {0x00, 0x10, 0x87}
    return frozenset(topic for topic, code in codes.items() if code != 0x87)


def heard(port: int) -> dict[str, frozenset[str]]:
    """Let somebody who may everything speak on every topic, and return who heard what."""
    with ExitStack() as stack:

        def closing(connection: Connection) -> Connection:
            stack.callback(connection.close)
            return connection

        readers = {role: closing(connect(port, name_of(role))) for role in roles()}
        speaker = closing(connect(port, ALL))
        reached: dict[str, set[str]] = {role: set() for role in readers}
        for role, reader in readers.items():
            for wanted in ("#", f"{SYS}#"):
                reader.subscribe(wanted, partial(hear, reached[role]), qos=1)

        def turn() -> None:
            for one in (speaker, *readers.values()):
                one.step(0.01)

        def said_to_all(mark: str) -> bool:
            """Say a mark again, and tell whether everyone has heard it: nobody is told of subscriptions."""
            turn()
            speaker.publish(mark, b"", qos=1)
            return all(mark in heard_of for heard_of in reached.values())

        until(lambda: said_to_all(BEGIN), "all listen")
        spoken = {topic for role in readers for topic in topics(name_of(role)).values()}
        for topic in sorted(topic for topic in spoken if not topic.startswith(SYS)):
            assert speaker.publish(topic, b"{}", qos=1)
        until(lambda: said_to_all(END), "all have heard what was said before")
        figure = next(row for row in TABLE if row.startswith(SYS))
        until(lambda: figure in reached["supervisor"], "the broker speaks of itself", within_s=60, turn=turn)
    return {role: frozenset(heard_of - {BEGIN, END}) for role, heard_of in reached.items()}


def test_the_table_is_about_every_role() -> None:
    assert sorted(ROLES) == sorted(roles())
    assert set(PROCESS_ROLES.values()) | set(PUBLIC_ROLES) <= set(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_says_what_it_may_and_nothing_else(seen: Seen, role: str) -> None:
    mine = topics(name_of(role))
    expected = {mine[row] for row in TABLE if "w" in TABLE[row][role]}
    assert seen.said[role] == expected


@pytest.mark.parametrize("role", ROLES)
def test_a_role_hears_what_it_may_and_nothing_else(seen: Seen, role: str) -> None:
    expected = {topics(name_of(role))[row] for row in TABLE if "r" in TABLE[row][role]}
    for one in roles():
        if one != role:  # what is somebody's own is another's to everyone else
            rows = [
                row for row in TABLE if "{me}" in row and "r" in TABLE[row.replace("{me}", "{other}")][role]
            ]
            expected |= {topics(name_of(one))[row] for row in rows}
    assert {topic for topic in seen.heard[role] if not topic.startswith(SYS)} == {
        topic for topic in expected if not topic.startswith(SYS)
    }
    assert any(topic.startswith(SYS) for topic in seen.heard[role]) == (role == "supervisor")


@pytest.mark.parametrize("role", ["operator", "browser", "uplink"])
def test_a_last_will_is_no_way_around(seen: Seen, role: str) -> None:
    forbidden, allowed = "ovr/events/rig_01/note.added", "ovr/head"
    came: list[str] = []
    listener = connect(seen.port, ALL)
    listener.subscribe("#", lambda message: came.append(message.topic))

    def listens() -> bool:
        listener.step(0.05)
        listener.publish(BEGIN, b"")
        return BEGIN in came

    until(listens, "somebody listens")
    for user, topic in ((name_of(role), forbidden), (name_of("recorder"), allowed)):
        one = connect(seen.port, user, Will(topic, b"{}", retain=False))
        answered(one)
        one._drop(None)  # without a word, as a machine that loses its power
        one.close()
    until(lambda: allowed in came, "the will of one that may is heard", turn=lambda: listener.step(0.05))
    listener.close()
    assert forbidden not in came


def test_rows_of_others_are_there_for_rows_of_ones_own() -> None:
    for row in TABLE:
        if "{me}" in row:
            assert row.replace("{me}", "{other}") in TABLE

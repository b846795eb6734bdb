"""Two nodes and a cloud: whatever is killed or cut, the cloud has each event once, in order per lane."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass

import orjson
import pytest

from bus.sender import Sender
from tests.links import Link
from tests.services import start_mosquitto
from tests.uplinks import Place, arrived, caught_up, check, note, sample
from tests.waiting import PATIENCE_S, until

EVENTS = 200


@dataclass
class Fleet:
    """A cloud, two nodes, and the links between them."""

    cloud: Place
    nodes: tuple[Place, Place]
    links: tuple[Link, Link]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with ExitStack() as stack:

        def place(name: str, lines: str = "") -> Place:
            directory = tmp_path_factory.mktemp(name)
            made = Place(name, directory / "data", stack.enter_context(start_mosquitto(directory)), lines)
            stack.callback(made.close)
            made.start("record")
            return made

        cloud = place("cloud")
        links = Link(cloud.broker.port), Link(cloud.broker.port)
        nodes = []
        for name, link in zip(("site_a", "site_b"), links, strict=True):
            stack.callback(link.close)
            said = f'[uplink]\nhost = "127.0.0.1"\nport = {link.port}\ntls = false\nlinger_s = 0.2\n'
            nodes.append(place(name, said))
        for node in nodes:
            node.start("uplink")
        yield Fleet(cloud, (nodes[0], nodes[1]), links)


def test_each_event_is_there_once_and_in_order_whatever_is_killed_or_cut(fleet: Fleet) -> None:
    cloud, (a, b), (link_a, link_b) = fleet.cloud, fleet.nodes, fleet.links
    senders = a.sender(), b.sender()

    def load(first: int) -> None:
        for number in range(first, first + EVENTS):
            for place, sender in zip((a, b), senders, strict=True):
                sender.put(note(place, number) if number % 20 == 0 else sample(place, number))

    load(0)
    until(lambda: arrived(cloud, a) and arrived(cloud, b), "the cloud hears of both")
    a.end("uplink")
    load(EVENTS)
    a.start("uplink")
    link_b.cut()
    cloud.end("record")
    load(2 * EVENTS)
    cloud.start("record")
    link_b.mend()
    link_a.hang()
    b.broker.kill()
    b.broker.start()
    load(3 * EVENTS)
    link_a.bury()
    cloud.broker.kill()
    cloud.broker.start()
    load(4 * EVENTS)
    for sender in senders:
        assert sender.flush(60.0)
        sender.close()

    caught_up(cloud, a, b)
    check(cloud, a, b)


def test_a_restored_node_gets_back_what_it_lost_as_it_was(fleet: Fleet) -> None:
    cloud, node = fleet.cloud, fleet.nodes[0]
    cloud.start("replay-service")
    with closing(node.sender("bob")) as sender:
        _say(node, sender, 10_000, 40)
        copy = node.data.parent / "copy.sqlite"
        assert node.run("journal", "backup", str(copy)).returncode == 0
        _say(node, sender, 20_000, 40)
    caught_up(cloud, node)
    node.end("uplink", signal.SIGTERM)
    node.end("record", signal.SIGTERM)
    with node.journal() as reader:
        whole = reader.head()

    assert node.run("journal", "restore", str(copy)).returncode == 0
    lost = whole.position - node.head()
    told = orjson.loads(node.run("journal", "recover", "--dry-run", "--json").stdout)
    done = orjson.loads(node.run("journal", "recover", "--json").stdout)

    assert lost >= 40
    assert (told["same"], told["anew"], told["missing"]) == (lost, 0, [])
    assert (done["same"], done["anew"], done["missing"]) == (lost, 0, [])
    with node.journal() as reader:
        assert (reader.head().position, reader.head().hash) == (whole.position, whole.hash)
        assert reader.verify().faults == ()
    node.start("record")
    node.start("uplink")
    with closing(node.sender("bob")) as sender:
        _say(node, sender, 30_000, 10)
    caught_up(cloud, node)
    check(cloud, node)
    assert node.events(["journal.restored"]) == []


def test_a_node_that_went_on_after_a_restore_gets_back_the_rest_behind_it(fleet: Fleet) -> None:
    cloud, node = fleet.cloud, fleet.nodes[1]
    with closing(node.sender("bob")) as sender:
        _say(node, sender, 10_000, 20)
        copy = node.data.parent / "copy.sqlite"
        assert node.run("journal", "backup", str(copy)).returncode == 0
        _say(node, sender, 20_000, 20)
    caught_up(cloud, node)
    wanted = {one.id for one in node.events()}
    for word in ("uplink", "record"):
        node.end(word)
    assert node.run("journal", "restore", str(copy)).returncode == 0
    node.start("record")
    node.start("uplink")
    with closing(node.sender("bob")) as sender:
        _say(node, sender, 30_000, 20)
    until(lambda: b"journal recover" in node.log("uplink"), "the uplink says what to do")
    for word in ("uplink", "record"):
        node.end(word, signal.SIGTERM)

    done = orjson.loads(node.run("journal", "recover", "--json").stdout)

    assert (done["same"], done["missing"]) == (0, [])
    assert done["anew"] >= 20
    ids = [one.id for one in node.events()]
    assert wanted <= set(ids)
    assert len(ids) == len(set(ids))
    node.start("record")
    node.start("uplink")
    with closing(node.sender("bob")) as sender:
        _say(node, sender, 40_000, 1)
        assert sender.flush(PATIENCE_S)
    until(
        lambda: {one.id for one in node.events()} <= {one.id for one in cloud.events()}, "the cloud has all"
    )
    keys = [(one.source, one.id) for one in cloud.events()]
    assert len(set(keys)) == len(keys)


def _say(node: Place, sender: Sender, first: int, count: int) -> None:
    for number in range(first, first + count):
        sender.put(note(node, number) if number % 4 == 0 else sample(node, number))
    assert sender.flush(PATIENCE_S)

"""Two nodes and a cloud: whatever is killed or cut, the cloud has each event once, in order per lane."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.links import Link
from tests.services import start_mosquitto
from tests.uplinks import Place, arrived, caught_up, check, note, sample
from tests.waiting import until

EVENTS = 400


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
    for node in (a, b):
        node.end("uplink", signal.SIGTERM)
        node.start("uplink")

"""Faults on a whole node under load: nothing confirmed is lost, nothing counts twice, replay equals live."""

import random
from pathlib import Path

import pytest

from tests.node import Node, check_journal, check_read_models, running

UNSEEN = ("alerts", "projector-reports", "web")
OURS = (
    "recorder",
    "projector-state",
    "projector-counters",
    "projector-series",
    "projector-archive",
    "detector",
)
ONE_BY_ONE = ("victoria-metrics", "recorder", "mosquitto", "projector-series")
ALL = ("mosquitto", "victoria-metrics", *OURS, "replay")


def settle(node: Node) -> None:
    """Let the senders finish and assert every promise."""
    for sender in node.senders:
        sender.finish()
    check_journal(node)
    check_read_models(node)


def test_what_all_depend_on_may_be_killed_one_by_one_and_everything_at_once(tmp_path: Path) -> None:
    with running(tmp_path, without=UNSEEN) as node:
        alice, bob = node.load("alice"), node.load("bob")
        node.grow()
        for victim in ONE_BY_ONE:
            node.kill(victim)
            node.grow()
        alice.kill()
        bob.kill()
        node.kill(*ALL)
        alice.start()
        bob.start()
        node.grow()
        settle(node)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(5))
def test_a_long_run_of_random_kills(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    with running(tmp_path, without=UNSEEN) as node:
        senders = {name: node.load(name) for name in ("alice", "bob")}
        for _ in range(60):
            node.grow(chance.randint(1, 100))
            count = chance.choice((1, 1, 1, 2, 3, len(ALL)))
            for name in chance.sample(sorted(senders), chance.randint(0, 2)):
                senders[name].kill()
                senders[name].start()
            node.kill(*chance.sample(ALL, count))
        node.grow()
        settle(node)

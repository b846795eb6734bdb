"""Nodes and a cloud for tests: each a broker and a recorder of its own, with an uplink between them."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import orjson

from bus import instants
from bus.connection import Broker
from bus.envelope import Envelope, Recorded, decode
from bus.journal_sqlite import SqliteJournalReader
from bus.sender import Sender
from bus.uplink_batch import NODE, unspliced
from schemas.errors import TransientError
from tests.node import ovr
from tests.services import Service
from tests.waiting import PATIENCE_S, until

ROOT = Path(__file__).parents[1]


@dataclass
class Place:
    """A broker with a recorder: a node, or the cloud."""

    name: str
    data: Path
    broker: Service
    lines: str = ""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        (self.data / "site.toml").write_text(f'node_id = "{self.name}"\n{self.lines}')

    def start(self, *words: str) -> None:
        """Start one of its processes."""
        environment = os.environ | {"OVR_BROKER_HOST": "127.0.0.1", "OVR_BROKER_PORT": str(self.broker.port)}
        command = [sys.executable, "-m", "ovr", *words, "--data", str(self.data)]
        with (self.data / f"{words[0]}.log").open("ab") as log:
            self.processes[words[0]] = subprocess.Popen(
                command, cwd=ROOT, env={**environment, "OVR_METRICS_ENABLED": "false"}, stdout=log, stderr=log
            )

    def run(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end."""
        broker = {"OVR_BROKER_HOST": "127.0.0.1", "OVR_BROKER_PORT": str(self.broker.port)}
        with patch.dict(os.environ, broker):
            return ovr(*words, "--data", str(self.data))

    def end(self, word: str, number: signal.Signals = signal.SIGKILL) -> None:
        """End one, as a crash would unless told otherwise."""
        process = self.processes.pop(word, None)
        if process is not None:
            process.send_signal(number)
            process.wait(PATIENCE_S)

    def close(self) -> None:
        """End all."""
        for word in list(self.processes):
            self.end(word)

    def log(self, word: str) -> bytes:
        """Return what one of its processes has said."""
        return (self.data / f"{word}.log").read_bytes()

    @contextmanager
    def journal(self) -> Iterator[SqliteJournalReader]:
        """Read its journal."""
        with closing(SqliteJournalReader(self.data / "journal")) as reader:
            yield reader

    def head(self) -> int:
        """Return the newest position; 0 when there is no journal yet."""
        try:
            with self.journal() as reader:
                return reader.head().position
        except TransientError:
            return 0

    def events(self, types: Sequence[str] | None = None) -> list[Recorded]:
        """List what is recorded."""
        with self.journal() as reader:
            return list(reader.read(types=types))

    def sender(self, client: str = "alice") -> Sender:
        """Send to it."""
        return Sender(
            Broker(port=self.broker.port), client=client, name="test", path=self.data / f"{client}.sqlite"
        )


def note(place: Place, number: int) -> Envelope:
    """Make a fact."""
    source, data = f"/{place.name}/alice", {"text": f"note {number}"}
    return Envelope(f"{place.name}-note-{number}", source, "note.added", "rig_01", instants.now_us(), data)


def sample(place: Place, number: int) -> Envelope:
    """Make a sample."""
    data = {"kind": "victron", "interval_ms": 500, "values": {"soc_pct": float(number % 100)}}
    source = f"/{place.name}/alice"
    return Envelope(
        f"{place.name}-sample-{number}", source, "sample.taken", "rig_01", instants.now_us(), data
    )


def arrived(cloud: Place, node: Place) -> int:
    """Count the events of a node that the cloud has."""
    return len(of_node(cloud, node))


def of_node(cloud: Place, node: Place) -> list[Recorded]:
    """List the events of a node that the cloud has; what its uplink tells of itself is not among them."""
    if not cloud.head():
        return []
    own = f"/{node.name}/uplink"
    return [one for one in cloud.events() if one.client == node.name and one.source != own]


def check(cloud: Place, *nodes: Place) -> None:
    """Assert that the cloud holds each node's events exactly once, as they were, in order per lane."""
    with cloud.journal() as reader:
        assert reader.verify().faults == ()
    for node in nodes:
        here, there = node.events(), of_node(cloud, node)
        twice = [key for key, count in Counter((one.source, one.id) for one in there).items() if count > 1]
        assert not twice
        assert len(there) == len(here)
        for facts in (True, False):
            lane = [one for one in here if (one.type != "sample.taken") is facts]
            got = [one for one in there if (one.type != "sample.taken") is facts]
            assert [one.id for one in got] == [one.id for one in lane]
            for one, other in zip(lane, got, strict=True):
                incarnation, event = unspliced(other.body)
                assert (event.position, event.recorded_us, event.client, event.body) == (
                    one.position,
                    one.recorded_us,
                    one.client,
                    one.body,
                )
                assert incarnation
                assert decode(other.body).extensions[NODE] == node.name
        check_order(there)


def check_order(there: Sequence[Recorded]) -> None:
    """Assert that no sample came before a fact that the node had recorded before it."""
    highest_sample = 0
    for one in there:
        _, event = unspliced(one.body)
        if one.type == "sample.taken":
            highest_sample = max(highest_sample, event.position)
        else:
            assert event.position > highest_sample, f"a sample overtook the fact at {event.position}"


def health(place: Place) -> dict[str, object]:
    """Read what the uplink's checkpoint says."""
    path = place.data / "uplink" / "checkpoint.json"
    return dict(orjson.loads(path.read_bytes())) if path.exists() else {}


def caught_up(cloud: Place, *nodes: Place, within_s: float = PATIENCE_S) -> None:
    """Wait until the cloud has all that the nodes recorded."""
    for node in nodes:
        until(
            lambda node=node: arrived(cloud, node) >= node.head(),  # type: ignore[misc]
            f"the cloud has all of {node.name}",
            within_s=within_s,
            turn=lambda: threading.Event().wait(0.1),
        )

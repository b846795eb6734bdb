"""Every topic of the bus. No other module spells one."""

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

_LONGEST = 1024


def broker_figure(name: str) -> str:
    """Name where Mosquitto tells a figure of itself."""
    return f"$SYS/broker/{name}"


@dataclass(frozen=True, slots=True)
class Intake:
    """What an intake topic says: who publishes, about which system, which type of event."""

    client: str
    system_id: str
    type: str


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics below one prefix.

    Segments made from names that users choose are percent-encoded where a topic could not hold them.
    """

    prefix: str = "ovr"

    def intake(self, client: str, system_id: str, type_: str) -> str:
        """Name where `client` publishes an event of `type_` about `system_id`."""
        return f"{self.prefix}/in/{client}/{system_id}/{type_}"

    @property
    def intake_filter(self) -> str:
        """Match the intake of all clients."""
        return f"{self.prefix}/in/#"

    def parse_intake(self, topic: str) -> Intake | None:
        """Take an intake topic apart; None when it is none, or too long for the topics of its answers."""
        return _parse_intake(self.prefix, topic) if len(topic) <= _LONGEST else None

    def uplink(self, client: str, lane: str) -> str:
        """Name where a node's uplink publishes batches of one lane."""
        return f"{self.prefix}/uplink/{client}/{lane}"

    @property
    def uplink_filter(self) -> str:
        """Match what all uplinks bring."""
        return f"{self.prefix}/uplink/+/+"

    def parse_uplink(self, topic: str) -> tuple[str, str] | None:
        """Take an uplink's topic apart: its client and its lane; None when it is none."""
        head, _, rest = topic.partition("/uplink/")
        client, slash, lane = rest.partition("/")
        return (client, lane) if head == self.prefix and slash and client else None

    def events(self, system_id: str, type_: str) -> str:
        """Name the live, recorded stream of one type of one system."""
        return f"{self.prefix}/events/{system_id}/{type_}"

    @property
    def events_filter(self) -> str:
        """Match the whole live stream."""
        return f"{self.prefix}/events/#"

    def ack(self, client: str) -> str:
        """Name where the recorder confirms to `client`."""
        return f"{self.prefix}/ack/{client}"

    def rejected(self, client: str) -> str:
        """Name where the recorder tells `client` what it refused."""
        return f"{self.prefix}/rejected/{client}"

    @property
    def head(self) -> str:
        """Name the journal's head."""
        return f"{self.prefix}/head"

    @property
    def replay_request(self) -> str:
        """Name where anyone asks for the past."""
        return f"{self.prefix}/replay/request"

    def own_replay_request(self, client: str) -> str:
        """Name where an uplink asks for what it brought, and nothing else."""
        return f"{self.replay_request}/{client}"

    def parse_own_replay_request(self, topic: str) -> str | None:
        """Return the client that asks for its own; None when anyone asks for anything."""
        head, _, client = topic.partition(f"{self.replay_request}/")
        return client or None if not head else None

    def replay(self, replay_id: str, system_id: str, type_: str) -> str:
        """Name where one event of replay `replay_id` comes again."""
        return f"{self.prefix}/replay/{replay_id}/{system_id}/{type_}"

    def replay_filter(self, replay_id: str) -> str:
        """Match one replay."""
        return f"{self.prefix}/replay/{replay_id}/#"

    def may_answer_on(self, topic: str, client: str | None = None) -> bool:
        """Tell whether a replay may be answered on a topic: nowhere else can a request make us publish.

        Args:
            topic: where the answer is wanted.
            client: who asks for its own, and is answered below its own name.
        """
        below = "" if client is None else f"{client}/"
        return (
            topic.startswith(f"{self.prefix}/replay/{below}")
            and not topic.startswith(f"{self.replay_request}/")
            and topic != self.replay_request
            and not {"+", "#"} & set(topic)
        )

    def state(self, system_id: str) -> str:
        """Name the retained current state of a system."""
        return f"{self.prefix}/state/{quote(system_id, safe='')}"

    def state_event(self, event_id: str) -> str:
        """Name the retained current state of a user's event."""
        return f"{self.prefix}/state/_events/{quote(event_id, safe='')}"

    def state_node(self, node: str) -> str:
        """Name the retained current state of a node that brings its events here."""
        return f"{self.prefix}/state/_nodes/{quote(node, safe='')}"

    @property
    def state_filter(self) -> str:
        """Match all retained state."""
        return f"{self.prefix}/state/#"

    def health(self, process: str) -> str:
        """Name the retained health of a process."""
        return f"{self.prefix}/health/{process}"

    @property
    def health_filter(self) -> str:
        """Match the health of every process."""
        return f"{self.prefix}/health/+"


@lru_cache(maxsize=4096)
def _parse_intake(prefix: str, topic: str) -> Intake | None:
    head = f"{prefix}/in/"
    if not topic.startswith(head):
        return None
    parts = topic.removeprefix(head).split("/")
    expected = 3
    if len(parts) != expected or not all(parts):
        return None
    return Intake(*parts)


def matches(topic_filter: str, topic: str) -> bool:
    """Tell whether a topic filter covers a topic (MQTT 5, section 4.7)."""
    return _known_match(topic_filter, topic) if len(topic) <= _LONGEST else _match(topic_filter, topic)


def _match(topic_filter: str, topic: str) -> bool:
    if topic_filter == topic:
        return True
    wanted = topic_filter.split("/")
    levels = topic.split("/")
    if topic.startswith("$") and wanted[0] in {"#", "+"}:
        return False
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(levels) or level not in {"+", levels[index]}:
            return False
    return len(wanted) == len(levels)


_known_match = lru_cache(maxsize=8192)(_match)

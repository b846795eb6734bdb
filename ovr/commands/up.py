"""`ovr up` and `ovr demo`: a whole node on this machine, without containers."""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from bus import instants
from ovr import processes
from ovr.node import Node, open_node
from ovr.options import Config, Data, PortBase, Scenario, Speed, seconds
from ovr.supervisor import Supervisor, supervising
from ovr.systemd import Notices
from ovr.tally import Tally, position, tally
from ovr.view import View
from producers import pace

DEMO_DATA = Path("data/demo")
_PATIENCE_S = 60.0
For = Annotated[
    str | None,
    typer.Option("--for", help="Stop so long after all is ready, such as 30s.", show_default="until Ctrl-C"),
]
Temporary = Annotated[
    bool, typer.Option("--temporary", help="Use a directory that is removed in the end, instead of --data.")
]


def up(data: Data = None, config: Config = None, port_base: PortBase = None, for_: For = None) -> None:
    """Run a node: broker, VictoriaMetrics, recorder, projectors and the producers of site.toml.

    Everyone needs a user and a password (`ovr user add`). Ctrl-C stops everything in order.

    Example: `ovr up --data /mnt/esata/ovr --port-base 18830`
    """
    _run(_with_ports(open_node(data, config), port_base), for_, anonymous=False)


def demo(
    data: Data = None,
    config: Config = None,
    port_base: PortBase = None,
    for_: For = None,
    temporary: Temporary = False,
    scenario: Scenario = None,
    speed: Speed = None,
) -> None:
    """Run a node that shows something: this machine's own readings and a virtual site over real protocols.

    Only this machine reaches it, and without passwords. The data is kept in `data/demo` unless you say other.
    With `--for` it says in the end what was recorded; exit status 1 when something did not come up.
    With `--speed` the site's time begins a day back and runs faster, until it has caught up.

    Example: `ovr demo --for 30s`
    """
    with ExitStack() as stack:
        if temporary:
            made = tempfile.TemporaryDirectory(prefix="ovr-demo-", ignore_cleanup_errors=True)
            data = Path(stack.enter_context(made))
        os.environ |= _simulation(scenario, speed)  # our own processes read it too
        node = _with_ports(open_node(data or DEMO_DATA, config), port_base)
        _run(replace(node, site=processes.demo(node.site)), for_, anonymous=True, kept=not temporary)


def _simulation(scenario: str | None, speed: float | None) -> dict[str, str]:
    """Say what to simulate, and how fast, as the environment does."""
    said = {} if scenario is None else {"OVR_SIMULATOR_SCENARIO": scenario}
    if speed is not None:
        now_us = instants.now_us()
        clock = pace.since_yesterday(speed, now_us)
        said |= {
            "OVR_CLOCK_SPEED": f"{speed:g}",
            "OVR_CLOCK_REAL_ZERO": instants.text(clock.real_zero_us),
            "OVR_CLOCK_ZERO": instants.text(clock.zero_us),
        }
    return said


def _with_ports(node: Node, port_base: int | None) -> Node:
    if port_base is None:
        return node
    return replace(node, site=replace(node.site, listen=replace(node.site.listen, port_base=port_base)))


def _run(node: Node, for_: str | None, *, anonymous: bool, kept: bool = True) -> None:
    limit_s = None if for_ is None else seconds(for_)
    notices = Notices(os.environ)
    asked = _stop_signals(node)
    console = Console(highlight=False)
    after = position(node)
    with supervising(node, anonymous=anonymous) as supervisor, View(console) as view:
        clock = node.site.clock
        began_us = pace.pace(clock.speed, clock.real_zero, clock.zero).simulated(instants.now_us())
        run = _Run(node, supervisor, after, limit_s, began_us)

        def show(snapshot: dict[str, Any]) -> None:
            view.show(snapshot)
            notices.turn(snapshot)
            if run.became_ready(snapshot):
                console.print(welcome(node, snapshot, anonymous=anonymous), markup=False, soft_wrap=True)

        def over() -> bool:
            ends = asked() or run.over()
            if ends:
                notices.stopping()
            return ends

        supervisor.run(over, show)
    where = node.layout.data
    console.print(f"stopped; {'everything is kept in' if kept else 'removing'} {where}", soft_wrap=True)
    if run.tally is not None:
        console.print(str(run.tally), soft_wrap=True)
    if run.failed:
        failed = ", ".join(run.failed)
        console.print(f"did not come up: {failed}; see {node.layout.logs}", style="red", soft_wrap=True)
        raise typer.Exit(1)


@dataclass(slots=True)
class _Run:
    """Ends a run that was to last for some time, and says what it came to.

    Attributes:
        failed: the processes that did not come up.
    """

    node: Node
    supervisor: Supervisor
    after: int
    limit_s: float | None
    began_us: int
    tally: Tally | None = None
    failed: list[str] = field(default_factory=list)
    began_s: float = field(default_factory=time.monotonic)
    ready_s: float | None = None

    def became_ready(self, snapshot: dict[str, Any]) -> bool:
        """Note that everything works; True the first time."""
        if self.ready_s is not None or not snapshot["ready"]:
            return False
        self.ready_s = time.monotonic()
        return True

    def over(self) -> bool:
        """Tell whether the time is up; what was recorded is counted while everything still runs."""
        if self.limit_s is None:
            return False
        now_s = time.monotonic()
        if self.ready_s is None:
            over = now_s > self.began_s + _PATIENCE_S
        else:
            over = now_s >= self.ready_s + self.limit_s
        if over:
            snapshot = self.supervisor.snapshot()
            self.failed = [one["name"] for one in snapshot["processes"] if one["state"] != "ready"]
            if not self.failed:
                self.tally = tally(self.node, self.after, self.began_us)
        return over


def welcome(node: Node, snapshot: dict[str, Any], *, anonymous: bool) -> str:
    """Say what to try."""
    urls, data, prefix = snapshot["urls"], node.layout.data, node.site.prefix
    at = f"-p {urls['mqtt'].rpartition(':')[2]}" + ("" if anonymous else " -u alice -P '…'")
    event = """'{"event_id":"startup","location":"warehouse"}'"""
    topic = f"{prefix}/in/alice/rig_01/window.started"
    # Not on the PATH in an environment that is not activated, as under `make demo`.
    ovr = "ovr" if shutil.which("ovr") else str(Path(sys.executable).with_name("ovr"))
    lines = (
        f"ready: MQTT {urls['mqtt']}, websockets {urls['websockets']}, VictoriaMetrics {urls['victoria']}",
        f"data in {data}",
        f"open {urls['http']} in a browser, or try in another terminal:",
        *(() if anonymous else (f"  {ovr} user add alice --data {data}",)),
        f"  mosquitto_sub {at} -v -t '{prefix}/#'",
        f"  mosquitto_pub {at} -V 5 -q 1 -t {topic} -m {event}",
        f"  curl '{urls['victoria']}/api/v1/query?query=ovr_event_active'",
        *(
            f"  {ovr} {words} --data {data}"
            for words in ("status", "tail", "state", "replay --type window.started")
        ),
    )
    return "\n".join(lines)


def _stop_signals(node: Node) -> Callable[[], bool]:
    """Let SIGTERM and SIGINT stop the node, and SIGHUP when it is the terminal that goes, not a request."""
    asked: list[int] = []
    on_terminal = sys.stdin is not None and sys.stdin.isatty()

    def ask(number: int, _: object) -> None:
        hung_up = number == signal.SIGHUP
        if not hung_up or (on_terminal and not node.layout.swap_request.exists()):
            asked.append(number)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, ask)
    return lambda: bool(asked)

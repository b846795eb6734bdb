"""The supervisor behind `ovr up`: starts a node's processes in order, keeps them running, stops them.

Rules that must stay true here:
- one supervisor a data directory, by a lock; what a killed one left behind is ended first;
- one thread: a turn serves the bus, the children and requests, and never waits for any of them;
- a process that fails does not end the others.
"""

import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import orjson

from bus import instants
from bus.metrics_server import MetricsServer, listen
from ovr.backup_schedule import BackupSchedule
from ovr.child import Child, State, end_leftovers
from ovr.disk_duty import DiskDuty
from ovr.figures import Figures, Life
from ovr.logs import configure
from ovr.node import Node
from ovr.ports import Ports, check_free, choose
from ovr.preparing import check_mount, check_restored, locked, prepare_broker, urls
from ovr.process_identity import identity
from ovr.processes import (
    MOSQUITTO,
    PRODUCE,
    SERIES,
    SERVICE,
    SUPERVISOR,
    VICTORIA,
    Listening,
    ProcessSpec,
    plan,
)
from ovr.scraping import scrape_config
from ovr.series_swap import SeriesSwap
from ovr.users import write_private
from ovr.watch import Watch
from projectors.series_rebuild import swap

log = logging.getLogger(__name__)

ONLINE = "online"
_TURN_S = 0.1
_TELL_EVERY_S = 2.0
_STAGE_PATIENCE_S = 15.0
_LOGS_EVERY_S = 60.0
_METRICS_S = 0.2


class Supervisor:
    """Runs the processes of one node.

    Attributes:
        ports: where its services listen.
    """

    def __init__(self, node: Node, ports: Ports, specs: Sequence[ProcessSpec], *, anonymous: bool) -> None:
        self.ports = ports
        self._node = node
        self._anonymous = anonymous
        self._children = {spec.name: Child(spec, node.layout.logs / f"{spec.name}.log") for spec in specs}
        self._started_us = instants.now_us()
        self._identity = identity(os.getpid())
        self._stage = SERVICE
        self._stage_until = time.monotonic() + _STAGE_PATIENCE_S
        self._told: object = None
        self._told_at = self._logs_at = 0.0
        self._swap = SeriesSwap(node.layout, self._children.get(SERIES), self._children.get(VICTORIA))
        self._watch = Watch(node.broker(SUPERVISOR), SUPERVISOR)
        victoria, retention = self._children.get(VICTORIA), node.site.disk.victoria_retention
        self._duty = DiskDuty(node.layout, self._watch.disk_level, self._swap, victoria, retention)
        self._backups = BackupSchedule(node)
        self._figures = Figures(
            self._watch,
            self._lives,
            url=urls(node, ports)["http"],
            certificates=[node.site.listen.cert_file],
        )
        self._metrics = self._serve_metrics()
        self._bell, self._rope = socket.socketpair()
        self._bell.setblocking(False)
        self._rope.setblocking(False)

    def run(self, stopped: Callable[[], bool], show: Callable[[dict[str, Any]], None]) -> None:
        """Run everything until `stopped()`, then stop it in order.

        Args:
            stopped: asked every turn.
            show: given the snapshot of `ovr status` every turn.
        """
        before = signal.set_wakeup_fd(self._rope.fileno(), warn_on_full_buffer=False)
        try:
            while not stopped():
                self.turn()
                show(self.snapshot())
        finally:
            self.stop(show)
            signal.set_wakeup_fd(before)
            if self._metrics is not None:
                self._metrics.close()
            self._watch.connection.close()

    def turn(self) -> None:
        """Serve everyone once."""
        self._watch.connection.step(_TURN_S, wake=self._wakes())
        self._listen()
        for child in self._children.values():
            child.tend()
            child.found(working=self._works(child))
        self._start_next_stage()
        self._duty.tend()
        self._swap.tend()
        self._backups.tend(ready=self._stage == PRODUCE and self.ready())
        self._try_again()
        self._keep_logs_short()
        self._tell()

    def ready(self) -> bool:
        """Tell whether every process works."""
        return all(child.state is State.READY for child in self._children.values())

    def stop(self, show: Callable[[dict[str, Any]], None] = lambda _: None) -> None:
        """Stop everything, what feeds others first, the broker last."""
        self._backups.stop()
        order = sorted({_stop_order(child) for child in self._children.values()})
        for place in order:
            group = [child for child in self._children.values() if _stop_order(child) == place]
            for child in group:
                child.stop()
            while not all(child.over for child in group):
                self._watch.connection.step(0.02)
                for child in group:
                    child.tend()
                self._tell()
                show(self.snapshot())
        self._told = None
        self._tell()

    def snapshot(self) -> dict[str, Any]:
        """Describe everything, for `ovr status`, scripts and the display."""
        head = self._watch.head
        return {
            "pid": os.getpid(),
            "identity": self._identity,
            "started": instants.text(self._started_us),
            "data": str(self._node.layout.data),
            "config": str(self._node.source.absolute()) if self._node.source else None,
            "node_id": self._node.site.node_id,
            "prefix": self._node.site.prefix,
            "port_base": self.ports.base,
            "anonymous": self._anonymous,
            "urls": urls(self._node, self.ports),
            "ready": self.ready(),
            "head": None if head is None else dict(head),
            "events_per_s": self._watch.events_per_s(),
            "processes": [self._describe(child) for child in self._children.values()],
        }

    def _describe(self, child: Child) -> dict[str, Any]:
        name = child.spec.name
        return {
            "name": name,
            "state": child.state.value,
            "pid": child.pid,
            "identity": child.identity,
            "since": instants.text(round(child.since * 1e6)),
            "restarts": child.restarts,
            "message": child.message or self._problem(child),
            "health": dict(self._watch.health.get(name, {})),
        }

    def _problem(self, child: Child) -> str:
        """Say why a running process does not work."""
        if child.state is not State.STARTING or isinstance(child.spec.ready, Listening):
            return ""
        said = self._watch.health.get(child.spec.ready.process, {})
        if not self._watch.connection.connected:
            return self._watch.connection.refusal or ""
        return str(said.get("problem") or child.last_words())

    def _works(self, child: Child) -> bool:
        ready = child.spec.ready
        if not isinstance(ready, Listening):
            return self._watch.status(ready.process) == ONLINE
        if child.state is not State.STARTING:
            return child.state is State.READY
        return _accepts(ready.port)

    def _start_next_stage(self) -> None:
        group = [child for child in self._children.values() if child.spec.stage == self._stage]
        for child in group:
            if child.state is State.WAITING:
                child.start()
        last = max(child.spec.stage for child in self._children.values())
        settled = all(child.state in {State.READY, State.FAILED} for child in group)
        if self._stage < last and (settled or time.monotonic() >= self._stage_until):
            self._stage += 1
            self._stage_until = time.monotonic() + _STAGE_PATIENCE_S

    def _lives(self) -> dict[str, Life]:
        """Tell /metrics how the processes are."""
        return {
            name: Life(child.state is State.READY, child.state is State.FAILED, child.restarts)
            for name, child in self._children.items()
        }

    def _serve_metrics(self) -> MetricsServer | None:
        """Listen for who asks for figures; without a thread, since processes are forked here."""
        said, port = self._node.site.metrics, self.ports.metrics(SUPERVISOR)
        server = listen(said.address, port, patience_s=_METRICS_S) if said.enabled and port else None
        if server is not None:
            server.socket.setblocking(False)
        return server

    def _wakes(self) -> tuple[socket.socket, ...]:
        return (self._bell,) if self._metrics is None else (self._bell, self._metrics.socket)

    def _try_again(self) -> None:
        """Start what was given up, when `ovr rebuild` has mended what it may have stopped for."""
        request = self._node.layout.retry_request
        if request.exists():
            request.unlink(missing_ok=True)
            for child in self._children.values():
                child.mended()

    def _listen(self) -> None:
        if self._metrics is not None:
            self._metrics.serve()
        try:
            self._bell.recv(4096)
        except BlockingIOError:
            return

    def _keep_logs_short(self) -> None:
        if time.monotonic() - self._logs_at > _LOGS_EVERY_S:
            self._logs_at = time.monotonic()
            for child in self._children.values():
                child.keep_log_short()

    def _tell(self) -> None:
        """Write the snapshot for others when something changed, and now and then."""
        states = [(child.state, child.pid, child.restarts) for child in self._children.values()]
        if states != self._told or time.monotonic() - self._told_at > _TELL_EVERY_S:
            self._told, self._told_at = states, time.monotonic()
            text = orjson.dumps(self.snapshot(), option=orjson.OPT_INDENT_2).decode()
            try:
                write_private(self._node.layout.supervisor, text + "\n", durable=False)
            except OSError as error:
                log.warning("cannot write %s: %s", self._node.layout.supervisor, error)


@contextmanager
def supervising(node: Node, *, anonymous: bool = False) -> Iterator[Supervisor]:
    """Prepare a node's files, and give the supervisor that runs it.

    Raises:
        ConfigurationError: the mount is missing, a port taken, a binary not installed, or another one runs.
    """
    configure(node.site.log)
    check_mount(node)
    check_restored(node)
    layout, site = node.layout, node.site
    layout.run.mkdir(parents=True, exist_ok=True)
    with locked(node):
        said = node.supervised()
        if said is not None:
            pids = [(one["pid"], one.get("identity")) for one in said["processes"]]
            for pid in end_leftovers(pids):
                log.warning("ended process %d, which an earlier supervisor had left", pid)
        ports = choose(site.listen.port_base)
        if site.listen.cert_file is not None:
            check_free([site.listen.tls_port])
        options = ("--config", str(node.source.absolute())) if node.source else ()
        specs = plan(site, layout, ports, options)
        if layout.swap_request.exists():
            swap(layout.data)
            layout.swap_request.unlink()
        if MOSQUITTO in {spec.name for spec in specs}:
            prepare_broker(node, ports, anonymous=anonymous)
        if site.metrics.enabled:
            write_private(layout.scrape, scrape_config(node, ports, specs))
        write_private(layout.supervisor, orjson.dumps({"port_base": ports.base, "processes": []}).decode())
        yield Supervisor(node, ports, specs, anonymous=anonymous)


def _stop_order(child: Child) -> tuple[int, int]:
    """Producers first, then projectors, the recorder, VictoriaMetrics, and the broker last."""
    return -child.spec.stage, 1 if child.spec.name == MOSQUITTO else 0


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
    except OSError:
        return False
    return True

"""The web process: uvicorn with one loop, the outbox, and health on the bus, until SIGTERM or Ctrl-C."""

import asyncio
import errno
import gc
import logging
import resource
import signal
import socket
from typing import Any, Final

import uvicorn

from bus.connection import Broker
from bus.pulse import Pulse
from schemas.errors import ConfigurationError
from web.api.app import make_app
from web.api.limits import Limits
from web.api.measures import Measures
from web.api.patience import PatientProtocol
from web.api.service import Service, serving
from web.settings import Gateway

log = logging.getLogger(__name__)

PROCESS: Final = "web"
_MOST_AT_ONCE: Final = 1000
_KEEP_ALIVE_S: Final = 60
_LAST_WORDS_S: Final = 5
_LONGEST_HEAD: Final = 32 * 1024
_LOOK_EVERY_S: Final = 2.0
_FILES: Final = 8192


def run_web(settings: Gateway, broker: Broker) -> None:
    """Serve until a signal ends it.

    Raises:
        ConfigurationError: the port is taken, the keys are damaged, or another process has our outbox.
    """
    _allow_connections()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # uvicorn raises again what ended it
    asyncio.run(_main(settings, broker))


async def _main(settings: Gateway, broker: Broker) -> None:
    listening = _listen(settings.host, settings.port)
    measures = Measures(settings.node_id, settings.deployment_id)
    limits = Limits(settings.web.requests_per_s)
    app = make_app(settings, measures, limits)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=PatientProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=True,
            forwarded_allow_ips=list(settings.web.trusted_proxies),
            limit_concurrency=_MOST_AT_ONCE,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_LAST_WORDS_S,
            h11_max_incomplete_event_size=_LONGEST_HEAD,
        )
    )
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    gc.freeze()  # what is loaded lives as long as the process: to look through it takes as long as a request
    with listening:
        async with serving(settings, broker, measures, limits) as service:
            app.state.service = service
            pulse = Pulse(broker, PROCESS, lambda: _figures(service))
            watching = asyncio.create_task(_watch(service, server))
            log.info("serving http://%s:%d", settings.host, settings.port)
            try:
                await server.serve(sockets=[listening])
            finally:
                watching.cancel()
                await asyncio.to_thread(pulse.close)
            fault = service.writer.sender.status()
            if fault["stopped"]:
                raise ConfigurationError(fault["fault"])


async def _watch(service: Service, server: uvicorn.Server) -> None:
    """Stop when the outbox says that only a person can help."""
    while not service.writer.sender.status()["stopped"]:  # noqa: ASYNC110 - a thread says so, without a loop
        await asyncio.sleep(_LOOK_EVERY_S)
    server.should_exit = True


def _figures(service: Service) -> dict[str, Any]:
    said = service.writer.sender.status()
    return {
        "node_id": service.settings.node_id,
        "deployment_id": service.settings.deployment_id,
        "port": service.settings.port,
        "outbox_pending": said["pending"],
        "fault": said["fault"],
        "problem": said["fault"],
    }


def _listen(host: str, port: int) -> socket.socket:
    """Listen, before anything else is opened.

    Raises:
        ConfigurationError: the port is taken, or the address is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, so that asyncio sets TCP_NODELAY: without it answers wait 40 ms for an acknowledgement.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        why = "another process has it" if error.errno == errno.EADDRINUSE else error.strerror
        raise ConfigurationError(f"the HTTP API cannot listen on {host}:{port}: {why}; see [web]") from error
    return listening


def _allow_connections() -> None:
    """Let the process have as many files open as it is allowed to, within reason."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

"""Start a VictoriaMetrics of our own, with the settings that `ovr` relies on.

Rules that must stay true here:
- samples written twice are one sample (`-dedup.minScrapeInterval=1ms`): replay depends on it;
- it listens on loopback unless told otherwise, and is ended by the process that was started.
"""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from projectors.victoria import Victoria
from schemas.errors import ConfigurationError, TransientError

BINARY = "victoria-metrics"
RETENTION = "10y"
_READY_S = 30.0
_STOP_S = 60.0


def command(
    directory: Path,
    port: int,
    *,
    host: str = "127.0.0.1",
    memory_mb: int = 256,
    retention: str = RETENTION,
    min_free_disk_mb: int = 512,
    scrape: Path | None = None,
) -> list[str]:
    """Write the command that serves `directory`.

    Args:
        directory: where its files are.
        port: where it listens for HTTP.
        host: the address it listens on.
        memory_mb: how much its caches may take.
        retention: how long samples are kept.
        min_free_disk_mb: it takes no more when the disk has less than this left, and says so.
        scrape: the file that says whom it asks for figures; None: nobody.

    Raises:
        ConfigurationError: VictoriaMetrics is not installed.
    """
    binary = shutil.which(BINARY)
    if binary is None:
        raise ConfigurationError(f"{BINARY} is not installed: apt-get install {BINARY}")
    return [
        binary,
        f"-httpListenAddr={host}:{port}",
        f"-storageDataPath={directory}",
        f"-retentionPeriod={retention}",
        "-dedup.minScrapeInterval=1ms",
        "-search.latencyOffset=1ms",
        f"-memory.allowedBytes={memory_mb}MiB",
        f"-storage.minFreeDiskSpaceBytes={min_free_disk_mb}MiB",
        "-loggerLevel=WARN",
        *([] if scrape is None else [f"-promscrape.config={scrape}"]),
    ]


@contextmanager
def serving(directory: Path, log: Path, *, retention: str = RETENTION) -> Iterator[str]:
    """Serve `directory` on a free loopback port; yield the URL, and stop cleanly in the end.

    Raises:
        ConfigurationError: it does not start.
        TransientError: it did not stop cleanly, so that its newest samples may be lost.
    """
    port = _free_port()
    with log.open("ab") as output:
        words = command(directory, port, retention=retention)
        process = subprocess.Popen(words, stdout=output, stderr=output)  # noqa: S603 - our own words
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_ready(process, url, log)
        yield url
    finally:
        process.terminate()
        try:
            status = process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
    if status != 0:
        raise TransientError(f"{BINARY} on {directory} ended with status {status}: see {log}")


def _wait_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Wait until it answers, and can be told from any later process."""
    victoria = Victoria(url)
    deadline = time.monotonic() + _READY_S
    try:
        while True:
            if process.poll() is not None or time.monotonic() > deadline:
                raise ConfigurationError(f"{BINARY} does not start: see {log}")
            try:
                if victoria.process().uptime_s:
                    return
            except TransientError:
                pass
            time.sleep(0.02)
    finally:
        victoria.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port

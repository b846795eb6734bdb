"""Talk to a VictoriaMetrics: write lines, export, delete, make searchable, and know which process answers.

Rules that must stay true here:
- an answer of 204 means accepted, not durable: a killed VictoriaMetrics forgets its last ten seconds;
- a refused batch is bisected, so that a poison line holds up nothing but itself;
- what may work again soon is a `TransientError`, and nothing here retries.
"""

import http.client
import re
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import orjson

from schemas.errors import ConfigurationError, TransientError

if TYPE_CHECKING:
    from projectors.victoria_lines import LineWriter

EVERYTHING = '{__name__!=""}'
_MOST_REFUSED = 20
_END_OF_TIME_MS = 9_000_000_000_000


@dataclass(frozen=True, slots=True)
class Process:
    """A running VictoriaMetrics, and what it counted since its start.

    Attributes:
        started: Unix seconds; another start is another process.
        uptime_s: whole seconds; from 1 on, no later process can have the same start.
        invalid: rows skipped because they could not be parsed.
        ignored: rows dropped because their time is outside the retention or the next two days.
    """

    started: int
    uptime_s: int
    invalid: int
    ignored: int

    def replaces(self, earlier: Self) -> bool:
        """Tell whether this is another process than the one that answered earlier."""
        return self.started != earlier.started


@dataclass(frozen=True, slots=True)
class Series:
    """The samples of one series, by time.

    Attributes:
        labels: all labels with the metric's name under `__name__`.
        times_ms: Unix milliseconds.
    """

    labels: Mapping[str, str]
    values: Sequence[float]
    times_ms: Sequence[int]


_RETENTION = re.compile(rb'^flag\{name="retentionPeriod", value="([^"]+)"', re.MULTILINE)


class Victoria:
    """One VictoriaMetrics, spoken to from one thread at a time."""

    def __init__(self, url: str, *, timeout_s: float = 30.0) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in {"http", "https"} or parts.hostname is None:
            raise ConfigurationError(f"give VictoriaMetrics as http://host:port, not {url!r}")
        self.url = url.rstrip("/")
        self._path = parts.path.rstrip("/")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._http = kind(parts.hostname, parts.port, timeout=timeout_s)
        self._timeout_s = timeout_s
        self._lines: LineWriter | None = None

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()
        if self._lines is not None:
            self._lines.close()

    def post(self, lines: Sequence[bytes]) -> list[bytes]:
        """Write lines with times in milliseconds; return those that were refused for what they say.

        Raises:
            TransientError: it is away, overloaded, or its disk is full.
            ConfigurationError: it answers, but does not take lines.
        """
        refused: list[bytes] = []
        halves = [lines] if lines else []
        while halves:
            part = halves.pop()
            if self._accepts(b"\n".join(part)):
                continue
            if len(part) > 1:
                halves += [part[len(part) // 2 :], part[: len(part) // 2]]
                continue
            refused += part
            if len(refused) > _MOST_REFUSED:
                raise TransientError(f"VictoriaMetrics at {self.url} refuses all, such as {part[0]!r:.200}")
        return refused

    def _accepts(self, body: bytes) -> bool:
        if self._lines is None:
            # Most who ask never write, and the client for writing is as large as all else together.
            from projectors.victoria_lines import LineWriter  # noqa: PLC0415

            self._lines = LineWriter(self.url, timeout_s=self._timeout_s)
        return self._lines.accepts(body)

    def flush(self) -> None:
        """Make everything accepted so far searchable; it is not more durable for that."""
        self._get("/internal/force_flush")

    def delete(self, selectors: Sequence[str]) -> None:
        """Delete whole series; only what is searchable is found, so `flush` first."""
        if selectors:
            self._get("/api/v1/admin/tsdb/delete_series", [("match[]", selector) for selector in selectors])
            self.forget_results()

    def forget_results(self) -> None:
        """Drop cached query results, after the past has changed."""
        self._get("/internal/resetRollupResultCache")

    def retention(self) -> str:
        """Tell how long it keeps samples, in its own words.

        Raises:
            ConfigurationError: it does not say.
        """
        found = _RETENTION.search(self._get("/metrics"))
        if found is None:
            raise ConfigurationError(
                f"no VictoriaMetrics answers at {self.url}: its /metrics tells no retention"
            )
        return found[1].decode()

    def process(self) -> Process:
        """Tell which process answers."""
        lines = (line.rpartition(" ") for line in self._get("/metrics").decode().splitlines())
        figures = {name: int(float(value)) for name, _, value in lines if name.startswith("vm_")}
        if "vm_app_start_timestamp" not in figures:
            raise ConfigurationError(f"no VictoriaMetrics answers at {self.url}: its /metrics tells no start")
        return Process(
            figures["vm_app_start_timestamp"],
            figures.get("vm_app_uptime_seconds", 0),
            figures.get('vm_rows_invalid_total{type="influx"}', 0),
            sum(count for name, count in figures.items() if name.startswith("vm_rows_ignored_total{")),
        )

    def query(self, expression: str, at_ms: int) -> list[dict[str, Any]]:
        """Evaluate MetricsQL at one instant."""
        parameters = [("query", expression), ("time", f"{at_ms / 1000:.3f}"), ("nocache", "1")]
        answer = orjson.loads(self._get("/api/v1/query", parameters))
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def names(self, *, since_ms: int = 0, until_ms: int | None = None) -> list[str]:
        """List the names of all metrics, or of those of the days of a span that is no longer than 40 days."""
        span = [("start", f"{since_ms / 1000:.3f}")]
        if until_ms is not None:
            span.append(("end", f"{until_ms / 1000:.3f}"))
        answer = orjson.loads(self._get("/api/v1/label/__name__/values", span))
        return sorted(answer["data"])

    def export(
        self, selector: str = EVERYTHING, *, since_ms: int = 0, until_ms: int = _END_OF_TIME_MS
    ) -> Iterator[Series]:
        """Yield the stored samples, whole series one by one, both ends included."""
        for line in self.export_lines(selector, since_ms=since_ms, until_ms=until_ms):
            found = orjson.loads(line)
            yield Series(found["metric"], found["values"], found["timestamps"])

    def export_lines(self, selector: str, *, since_ms: int, until_ms: int) -> list[bytes]:
        """Return the stored samples as JSON, a line a series, both ends included."""
        # Without an end it would be a clock of whole seconds, and the newest samples missing.
        span = [("start", f"{since_ms / 1000:.3f}"), ("end", f"{until_ms / 1000:.3f}")]
        return self._get("/api/v1/export", [("match[]", selector), *span]).splitlines()

    def _get(self, path: str, parameters: Sequence[tuple[str, str]] = ()) -> bytes:
        form = urllib.parse.urlencode(parameters).encode()
        try:
            answer = self._ask(self._path + path, form)
            body = answer.read()
        except (http.client.HTTPException, OSError) as error:
            self._http.close()
            raise TransientError(f"VictoriaMetrics at {self.url} does not answer: {error!r}") from error
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise failure(self.url, answer.status, f"{path}: {body.decode(errors='replace')[:300]}")
        return body

    def _ask(self, target: str, form: bytes) -> http.client.HTTPResponse:
        kept = self._http.sock is not None
        try:
            return self._once(target, form)
        except (http.client.RemoteDisconnected, ConnectionError):
            # A kept connection may have been closed for idleness; a new one tells whether anybody listens.
            self._http.close()
            if not kept:
                raise
            return self._once(target, form)

    def _once(self, target: str, form: bytes) -> http.client.HTTPResponse:
        if form:
            self._http.request("POST", target, form, {"Content-Type": "application/x-www-form-urlencoded"})
        else:
            self._http.request("GET", target)
        return self._http.getresponse()


def failure(url: str, status: int, reason: str) -> TransientError | ConfigurationError:
    """Say what an answer with an error means: try again, or let a person see to it."""
    message = f"VictoriaMetrics at {url} answered {status}: {reason}"
    busy = status >= http.HTTPStatus.INTERNAL_SERVER_ERROR or status == http.HTTPStatus.TOO_MANY_REQUESTS
    return TransientError(message) if busy or not status else ConfigurationError(message)

"""Hand lines to a VictoriaMetrics through influxdb-client, and know from its answer what became of them.

Rules that must stay true here: nothing is queued, and nothing is tried again; the answer is the caller's.
"""

import http

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from projectors.victoria import failure
from schemas.errors import TransientError

_REFUSED = frozenset({http.HTTPStatus.BAD_REQUEST, http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE})


class LineWriter:
    """Writes to one VictoriaMetrics, from one thread at a time."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self._url = url
        self._influx = InfluxDBClient(url, "", org="", timeout=int(timeout_s * 1000), retries=False)
        self._write = self._influx.write_api(write_options=SYNCHRONOUS)

    def close(self) -> None:
        """Let go of the connections."""
        self._influx.close()  # type: ignore[no-untyped-call]

    def accepts(self, body: bytes) -> bool:
        """Write lines with times in milliseconds; False when they are refused for what they say.

        Raises:
            TransientError: it is away, overloaded, or its disk is full.
            ConfigurationError: it answers, but does not take lines.
        """
        try:
            self._write.write("", "", body, write_precision=WritePrecision.MS)  # type: ignore[arg-type]
        except ApiException as error:
            if error.status in _REFUSED:
                return False
            raise failure(self._url, error.status or 0, str(error.reason)) from error
        except (HTTPError, OSError) as error:
            raise TransientError(f"VictoriaMetrics at {self._url} does not take lines: {error}") from error
        return True

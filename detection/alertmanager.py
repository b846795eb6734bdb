"""Deliver alerts to a Prometheus Alertmanager: who is told, and how, is its job.

Rules that must stay true here:
- nobody waits for it: a thread of its own posts, with time limits, and health says what is wrong;
- an alert that stands is posted again and again, each time as ending soon, so an Alertmanager that forgot it
  learns it anew, and one that hears no more of us lets it end;
- one that is over is posted as ended for as long as it is shown so, and until it was taken once, so that no
  absence hides an end; no more than the newest thousand wait for that.
"""

import http.client
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from bus import instants
from bus.instants import SECOND_US
from detection.alert_address import address
from detection.alert_events import text
from detection.alerts import Standing
from detection.limits import Limit
from schemas.errors import TransientError

log = logging.getLogger(__name__)

_PATH: Final = "/api/v2/alerts"
_EVERY_S: Final = 30.0
_FIRST_PAUSE_S: Final = 1.0
_TIMEOUT_S: Final = 5.0
_ENDS_AFTER_US: Final = 180 * SECOND_US
_MOST_OWED: Final = 1000
_Key = tuple[str, str]
"""A system and the name of an alert."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where alerts go, and what is said with each.

    Attributes:
        url: of Alertmanager, without the path of its API; user:password@ before the host is sent as such.
        node_id: names the site.
        link: where people see more of it.
    """

    url: str
    node_id: str
    link: str | None = None


def posted(standing: Standing, target: Target, now_us: int) -> Mapping[str, str | Mapping[str, str]]:
    """Write an alert as Alertmanager's API wants it. Pure."""
    # In a simulation the stream's clock may be ahead: Alertmanager wants no beginning after the end.
    since_us = min(now_us, standing.since_us)
    ends_us = now_us + _ENDS_AFTER_US if standing.ended_us is None else min(now_us, standing.ended_us)
    limit = standing.limit
    said: dict[str, str | Mapping[str, str]] = {
        "labels": {
            "alertname": limit.alert,
            "system_id": standing.system_id,
            "severity": limit.severity,
            "period": limit.period,
            "node_id": target.node_id,
        },
        "annotations": {
            "summary": f"{standing.system_id}: {text(limit, standing.count)}",
            "description": f"{standing.count} of {limit.counted} on {standing.system_id}; {limit.most} are"
            f" allowed. Since {instants.text(since_us)}.",
            "count": str(standing.count),
            "limit": str(limit.most),
        },
        "startsAt": instants.text(since_us),
        "endsAt": instants.text(max(since_us, ends_us)),
    }
    if target.link is not None:
        said["generatorURL"] = target.link
    return said


class Alertmanager:
    """Posts to one Alertmanager until it is closed."""

    def __init__(
        self,
        target: Target,
        *,
        every_s: float = _EVERY_S,
        timeout_s: float = _TIMEOUT_S,
        clock_us: Callable[[], int] = instants.now_us,
    ) -> None:
        """Begin; what there is to tell is given to `show`.

        Args:
            target: where alerts go.
            every_s: how often what stands is posted again.
            timeout_s: how long an answer may take.
            clock_us: the true time.

        Raises:
            ConfigurationError: the URL is none.
        """
        self._address = address(target.url)
        self._every_s, self._timeout_s, self._clock_us = every_s, timeout_s, clock_us
        self._target = target
        self._shown: dict[_Key, Standing] = {}
        self._owed: dict[_Key, Standing] = {}
        self._taken: set[Standing] = set()
        self._changed = self._closing = False
        self._bell = threading.Condition()
        self._said = "not asked yet"
        self._delivered_us: int | None = None
        self._failed = 0
        self._thread = threading.Thread(target=self._run, name="alertmanager", daemon=True)
        self._thread.start()

    def show(self, standing: tuple[Standing, ...]) -> None:
        """Take in what stands now; what came or went is posted at once, the rest in the next round."""
        with self._bell:
            came_or_went = _identities(standing) != _identities(self._shown.values())
            before, self._shown = self._shown, {_key(one): one for one in standing}
            gone = {key: one for key, one in before.items() if key not in self._shown}
            self._owed |= {key: self._over(one) for key, one in gone.items() if _bare(one) not in self._taken}
            kept = [(key, one) for key, one in self._owed.items() if key not in self._shown]
            self._owed = dict(kept[-_MOST_OWED:])
            self._taken &= {_bare(one) for one in standing}
            if came_or_went:
                self._changed = True
                self._bell.notify()

    def _over(self, standing: Standing) -> Standing:
        """Let what is no longer shown be over, if nobody said when it was."""
        return replace(standing, ended_us=standing.ended_us or self._clock_us())

    def status(self) -> Mapping[str, Any]:
        """Say how delivery goes."""
        delivered_us = self._delivered_us
        return {
            "alertmanager": self._said,
            "delivered": None if delivered_us is None else instants.text(delivered_us),
        }

    def close(self) -> None:
        """Stop, after a last try; what stands ends by itself, unless we are back soon."""
        with self._bell:
            self._closing = True
            self._bell.notify()
        self._thread.join(2 * self._timeout_s)

    def _run(self) -> None:
        pause_s = 0.0
        while not self._closing:
            with self._bell:
                self._bell.wait_for(lambda: self._closing or (self._changed and not self._failed), pause_s)
                if self._closing and not self._changed:
                    return
                self._changed, standing = False, (*self._owed.values(), *self._shown.values())
            self._try(standing)
            pause_s = (
                min(self._every_s, _FIRST_PAUSE_S * 2 ** (self._failed - 1))
                if self._failed
                else self._every_s
            )

    def _try(self, standing: tuple[Standing, ...]) -> None:
        now_us = self._clock_us()
        try:
            self._post([posted(one, self._target, now_us) for one in standing])
        except TransientError as error:
            if not self._failed:
                log.warning("alerts are not delivered, and tried again: %s", error)
            self._failed = min(self._failed + 1, 10)
            self._said = str(error)
            return
        if self._failed:
            log.info("alerts are delivered again")
        self._failed, self._said, self._delivered_us = 0, "reached", self._clock_us()
        with self._bell:
            over = {_bare(one) for one in standing if one.ended_us is not None}
            self._taken |= over & {_bare(one) for one in self._shown.values()}
            self._owed = {key: one for key, one in self._owed.items() if _bare(one) not in over}

    def _post(self, due: list[Mapping[str, Any]]) -> None:
        """Post all at once; even nothing, to know that somebody is there.

        Raises:
            TransientError: it was not taken.
        """
        where = self._address
        kind = http.client.HTTPSConnection if where.scheme == "https" else http.client.HTTPConnection
        connection = kind(where.host, where.port, timeout=self._timeout_s)
        headers = {"Content-Type": "application/json", **where.headers}
        try:
            connection.request("POST", where.path + _PATH, orjson.dumps(due), headers)
            answer = connection.getresponse()
            said = answer.read(300)
        except (OSError, http.client.HTTPException) as error:
            raise TransientError(f"{where} cannot be reached: {error}") from error
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            words = said.decode(errors="replace").strip()
            raise TransientError(f"{where} answered {answer.status}: {words}")


def _key(one: Standing) -> _Key:
    return one.system_id, one.limit.alert


def _bare(one: Standing) -> Standing:
    """Return what an alert is but for its count, which may change."""
    return replace(one, count=0)


def _identities(standing: Iterable[Standing]) -> set[tuple[str, Limit, int, int | None]]:
    return {(one.system_id, one.limit, one.since_us, one.ended_us) for one in standing}

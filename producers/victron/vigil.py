"""Keeps one GX telling, and knows whether what it told last is still so.

Pure: it says what to publish, and is told what was heard. Rules that must stay true here:
- a GX tells only while someone keeps it alive: at first with a request for everything, then without;
- its values count once such a request has been answered whole, and while its heart beats: a GX that is silent
  is asked for everything again, and nothing that it told before counts until it has;
- an answer that does not come in time is asked for again: a GX drops requests that come too fast;
- everyone gets what anyone asked for, so an answer is known as ours by the word that we sent along; a GX that
  does not say it again (before Venus OS 3.50) is believed a moment later, when no better answer came.

A GX of before 3.20 (`legacy`) has no heart to hear, tells no end of an answer, and its broker keeps its last
words. Nobody knows when those were said: each is asked for once more, and counts when it is answered.
"""

from collections.abc import Iterator
from typing import Final

import orjson

ECHO: Final = "full-publish-completed-echo"
SUPPRESS: Final = b'{"keepalive-options":["suppress-republish"]}'
SURE: Final = 1
"""How often a service must be missing from such an answer before it counts as gone."""
UNSURE: Final = 2
"""The same, when the answer may have been another's and have begun before we listened."""

_KEEP_US = 30_000_000
_AUDIT_US = 300_000_000
_ANSWER_US = 8_000_000
_ANSWER_BEGINS_US = 3_000_000
_UNSURE_US = 1_000_000
_STALLED_US = 2_000_000
_MOST_WORDS = 10
_SILENT_US = 8_000_000
_SILENT_WITHOUT_HEART_US = 30_000_000
_LEGACY_AFTER_US = 4_000_000
_LEGACY_ASK_US = 5_000_000
_LEGACY_SILENT_US = 16_000_000
_LEGACY_ANSWER_US = 3_000_000

Request = tuple[str, bytes]
"""What to publish below `R/<portal>/`, and the payload."""


class Vigil:
    """The watch over one GX.

    Args:
        word: what our requests are known by; others must not use it.

    Attributes:
        ready: what it told last is so now.
        reason: why not, as `device.disconnected` knows reasons.
        detail: the same in words.
        heard_us: when it said anything last, other than what its broker had kept.
        legacy: it is of the old kind.
        pending: topics that an old one is asked for, without `N/`.
    """

    def __init__(self, word: str) -> None:
        self.ready = False
        self.reason = "link_lost"
        self.detail = "not connected yet"
        self.heard_us = 0
        self.legacy = False
        self.pending: dict[str, None] = {}
        self._word = word
        self._asked = self._first = 0
        self._begun = False
        self._echoed = False
        self._beats = False
        self._ends = False
        self._whole = 0
        self._opened_us: int | None = None
        self._asked_us: int | None = None
        self._told_us: int | None = None
        self._kept_us = 0
        self._lost_us = 0
        self._ticked_us = 0
        self._left = 0
        self._rounds = 0
        self._audited_us = 0

    def open(self, now_us: int) -> None:
        """Note that the connection stands and the subscriptions are asked for."""
        self._opened_us = now_us
        self.heard_us = self._lost_us = self._whole = 0
        self.legacy = self._beats = self._ends = False
        self.pending.clear()
        self._lose("silent", "it has told nothing yet")

    def close(self, reason: str, detail: str) -> None:
        """Note that the connection is lost, or cannot be made."""
        self._opened_us = None
        self._lose(reason, detail)

    def beat(self) -> None:
        """Note a heartbeat."""
        self._beats, self.legacy = True, False

    def completed(self, payload: bytes, now_us: int) -> None:
        """Note the end of an answer, ours or anyone's."""
        self._ends, self.legacy = True, False
        try:
            echo = orjson.loads(payload).get(ECHO)
        except (ValueError, AttributeError):
            return
        if self._asked_us is None:
            return
        if echo in self._words():
            self._echoed = True
            self._settle(SURE, now_us)
        elif echo is None and not self._echoed and self._told_us is None:
            self._told_us = now_us

    def whole(self) -> int:
        """Take the verdict on an answer that is whole now: `SURE` or `UNSURE`; 0 when there is none."""
        whole, self._whole = self._whole, 0
        return whole

    def begun(self) -> bool:
        """Take note that everything was asked for anew; repetitions of a request do not count."""
        begun, self._begun = self._begun, False
        return begun

    def tick(self, now_us: int) -> list[Request]:
        """Give what to publish now."""
        self._wake(now_us)
        if self._opened_us is None:
            return []
        if self._told_us is not None and now_us - self._told_us >= _UNSURE_US:
            self._settle(UNSURE, now_us)
        if not self.legacy and self._is_old(now_us):
            self.legacy, self._asked_us, self._kept_us = True, None, now_us - _LEGACY_ASK_US
        if self.ready and now_us - self.heard_us >= self._silent_us():
            self._lose("silent", f"nothing was heard for {self._silent_us() // 1_000_000} s")
            self._lost_us = self.heard_us
        return list(self._ask_old(now_us) if self.legacy else self._ask(now_us))

    def _words(self) -> list[str]:
        """Give the words of the request that is not answered yet, and of its repetitions."""
        return [f"{self._word}-{number}" for number in range(self._first, self._asked + 1)]

    def _wake(self, now_us: int) -> None:
        """Blame nobody for the time in which we did not listen: what came then is not taken in yet."""
        stalled_us = now_us - self._ticked_us - _STALLED_US
        if self._ticked_us and stalled_us > 0:
            self.heard_us = min(now_us, self.heard_us + stalled_us)
        self._ticked_us = now_us

    def _ask(self, now_us: int) -> Iterator[Request]:
        asked_us = self._asked_us
        wanted = not self.ready or now_us - self._audited_us >= _AUDIT_US
        silent = self.heard_us < (asked_us or 0)
        patience_us = _ANSWER_BEGINS_US if silent else _ANSWER_US
        overdue = asked_us is not None and self._told_us is None and now_us - asked_us >= patience_us
        if overdue or (wanted and asked_us is None):
            self._asked += 1
            if not overdue:
                self._first, self._begun = self._asked, True
            self._first = max(self._first, self._asked - _MOST_WORDS)
            self._asked_us = self._kept_us = now_us
            yield "keepalive", orjson.dumps({"keepalive-options": [{ECHO: self._words()[-1]}]})
        elif now_us - self._kept_us >= _KEEP_US:
            self._kept_us = now_us
            yield "keepalive", SUPPRESS

    def _ask_old(self, now_us: int) -> Iterator[Request]:
        if self._asked_us is None and not self.ready and self.heard_us > self._lost_us:
            self._asked_us, self._left = now_us, len(self.pending)
            yield "keepalive", b""
            yield from ((topic, b"") for topic in self.pending)
        if now_us - self._kept_us >= _LEGACY_ASK_US:
            self._kept_us = now_us
            yield "system/0/Serial", b""  # keeps it alive, and shows that it is
        if self._asked_us is not None and now_us - self._asked_us >= _LEGACY_ANSWER_US:
            self._rounds += 1
            more = 0 < len(self.pending) < self._left or (self.pending and self._rounds == 1)
            if more:
                self._asked_us = None
            else:  # what is left belongs to devices that have left
                self._settle(SURE, now_us)

    def _is_old(self, now_us: int) -> bool:
        told = self.pending or self.heard_us
        opened_us = self._opened_us or 0
        return bool(told and not self._beats and not self._ends and now_us - opened_us >= _LEGACY_AFTER_US)

    def _silent_us(self) -> int:
        if self.legacy:
            return _LEGACY_SILENT_US
        return _SILENT_US if self._beats else _SILENT_WITHOUT_HEART_US

    def _settle(self, whole: int, now_us: int) -> None:
        self.ready, self.reason, self.detail, self._whole = True, "", "", whole
        self._asked_us = self._told_us = None
        self._audited_us = now_us
        self.pending.clear()

    def _lose(self, reason: str, detail: str) -> None:
        self.ready, self.reason, self.detail = False, reason, detail
        self._asked_us = self._told_us = None
        self._rounds = 0

"""Send one event and hear what became of it, without an outbox: the caller keeps it until then.

Rules that must stay true here:
- only the recorder's word counts: its confirmation or its refusal, by the event's id;
- what may be lost is sent again under the same id, which records it once however often it arrives.
"""

import time
from typing import Any

import orjson

from bus import envelope
from bus.connection import Broker, Connection, Message
from bus.envelope import CONTENT_TYPE, Envelope
from bus.ids import token
from bus.topics import Topics
from schemas.errors import ConfigurationError, InputError, TransientError

_TURN_S = 0.1
_AGAIN_S = 2.0
_NOT_AUTHORIZED = 0x87
_NO_SUBSCRIBERS = 0x10


def confirm(broker: Broker, client: str, event: Envelope, *, limit_s: float) -> dict[str, Any]:
    """Return the recorder's confirmation (with `position`) or refusal (with `reason`, `field`, `hint`).

    Args:
        broker: where to send it.
        event: with an id of its own, kept by the caller.
        client: our user name, which the topics carry.
        limit_s: the monotonic time to give up at.

    Raises:
        TransientError: nobody confirmed it in time; it may have been recorded all the same.
        ConfigurationError: this user may not publish so.
    """
    if not event.subject or any(letter in event.subject for letter in "/+#\0"):
        raise InputError("system_id", "subject", f"name the system without / + #, not {event.subject!r:.80}")
    conversation = _Conversation(broker, client, event)
    try:
        return conversation.run(limit_s)
    finally:
        conversation.connection.close()


class _Conversation:
    def __init__(self, broker: Broker, client: str, event: Envelope) -> None:
        topics = Topics(broker.prefix)
        self.connection = Connection(broker, f"{client}-{token()}")
        self._topic = topics.intake(client, event.subject, event.type)
        self._event = event
        self._body = envelope.encode(event)
        self._answer: dict[str, Any] | None = None
        self._problem = ""
        self._refused = 0
        self._sent_at = float("-inf")
        self.connection.subscribe(topics.ack(client), self._hear, qos=1)
        self.connection.subscribe(topics.rejected(client), self._hear, qos=1)
        self.connection.on_connect(self._resend)

    def run(self, limit_s: float) -> dict[str, Any]:
        while time.monotonic() < limit_s:
            self.connection.step(_TURN_S)
            if self._answer is not None:
                return self._answer
            if self._refused == _NOT_AUTHORIZED:
                user = self.connection.broker.username or "without a name"
                raise ConfigurationError(
                    f"the broker does not let user {user} publish to {self._topic}: see `ovr user`"
                )
            if self.connection.connected and time.monotonic() - self._sent_at > _AGAIN_S:
                self._send()
        why = self.connection.refusal or self._problem or "the recorder did not answer"
        raise TransientError(
            f"not confirmed: {why}; send it again with --id {self._event.id}, it will be recorded once"
        )

    def _send(self) -> None:
        self._sent_at = time.monotonic()
        self.connection.publish(
            self._topic, self._body, qos=1, content_type=CONTENT_TYPE, on_ack=self._on_puback
        )

    def _resend(self, _: bool) -> None:
        self._sent_at = float("-inf")

    def _on_puback(self, code: int) -> None:
        self._refused = code
        if code == _NO_SUBSCRIBERS:
            self._problem = "no recorder listens at the broker: see `ovr status`"
            self._sent_at = time.monotonic() - _AGAIN_S + _TURN_S
        elif code:
            self._problem = f"the broker refuses the message, code {code:#04x}"

    def _hear(self, message: Message) -> None:
        try:
            said = orjson.loads(message.payload)
        except orjson.JSONDecodeError:
            return
        if (
            isinstance(said, dict)
            and said.get("id") == self._event.id
            and ("position" in said or "reason" in said)
        ):
            self._answer = said

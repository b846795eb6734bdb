"""The errors of `ovr`, split by who must act."""

from dataclasses import dataclass


class OvrError(Exception):
    """Any error that `ovr` raises on purpose."""


class TransientError(OvrError):
    """Something outside failed that may work again soon; the caller retries."""


class ConfigurationError(OvrError):
    """Nothing will work until a person changes what the message names; the process stops."""


@dataclass(frozen=True, slots=True)
class InputError(OvrError):
    """A message cannot be recorded or applied; it is kept as a dead letter.

    Attributes:
        reason: one word of `snake_case` that programs can switch on.
        field: the path to the offending value, such as `data.values.soc_pct`; empty for the whole message.
        hint: one sentence that says what to do.
    """

    reason: str
    field: str
    hint: str

    def __str__(self) -> str:
        where = f" at {self.field}" if self.field else ""
        return f"{self.reason}{where}: {self.hint}"

"""The errors of `ovr`, split by who must act."""


class OvrError(Exception):
    """Any error that `ovr` raises on purpose."""


class TransientError(OvrError):
    """Something outside failed that may work again soon; the caller retries."""


class ConfigurationError(OvrError):
    """Nothing will work until a person changes what the message names; the process stops."""


class InputError(OvrError):
    """A message cannot be recorded or applied; it is kept as a dead letter.

    Attributes:
        reason: one word of `snake_case` that programs can switch on.
        field: the path to the offending value, such as `data.values.soc_pct`; empty for the whole message.
        hint: one sentence that says what to do.
    """

    def __init__(self, reason: str, field: str, hint: str) -> None:
        where = f" at {field}" if field else ""
        super().__init__(f"{reason}{where}: {hint}")
        self.reason = reason
        self.field = field
        self.hint = hint

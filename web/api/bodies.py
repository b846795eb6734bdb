"""What requests hold: the seed's bodies, and what every write may say besides.

Rules that must stay true here:
- an unknown field is refused: what was typed wrongly must not vanish;
- an empty optional text is an absent one: forms send what was left blank.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from bus import instants

_LONGEST_NAME, _LONGEST_TEXT, _LONGEST_SYSTEM, _LONGEST_KEY = 120, 4000, 200, 200


def _absent(value: object) -> object:
    """Turn what was left blank into nothing."""
    return None if isinstance(value, str) and not value.strip() else value


Blank = BeforeValidator(_absent)
SystemId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=_LONGEST_SYSTEM,
        description="The system: its id, or any name it goes by; the recorder makes it canonical.",
        examples=["rig_01"],
    ),
]
EventId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=_LONGEST_NAME,
        description="The user's name for the concert, job or test: one line.",
        examples=["startup"],
    ),
]
Place = Annotated[
    str,
    Field(
        min_length=1,
        max_length=_LONGEST_NAME,
        description="Where the system stands: one line.",
        examples=["warehouse"],
    ),
]
Text = Annotated[
    str,
    Field(
        min_length=1,
        max_length=_LONGEST_TEXT,
        description="What the operator adds.",
        examples=["Initial power-on test"],
    ),
]
Time = Annotated[
    str,
    Field(
        max_length=40,
        description="When it happened: RFC 3339 with an offset, since 2000 and not in the future.",
        examples=["2026-11-21T05:00:00Z"],
        json_schema_extra={"format": "date-time"},
    ),
]


Key = Annotated[
    str,
    Field(
        min_length=1,
        max_length=_LONGEST_KEY,
        description="Made by the client, best a UUID: the event's id. Sent again, it is recorded once. "
        "The header `Idempotency-Key` does the same.",
        examples=["019aa5a0-1c2b-7d3e-8f00-112233445566"],
    ),
]
Person = Annotated[str, Field(min_length=1, max_length=80, description="Who says it.", examples=["Ada"])]
Why = Annotated[str, Field(min_length=1, max_length=500, description="Why.")]
Word = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*$")]
Month = Annotated[
    str,
    Field(
        pattern=r"^2[0-9]{3}-(0[1-9]|1[0-2])$",
        description="The UTC month; this one when left out.",
        examples=["2026-11"],
    ),
]


class Said(BaseModel):
    """What every write may say."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, allow_inf_nan=False)

    id: Annotated[Key | None, Blank] = None
    time: Annotated[Time | None, Blank] = None
    operator: Annotated[Person | None, Blank] = None

    @field_validator("time")
    @classmethod
    def _is_time(cls, value: str | None) -> str | None:
        return _time(value)

    @field_validator("operator")
    @classmethod
    def _is_one_line(cls, value: str | None) -> str | None:
        if value is not None and not value.isprintable():
            raise ValueError("write one line of printable characters")
        return value

    @property
    def time_us(self) -> int | None:
        """Return when it happened; None: now."""
        return None if self.time is None else instants.parse(self.time)


class Start(Said):
    """A system begins to take part in an event."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "system_id": "rig_01",
                    "event_id": "startup",
                    "location": "warehouse",
                    "note": "Initial power-on test",
                }
            ]
        }
    )
    system_id: SystemId
    event_id: EventId
    location: Annotated[Place | None, Blank] = None
    note: Annotated[Text | None, Blank] = None


class End(Said):
    """A system stops taking part; without `event_id` in what is active."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"system_id": "rig_01", "event_id": "startup"}, {"system_id": "rig_01"}]
        }
    )
    system_id: SystemId
    event_id: Annotated[EventId | None, Blank] = None
    note: Annotated[Text | None, Blank] = None


class EndAll(Said):
    """Every system of an event stops; without `event_id` every system of every event."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"event_id": "startup"}, {}]})
    event_id: Annotated[EventId | None, Blank] = None
    note: Annotated[Text | None, Blank] = None


class Location(Said):
    """A system stands somewhere from now on."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"system_id": "rig_01", "location": "field_site_a"}]}
    )
    system_id: SystemId
    location: Place
    lat: Annotated[
        float | None, Field(strict=True, ge=-90, le=90, description="Decimal degrees, north positive.")
    ] = None
    lon: Annotated[
        float | None, Field(strict=True, ge=-180, le=180, description="Decimal degrees, east positive.")
    ] = None
    accuracy_m: Annotated[float | None, Field(strict=True, ge=0, le=1_000_000, description="Metres.")] = None
    note: Annotated[Text | None, Blank] = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.lat is None) != (self.lon is None):
            raise ValueError("send lat and lon together, or neither")
        return self


class Note(Said):
    """Something was seen or done."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "system_id": "rig_01",
                    "event_id": "startup",
                    "msg": "Voltage dropped to 47V for 3 seconds",
                }
            ]
        }
    )
    system_id: Annotated[SystemId | None, Blank] = None
    msg: Text
    event_id: Annotated[EventId | None, Blank] = None


class Correct(Said):
    """A recorded start or end did not happen, or happened at another time."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"system_id": "rig_01", "corrects": "019aa5a0-1c2b-7d3e-8f00-112233445566", "undo": True},
                {
                    "system_id": "rig_01",
                    "corrects": "019aa5a0-1c2b-7d3e-8f00-112233445566",
                    "time_to": "2026-11-21T05:00:00Z",
                },
            ]
        }
    )
    system_id: Annotated[SystemId, Field(description="That of what is corrected; `all` for an end of all.")]
    corrects: Annotated[str, Field(min_length=1, max_length=256, description="The id of what is corrected.")]
    undo: Annotated[Literal[True] | None, Field(description="It did not happen.")] = None
    time_to: Annotated[Time | None, Blank] = None
    note: Annotated[Text | None, Blank] = None

    @field_validator("time_to")
    @classmethod
    def _is_time_to(cls, value: str | None) -> str | None:
        return _time(value)

    @model_validator(mode="after")
    def _says_one(self) -> Self:
        if (self.undo is None) == (self.time_to is None):
            raise ValueError("say either undo: true or time_to")
        return self


class Reset(Said):
    """Counters begin anew; what was counted ever stays."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"system_id": "rig_01", "types": ["ups.ac_power_loss"], "reason": "Serviced"}]
        }
    )
    system_id: SystemId
    types: Annotated[
        list[Annotated[str, Field(max_length=64)]] | None,
        Field(min_length=1, max_length=64, description="Which occurrences; all of them when left out."),
    ] = None
    reason: Why


class Acknowledge(Said):
    """Somebody has seen an alarm of a device, or an alert of a rule, and takes care of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"system_id": "rig_01", "alarm": "grid_lost", "device": "vebus/276", "note": "On it."}
            ]
        }
    )
    system_id: SystemId
    alarm: Annotated[Word | None, Blank, Field(description="The device's alarm.")] = None
    device: Annotated[Annotated[str, Field(max_length=120)] | None, Blank] = None
    phase: Literal["l1", "l2", "l3"] | None = None
    alert: Annotated[Word | None, Blank, Field(description="The rule's alert.")] = None
    counted: Annotated[Annotated[str, Field(max_length=64)] | None, Blank] = None
    period: Literal["hourly", "daily"] | None = None
    note: Annotated[Text | None, Blank] = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.alarm is None) == (self.alert is None):
            raise ValueError("name the alarm, or the alert")
        if self.alarm is None and (self.device is not None or self.phase is not None):
            raise ValueError("device and phase are of alarms")
        if self.alert is None and (self.counted is not None or self.period is not None):
            raise ValueError("counted and period are of alerts")
        return self


class Register(Said):
    """What is known about a system; the newest registration holds as a whole."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={"examples": [{"name": "Main stage left", "kind": "bess", "rated_w": 45000}]},
    )

    @property
    def registration(self) -> dict[str, Any]:
        """Return what it says of the system; its schema is that of `system.registered`."""
        return dict(self.model_extra or {})


class Tiles(Said):
    """A map asked a provider for tiles."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"provider": "mapbox", "count": 5, "month_key": "2026-01"}]}
    )
    provider: Literal["mapbox", "esri"]
    count: Annotated[int, Field(strict=True, ge=1, le=100_000, description="How many since the last time.")]
    month_key: Annotated[Month | None, Blank] = None


class Preferred(Said):
    """Where map tiles shall come from."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"provider": "esri"}]})
    provider: Literal["mapbox", "esri"]


class Generate(Said):
    """A report is to be made, again if need be: of one system, or without `system_id` of the whole event."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"event_id": "startup"}]})
    event_id: EventId
    system_id: Annotated[SystemId | None, Blank] = None


class Send(BaseModel):
    """A report is to be sent by e-mail."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"to": ["office@example.com"]}]}
    )
    to: Annotated[
        list[Annotated[str, Field(min_length=3, max_length=254, pattern=r"^[^@\s<>,;]+@[^@\s<>,;]+$")]],
        Field(min_length=1, max_length=20),
    ]
    system_id: Annotated[SystemId | None, Blank] = None


def _time(value: str | None) -> str | None:
    if value is None:
        return None
    try:
        instants.parse(value)
    except ValueError as error:
        raise ValueError(f"write a time such as 2026-11-21T05:00:00Z: {error}") from error
    return value

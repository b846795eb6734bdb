"""What answers hold, as the description of the API shows it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Position = Annotated[int | None, Field(description="Its place in the journal; null while it waits.")]


class ProblemDetails(BaseModel):
    """RFC 9457: what went wrong, where, and what to do."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "/api/docs#problem-invalid",
                    "title": "Something in the request must be changed",
                    "status": 422,
                    "detail": "Name the system with letters, digits, _ and . (at most 64).",
                    "field": "system_id",
                    "reason": "system_id",
                }
            ]
        }
    )
    type: str
    title: str
    status: int
    detail: str
    field: Annotated[str, Field(description="The field that is wrong.")] = ""
    reason: Annotated[str, Field(description="One word that programs can switch on.")] = ""
    errors: Annotated[list[dict[str, Any]], Field(description="Each of several wrong fields.")] = []


class Ended(BaseModel):
    """A system, and the event that ended for it."""

    system_id: str
    event_id: str


Verdict = Literal["ended", "other_active", "nothing_active", "undone"]
CameTo = Annotated[
    Verdict | None,
    Field(description="What an end came to; all but `ended` ended nothing. Null while that is not known."),
]
OtherActive = Annotated[
    str | None, Field(description="What the system takes part in instead of the event that was to end.")
]
Endings = Annotated[list[Ended] | None, Field(description="Whom an end ended, in what.")]
WhyNone = Annotated[str | None, Field(description="Says to people why nothing was ended.")]


class Written(BaseModel):
    """A write, recorded or waiting."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "ok": True,
                    "status": "recorded",
                    "id": "019aa5a0-1c2b-7d3e-8f00-112233445566",
                    "position": 48211,
                    "type": "window.started",
                    "system_id": "rig_01",
                    "time": "2026-11-21T05:00:00.000000Z",
                    "event_id": "startup",
                }
            ]
        }
    )
    ok: bool = True
    status: Annotated[
        Literal["recorded", "waiting"],
        Field(description="`waiting`: it is on our disk and will be recorded; see `/api/actions/<id>`."),
    ]
    id: str
    position: Position
    type: str
    system_id: str
    time: str
    event_id: str | None = None
    report_url: Annotated[str | None, Field(description="Where the report will be, when one follows.")] = None
    report_urls: Annotated[dict[str, str] | None, Field(description="By event, when several end.")] = None
    sha256: Annotated[str | None, Field(description="Of the photo.")] = None
    verdict: CameTo = None
    active_event_id: OtherActive = None
    ended: Endings = None
    warning: WhyNone = None


class Action(BaseModel):
    """What became of a write."""

    id: str
    state: Literal["confirmed", "waiting", "refused"]
    position: Position = None
    type: str
    system_id: str
    problem: ProblemDetails | None = None
    verdict: CameTo = None
    active_event_id: OtherActive = None
    ended: Endings = None
    warning: WhyNone = None


class SystemStatus(BaseModel):
    """A system as it is."""

    system_id: str
    name: str | None
    kind: str | None
    active: Annotated[bool, Field(description="It takes part in an event now.")]
    event_id: str | None
    started_at: str | None
    location: str | None
    lat: float | None
    lon: float | None
    time: Annotated[str | None, Field(description="Of its newest sample.")]
    age_s: Annotated[float | None, Field(description="How old that is.")]
    alarms: Annotated[int, Field(description="How many are active.")]
    node: Annotated[str | None, Field(description="The node it is at; null for this one.")] = None


class Status(BaseModel):
    """Every system as it is."""

    systems: list[SystemStatus]
    position: Annotated[int, Field(description="Of the journal, up to which this holds.")]
    time: str


class Registered(BaseModel):
    """A system that is known; what was registered of it stands beside its id."""

    model_config = ConfigDict(extra="allow")
    system_id: str
    name: str | None
    kind: str | None
    aliases: list[str]


class Systems(BaseModel):
    """The systems."""

    systems: list[Registered]


class Template(BaseModel):
    """An event that is typed often."""

    event_id: str
    name: str | None = None
    location: str | None = None
    note: str | None = None
    systems: list[str] = []


class Suggestions(BaseModel):
    """What to offer while somebody types."""

    events: Annotated[list[str], Field(description="The newest first.")]
    locations: list[str]
    templates: list[Template]


class NoteSaid(BaseModel):
    """A note."""

    position: int
    system_id: str
    event_id: str | None
    time: str
    client: str
    msg: str


class Notes(BaseModel):
    """Notes, the newest first."""

    notes: list[NoteSaid]


class Item(BaseModel):
    """A fact of the timeline."""

    position: int
    id: str
    type: str
    system_id: str
    event_id: str | None = None
    time: str
    recorded_at: str
    client: str
    operator: str | None = None
    data: dict[str, Any]
    verdict: Annotated[str | None, Field(description="What a fact about a window came to.")] = None
    counts_at: Annotated[str | None, Field(description="When it counts, corrections considered.")] = None
    corrected_by: int | None = None


class Timeline(BaseModel):
    """Facts, the newest first."""

    items: list[Item]
    next: Annotated[
        int | None, Field(description="Give it as `before` to go on; null: there is no more.")
    ] = None


class Columns(BaseModel):
    """One measurement on the grid; null where there is no sample."""

    mean: list[float | None]
    min: list[float | None]
    max: list[float | None]


class Range(BaseModel):
    """Measurements of a system on one grid: value n covers step_s from `from` + n times step_s on."""

    model_config = ConfigDict(populate_by_name=True)
    system_id: str
    begin: Annotated[str, Field(alias="from")]
    end: Annotated[str, Field(alias="to")]
    step_s: float
    series: dict[str, Columns]


class EventSaid(BaseModel):
    """An event of the users."""

    event_id: str
    active: Annotated[bool, Field(description="Some system takes part in it now.")]
    started_at: str
    ended_at: str | None
    systems: Annotated[int, Field(description="How many took part.")]


class Events(BaseModel):
    """Events, the running ones first."""

    events: list[EventSaid]


class SoFar(BaseModel):
    """Figures up to now; null where nothing was measured."""

    energy_wh: float | None
    peak_w: float | None
    coverage_pct: Annotated[float | None, Field(description="How much of the time was measured.")]


class SystemSoFar(SoFar):
    """A system of an event."""

    system_id: str
    counted: Annotated[bool, Field(description="It is in the totals.")]
    measurement: Annotated[str | None, Field(description="What its energy and peak are of.")]
    windows: list[dict[str, str | None]]


class EventSoFar(BaseModel):
    """An event and what it came to so far; the totals' peak is that of all systems at one time."""

    event_id: str
    active: bool
    started_at: str
    ended_at: str | None
    time: Annotated[str, Field(description="Up to when.")]
    totals: SoFar
    systems: list[SystemSoFar]


class Sparkline(BaseModel):
    """Least and greatest of each step; null where there is no sample."""

    name: Annotated[str, Field(description="Which measurement.")]
    min: list[float | None]
    max: list[float | None]


class Sparklines(BaseModel):
    """Small charts: value n covers step_s from `from` + n times step_s on."""

    model_config = ConfigDict(populate_by_name=True)
    begin: Annotated[str, Field(alias="from")]
    step_s: float
    systems: dict[str, Sparkline]


class Photos(BaseModel):
    """Photos, the newest first."""

    photos: list[dict[str, Any]]


class ImportRow(BaseModel):
    """One row of an import."""

    row: Annotated[int, Field(description="Its line in the file.")]
    ok: bool
    detail: str | None = None
    field: str | None = None
    system_id: str | None = None
    event_id: str | None = None
    ids: list[str] = []
    positions: list[int | None] = []


class Imported(BaseModel):
    """An import, tried or done."""

    dry_run: bool
    rows: list[ImportRow]
    events: Annotated[int, Field(description="How many it is, or would be.")]
    recorded: int
    waiting: int


class Provider(BaseModel):
    """A provider of map tiles in one month."""

    tiles: Annotated[int, Field(description="Asked for this month, the whole fleet's where it is known.")]
    node_tiles: Annotated[int, Field(description="By this node.")]
    free: int
    pct: Annotated[float, Field(description="Part of the free ones, 0.95 is 95 %.")]
    blocked: bool
    configured: bool
    url_template: str | None
    attribution: Annotated[
        str, Field(description="To be shown on the map; HTML with links of the provider's.")
    ]
    max_zoom: int
    tile_size: int


class TilesStatus(BaseModel):
    """Which provider to use, and why."""

    provider: str
    preferred: str | None
    month_key: str
    limit_pct: float
    both_over: Annotated[
        bool, Field(description="All are over the limit: the current one stays, warn people.")
    ]
    banner: str | None
    providers: dict[str, Provider]
    fleet: Annotated[bool, Field(description="The counts are those of the whole fleet.")]
    node_id: str
    deployment_id: str


class TilesWritten(TilesStatus):
    """Tiles that were counted, and where that leads."""

    ok: bool = True
    status: Literal["recorded", "waiting"]
    id: str
    position: Position


class FleetTiles(BaseModel):
    """The tiles of the whole fleet in one month."""

    month_key: str
    provider: str
    preferred: str | None
    preferred_at: str | None
    both_over: bool
    limit_pct: float
    providers: dict[str, Provider]
    nodes: Annotated[dict[str, dict[str, int]], Field(description="Tiles by node and provider.")]


class Report(BaseModel):
    """A report that was asked for."""

    model_config = ConfigDict(extra="allow")
    event_id: str
    scope: str
    system_id: str | None
    revision: int
    state: str
    generated_at: str | None
    html_url: str
    pdf_url: str
    csv_url: str
    json_url: str
    totals: dict[str, Any]


class Reports(BaseModel):
    """Reports, the newest first."""

    reports: list[Report]


class Health(BaseModel):
    """How this process and the node behind it are."""

    status: Annotated[Literal["ok", "degraded"], Field(description="`degraded`: what is written waits.")]
    node_id: str
    deployment_id: str
    version: str
    time: str
    recorder: str
    waiting: Annotated[int, Field(description="Writes that are not recorded yet.")]
    fault: str | None
    position: int | None


class Mqtt(BaseModel):
    """How a browser reaches the live stream."""

    url: str | None
    port: int | None
    path: str
    username: str | None
    password: str | None


class UiMap(BaseModel):
    """Where map tiles come from."""

    providers: list[str]
    tile_hosts: list[str]


class Ui(BaseModel):
    """What the pages need to begin."""

    node_id: str
    deployment_id: str
    version: str
    prefix: str
    time: str
    secure: Annotated[bool, Field(description="The browser came by HTTPS.")]
    mqtt: Mqtt
    cloud: Annotated[bool, Field(description="Other nodes bring their events here; see `/api/nodes`.")]
    key_required: Annotated[bool, Field(description="Writing needs a key.")]
    key_name: str | None
    role: str
    reads: Literal["public", "key"]
    base_url: str
    language: str
    theme: str
    time_zone: str | None
    currency: str | None
    photo_bytes: int
    map: UiMap


class Sent(BaseModel):
    """A report that waits to be sent."""

    ok: bool = True
    to: list[str]
    revision: int

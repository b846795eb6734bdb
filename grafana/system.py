"""One system: is it heard, how is the battery, what does each phase carry, what ran when, where was it."""

from grafana_foundation_sdk.models import dashboard

from grafana import queries
from grafana.frame import SYSTEM, Part, frame, systems
from grafana.panels import BLUE, CLEAR, GREEN, GREY, RED, YELLOW, Query, graph, number, timeline
from grafana.queries import POWER, SOC, STALE_S
from schemas.measurements import MEASUREMENTS

_OF = 'system_id="$system"'
_WINDOW = {"0": ("", CLEAR), "1": ("active", GREEN)}
_BAD = {"fault", "error", "stopped by tank level"}
_IDLE = {"off", "stopped", "standby", "sleeping", "not available"}


def system() -> dashboard.Dashboard:
    """Build it."""
    return frame(
        SYSTEM,
        "System",
        "One system in detail. Shaded regions are its events' windows. Panels without data mean that this kind of "
        "system has none of it.",
        [
            *_now(),
            "Events and location",
            *_windows(),
            "Battery",
            *_battery(),
            "Inverter and inputs",
            *_inverter(),
            "Phases",
            *_phases(),
            "Sun",
            *_sun(),
            "Generator",
            *_genset(),
        ],
        variables=[systems()],
        windows=_OF,
        tags=["operations", "field"],
    )


def codes(name: str) -> dict[str, tuple[str, str]]:
    """Take a code's words from the vocabulary, with a colour that says fault, idle or working."""
    colours = dict.fromkeys(_BAD, RED) | dict.fromkeys(_IDLE, GREY)
    words = MEASUREMENTS[name].codes
    return {str(code): (word, colours.get(word, GREEN)) for code, word in sorted(words.items())}


def _line(pattern: str, legend: str) -> Query:
    return Query(f"last_over_time({queries.named(pattern, _OF)}[$__interval])", legend)


def _extremes(pattern: str, name: str) -> tuple[Query, Query]:
    """Draw the highest and the lowest of each step: a dip of a second stays visible on a day's graph."""
    return (
        Query(queries.highest(pattern, _OF), f"{name}, highest"),
        Query(queries.lowest(pattern, _OF), f"{name}, lowest"),
    )


def _now() -> list[Part]:
    return [
        number(
            "Age of data",
            "How long ago something of it was read, an hour standing for an hour or longer. Red: it is silent, and all "
            "else here is of the past.",
            "s",
            Query(queries.age(_OF)),
            steps=((None, GREEN), (15, YELLOW), (STALE_S, RED)),
        ),
        number(
            "State of charge",
            "Of the last minute; nothing when it is older.",
            "percent",
            Query(queries.last(SOC, _OF)),
            steps=((None, RED), (20, YELLOW), (40, GREEN)),
        ),
        number(
            "Power",
            "What it gives to its loads, or what its meter sees; of the last minute.",
            "watt",
            Query(queries.last(POWER, _OF)),
            steps=((None, BLUE),),
        ),
        number(
            "Load, of the rating",
            "Power against the inverter's or UPS's rated power. Above 90 % the next load trips it.",
            "percent",
            Query(
                f"100 * {queries.last('.+_ac_out_power_w', _OF)} / {queries.last('.+_ac_out_nominal_power_w', _OF)}"
            ),
            steps=((None, GREEN), (75, YELLOW), (90, RED)),
        ),
        number(
            "Health",
            "0 to 100, by what occurred in the last seven days: `ovr counters health` says what.",
            "none",
            Query(f"max(ovr_health_score{{{_OF}}})"),
            steps=((None, RED), (60, YELLOW), (80, GREEN)),
            none="nothing occurred",
        ),
        number(
            "Alerts that stand",
            "Of this system; 0 is good.",
            "none",
            Query(f"sum(ovr_alert_active{{{_OF}}}) or vector(0)"),
            steps=((None, GREEN), (1, RED)),
        ),
    ]


def _windows() -> list[Part]:
    return [
        timeline(
            "Events and location",
            "A bar for each event and location, from the start to the end of the window. Positions on the map are on "
            "the system's page: series hold the location's name only.",
            Query(f"ovr_event_active{{{_OF}}}", "{{event_id}} · {{location}}"),
            texts=_WINDOW,
            interval="5s",
            links=(
                (
                    "Report of this event",
                    "${url:raw}/api/reports/${__field.labels.event_id:percentencode}/html",
                ),
            ),
        )
    ]


def _battery() -> list[Part]:
    return [
        graph(
            "State of charge",
            "The lowest of each step. Below 20 % act, below 10 % the inverter soon stops.",
            "percent",
            Query(queries.lowest(SOC, _OF), "state of charge"),
            steps=((None, GREEN), (20, YELLOW), (10, RED)),
            bounds=(0, 100),
        ),
        graph(
            "Battery power",
            "Positive charges, negative discharges.",
            "watt",
            *_extremes(".+_battery_power_w", "battery"),
        ),
        graph(
            "Battery voltage",
            "Sags under load that deepen from day to day mean a tired battery or a loose terminal.",
            "volt",
            *_extremes(".+_battery_voltage_v", "battery"),
        ),
        graph(
            "Battery temperature",
            "Above 45 °C a lithium battery ages fast, above 55 °C most stop; below 0 °C they must not be charged.",
            "celsius",
            Query(queries.highest(".+_battery_temperature_c", _OF), "battery"),
            steps=((None, GREEN), (45, YELLOW), (55, RED)),
        ),
    ]


def _inverter() -> list[Part]:
    return [
        timeline(
            "State of the inverter",
            "As the device tells it. A hole is a time of which nothing is known.",
            _line("victron_state_code", "inverter/charger"),
            texts=codes("state_code"),
            high=3,
        ),
        timeline(
            "What supplies the input",
            "Grid, generator or nothing. Inverting means that the battery alone carries the loads.",
            _line("victron_ac_in_source_code", "AC input"),
            texts=codes("ac_in_source_code"),
            high=3,
        ),
        graph(
            "Power in and out",
            "AC input (positive: taken from grid or generator) and AC output.",
            "watt",
            Query(queries.highest(".+_ac_in_power_w", _OF), "input"),
            Query(queries.highest(POWER, _OF), "output"),
        ),
        graph(
            "Frequency",
            "50 or 60 Hz. An inverter raises it on purpose to slow down PV inverters when its battery is full.",
            "hertz",
            *_extremes(".+_ac(_out)?(_l1)?_frequency_hz", "output"),
        ),
    ]


def _phases() -> list[Part]:
    found: list[Part] = []
    for title, about, unit, quantity, largest in (
        (
            "Power of the phases",
            "The highest of each step. Far apart means unbalanced: move loads.",
            "watt",
            "power_w",
            True,
        ),
        (
            "Voltage of the phases",
            "The lowest of each step: sags of a second stay visible.",
            "volt",
            "voltage_v",
            False,
        ),
        (
            "Current of the phases",
            "The highest of each step, against the breaker's rating.",
            "amp",
            "current_a",
            True,
        ),
    ):
        ask = queries.highest if largest else queries.lowest
        found.append(
            graph(
                title,
                about,
                unit,
                *(Query(ask(f".+_ac(_out)?_l{phase}_{quantity}", _OF), f"L{phase}") for phase in (1, 2, 3)),
                wide=8,
            )
        )
    return found


def _sun() -> list[Part]:
    return [
        graph(
            "PV power",
            "The highest of each step, of panels (DC) and of PV inverters on the AC side.",
            "watt",
            Query(queries.highest(".+_pv_power_w", _OF), "panels"),
            Query(queries.highest("victron_pvinverter_power_w|sunspec_ac_out_power_w", _OF), "PV inverters"),
        ),
        graph(
            "PV energy of the hour before",
            "By the devices' own counters.",
            "watth",
            Query(
                f"sum by (system_id) (increase({queries.named('.+_pv_energy_wh|victron_solarcharger_energy_wh', _OF)}[1h]))",
                "panels",
            ),
            interval="5m",
        ),
    ]


def _genset() -> list[Part]:
    return [
        timeline(
            "Generator",
            "Whether it runs, and why not. The controller's own states.",
            _line("victron_generator_state_code", "start/stop"),
            _line("victron_genset_status_code", "engine"),
            texts=codes("genset_status_code") | {"0": ("stopped", GREY), "1": ("running", GREEN)},
            high=4,
        ),
        graph(
            "Generator power",
            "Below 30 % of its rating for long it soots up; above 90 % it is too small.",
            "watt",
            Query(queries.highest(".+_genset_power_w", _OF), "generator"),
            wide=8,
        ),
        graph(
            "Fuel",
            "The tank's level. Below 20 % refuel.",
            "percent",
            Query(queries.lowest(".+_tank_level_pct", _OF), "tank"),
            steps=((None, GREEN), (20, YELLOW), (10, RED)),
            bounds=(0, 100),
            wide=8,
        ),
        graph(
            "Engine",
            "Coolant temperature; above 105 °C it stops by itself.",
            "celsius",
            Query(queries.highest(".+_genset_engine_coolant_temperature_c", _OF), "coolant"),
            steps=((None, GREEN), (95, YELLOW), (105, RED)),
            wide=8,
        ),
    ]

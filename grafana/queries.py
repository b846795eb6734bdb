"""The PromQL that several dashboards ask: which series a system has, whatever its kind. Pure.

Rules that must stay true here:
- a query never bridges a gap: what is drawn is looked for in `[$__interval]`, not five minutes back;
- over long ranges the highest and the lowest are drawn, not the mean: a short outage stays visible;
- names of measurements are those of schemas/measurements.toml, with the kind in front: a test compares.
"""

from typing import Final

# What the kinds call the power that a system gives to its loads, or that its meter sees.
POWER: Final = "(victron|sunspec|ups)_ac_out_power_w|acuvim_ac_power_w|(sungrow|sma|deye)_load_power_w"
# One series of each system that is there whenever anything of it is read.
ALIVE: Final = (
    "victron_dc_voltage_v|acuvim_ac_frequency_hz|(sunspec|ups)_ac_out_frequency_hz"
    "|(sungrow|sma|deye)_soc_pct|host_host_uptime_s"
)
SOC: Final = ".+_soc_pct"
STALE_S: Final = 60
# When a system may have been heard last: looking through a whole day would read every sample of it.
_EARLIER: Final = ("1h", "3h", "6h", "12h", "1d")


def named(pattern: str, labels: str = "") -> str:
    """Select series whose name matches, of one or more systems."""
    return f'{{__name__=~"{pattern}"{"," if labels else ""}{labels}}}'


def of(systems: str = "$system") -> str:
    """Select systems: a variable, of one or more values."""
    return f'system_id=~"{systems}"'


def during(event: str = "$event_id") -> str:
    """Ask for the systems that take part in an event, while they do."""
    return f'max by (system_id) (ovr_event_active{{event_id="{event}"}} == 1)'


def within(expression: str, event: str = "$event_id") -> str:
    """Keep what belongs to systems that take part in an event, while they do."""
    return f"{expression} and on (system_id) {during(event)}"


def highest(pattern: str, labels: str = "", by: str = "system_id") -> str:
    """Ask for the highest reading of each step."""
    return f"max by ({by}) (max_over_time({named(pattern, labels)}[$__interval]))"


def lowest(pattern: str, labels: str = "", by: str = "system_id") -> str:
    """Ask for the lowest reading of each step."""
    return f"min by ({by}) (min_over_time({named(pattern, labels)}[$__interval]))"


def last(pattern: str, labels: str = "", by: str = "system_id") -> str:
    """Ask for the newest reading of the last minute; nothing when it is older."""
    return f"max by ({by}) (last_over_time({named(pattern, labels)}[1m]))"


def age(labels: str = 'system_id!=""') -> str:
    """Ask how long ago something of each system was read; an hour, when it was longer ago and within a day."""
    alive = named(ALIVE, labels)
    heard = f"time() - max by (system_id) (tlast_over_time({alive}[1h]))"
    earlier = " or ".join(f"{alive} offset {ago}" for ago in _EARLIER)
    return f"({heard} or 3600 + 0 * max by (system_id) ({earlier}))"


def counted(expression: str) -> str:
    """Count what a query finds; 0 when it finds nothing."""
    return f"count({expression}) or vector(0)"

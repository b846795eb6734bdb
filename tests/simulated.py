"""A simulated site as a stream of events, second by second, beside what is physically true of it at each."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from producers.simulator.electricity import total_w
from producers.simulator.flow import Source
from producers.simulator.scenario import Scenario
from producers.simulator.tell import LiveRig, LiveSite, Values
from tests.streams import Said

KINDS = {"acuvim": "acuvim", "fronius": "sunspec", "ups": "ups"}
LOW_CHARGE = 0.2
LEVELS = {1.0: "warning", 2.0: "alarm"}
_CODE = "_code"


Truth = Mapping[str, list[float]]
"""What is true of one system over time: a value each step, by name."""


@dataclass(frozen=True)
class Played:
    """What a site said, and what was true of its systems meanwhile, by system."""

    said: list[Said]
    truth: Mapping[str, Truth]


def play(scenario: Scenario, hours: float, step_s: int = 1) -> Played:
    """Let a site live, and take a sample of every system each step."""
    now_s = [scenario.starts_at_s]
    site = LiveSite(scenario, lambda: now_s[0], tick_s=step_s)
    truth: dict[str, dict[str, list[float]]] = {system: defaultdict(list) for system in site.systems()}
    played = Played([], truth)
    raised: dict[tuple[str, str], float] = {}
    for step in range(round(hours * 3600 / step_s)):
        at_s = float(step * step_s)
        now_s[0] = scenario.starts_at_s + at_s
        for live in site.rigs.values():
            live.advance()
            for system in live.wiring.systems():
                told = live.tell(system)
                played.said.extend(_alarms(raised, system, at_s, told))
                played.said.append(_sample(system, at_s, step_s, told))
            _note(truth, live)
    return played


def _sample(system: str, at_s: float, step_s: int, told: Values) -> Said:
    kind = KINDS.get(system.partition("_")[0], "victron")
    values = {name: value for name, value in told.items() if not _is_alarm(name)}
    return Said("sample.taken", system, at_s, {"kind": kind, "interval_ms": step_s * 1000, "values": values})


def _is_alarm(name: str) -> bool:
    return "alarm_" in name and name.endswith(_CODE)


def _alarms(raised: dict[tuple[str, str], float], system: str, at_s: float, told: Values) -> Iterator[Said]:
    """Turn the codes of alarms into events when they change, as the producer of a GX does."""
    for name, value in told.items():
        if not _is_alarm(name) or value is None or raised.get((system, name), 0.0) == value:
            continue
        raised[system, name] = value
        said = {
            "alarm": name.partition("alarm_")[2].removesuffix(_CODE),
            "device": "battery/512" if name.startswith("battery_") else "vebus/276",
        }
        if value:
            yield Said("alarm.raised", system, at_s, {**said, "level": LEVELS[value]})
        else:
            yield Said("alarm.cleared", system, at_s, said)


def _note(truth: Mapping[str, dict[str, list[float]]], live: LiveRig) -> None:
    """Note what is true of a rig and of what hangs on it, from its physics and not from what devices say."""
    wiring, state, flow = live.wiring, live.state, live.flow
    rig = wiring.rig
    of_rig = {
        "lost": flow.source is Source.NONE or (rig.has_grid and not flow.grid),
        "off": not flow.running,
        "charge_pct": 100.0 * state.soc,
        "blocked": state.soc <= rig.soc_min,
        "battery_w": round(flow.battery_w),  # as fine as devices tell
        "discharged_wh": state.counters.get(rig.system_id, {}).get("battery_energy_discharged_wh", 0.0),
        "hottest_c": max(state.heat.inverter_c, state.heat.battery_c + 0.9),  # of its cells
        "load_ratio": abs(total_w(flow.ac_out)) / rig.rated_w,
    }
    _add(truth[rig.system_id], of_rig)
    for inverter in wiring.inverters:
        _add(truth[inverter.system_id], {"hottest_c": state.heat.inverter_c})
    for ups, charge, through in zip(wiring.upses, state.upses, flow.upses, strict=True):
        of_ups = {
            "lost": not through.live,
            "off": not through.live and not through.out_w,
            "charge_pct": 100.0 * charge,
            "low": not through.live and charge < LOW_CHARGE,
            "battery_w": through.battery_w,
        }
        _add(truth[ups.system_id], of_ups)
    for name, measured in {**flow.feeds, **flow.inputs}.items():
        if name in truth:  # what is not metered has no name
            _add(truth[name], {"volts": max(phase.voltage_v for phase in measured)})


def _add(known: dict[str, list[float]], values: Mapping[str, float]) -> None:
    for name, value in values.items():
        known[name].append(float(value))


def spells(
    values: Sequence[float],
    step_s: int,
    begins: Callable[[float], bool],
    ends: Callable[[float], bool] | None = None,
    *,
    hold_s: float,
    rearm_s: float,
    silent: bool = False,
) -> tuple[int, int]:
    """Count how often something began and held, and how often such a thing was over.

    Args:
        values: what is true, a value a step.
        step_s: seconds between them.
        begins: whether it holds where it did not.
        ends: whether it holds no more where it did; what lies between the two changes nothing. Where it does
            not begin, if left out.
        hold_s: it counts when it held so long.
        rearm_s: it is over when it held no more for so long.
        silent: what holds from the first step on has not begun, and does not end.
    """
    over = ends or (lambda value: not begins(value))
    numbers = {True: 0, False: 0}
    active = known = silent and begins(values[0])
    since: int | None = None
    for step, value in enumerate(values):
        held = active or since is not None
        turned = over(value) == active if held else begins(value)
        if not turned:
            since = None
            continue
        since = step if since is None else since
        if (step - since) * step_s >= (rearm_s if active else hold_s):
            active, since = not active, None
            numbers[active] += not known
            known = known and active
    return numbers[True], numbers[False]

"""Whether the parts of a scenario fit each other. Pure."""

from producers.simulator import faults
from producers.simulator.scenario import GX, NOBODY, Scenario, Ups


def check(scenario: Scenario) -> None:
    """Make sure that all hangs on what is there, and that faults befall what they can.

    Raises:
        ValueError: something does not fit; the message says what.
    """
    rigs = {rig.system_id: rig for rig in scenario.rigs}
    outputs = {meter.system_id for meter in scenario.meters if not meter.at_input}
    inputs = {meter.system_id for meter in scenario.meters if meter.at_input}
    systems = [*rigs, *(device.system_id for device in scenario.devices)]
    if not rigs or len(set(systems)) < len(systems):
        raise ValueError("give at least one [[rig]], and every system_id once")
    for kind, items, places in (
        ("meter", scenario.meters, set(rigs)),
        ("inverter", scenario.inverters, set(rigs)),
        ("generator", scenario.generators, set(rigs)),
        ("ups", scenario.upses, {*rigs, *outputs}),
        ("load", scenario.loads, {*rigs, *outputs, *inputs}),
    ):
        for item in items:
            if item.on not in places:
                what = getattr(item, "system_id", None) or getattr(item, "name", "")
                raise ValueError(
                    f"{kind} {what} is on {item.on}, which is none of {', '.join(sorted(places))}"
                )
    if len({one.on for one in scenario.generators}) < len(scenario.generators):
        raise ValueError("a rig has at most one generator")
    kinds = _befalling(scenario)
    for fault in scenario.faults:
        if kinds.get(fault.on) not in faults.FAULTS[fault.what].befalls:
            said = kinds.get(fault.on, "no system that speaks")
            raise ValueError(f"fault {fault.what} cannot befall {fault.on}, which is {said}")


def _befalling(scenario: Scenario) -> dict[str, str]:
    """Say what each system is to a fault."""
    kinds = {
        rig.system_id: faults.GX if rig.face == GX else faults.HYBRID
        for rig in scenario.rigs
        if rig.face != NOBODY
    }
    return kinds | {
        device.system_id: faults.NUT if isinstance(device, Ups) else faults.MODBUS
        for device in scenario.devices
    }

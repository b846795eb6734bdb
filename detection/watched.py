"""What detection remembers of one system, and how its rules are judged by that.

Pure. Rules that must stay true here:
- a sample that is not newer than its stream's newest changes nothing: late history moves no edge;
- a reading that is null, or older than two minutes, is unknown, and what is unknown decides nothing;
- what is remembered can be written down and read back between any two events without a difference.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, field
from typing import Any, Final

from bus.envelope import Event
from bus.instants import SECOND_US
from detection.cycles import Cycles
from detection.machine import CLEAR, Machine, Seen, Told
from detection.rules import Limit, Rule, Test

REASONS_EXCUSED: Final = frozenset({"stopped", "left", "asleep", "behind"})
"""Why a device may be gone without anything being wrong with it; of a lost link, the link is told."""

_OLD_US = 120 * SECOND_US
_NOMINAL_V = (100.0, 120.0, 230.0, 277.0)
_DEAD_V = 50.0

Key = tuple[str, str]
"""A rule's id and a device; no device where a rule is about the system."""

Evidence = tuple[str | None, float | None, float | None, str | None, str | None]
"""Measurement, value, threshold, cause, device."""

_NOTHING: Evidence = (None, None, None, None, None)


@dataclass(slots=True)
class Reading:
    """The newest value of a measurement."""

    value: float | None
    time_us: int
    kind: str


@dataclass(slots=True)
class Device:
    """Whether a device answers."""

    connected: bool
    reason: str
    kind: str
    time_us: int


@dataclass(slots=True)
class Watched:
    """One system.

    Attributes:
        facts: what it is registered with, and what the site's configuration says about it.
        chemistry: of its battery; empty when nobody said it.
        nominal_v: the voltage it was first seen with, rounded to a usual one.
        rates: the last value of each counter that a rule watches.
    """

    rules: tuple[Rule, ...]
    facts: dict[str, float] = field(default_factory=dict)
    chemistry: str = ""
    nominal_v: float | None = None
    readings: dict[str, Reading] = field(default_factory=dict)
    streams: dict[str, int] = field(default_factory=dict)
    alarms: dict[tuple[str, str, str], str | None] = field(default_factory=dict)
    alarm_times: dict[tuple[str, str, str], int] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    machines: dict[Key, Machine] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    cycles: Cycles = field(default_factory=Cycles)

    def sample(self, event: Event, wanted: frozenset[str]) -> Iterator[tuple[Rule, Told]]:
        """Take in a sample; only the measurements that are `wanted` by rules are kept."""
        data = event.data
        stream = f"{data['kind']}/{data['interval_ms']}"
        if event.time_us <= self.streams.get(stream, -1):
            return
        self.streams[stream] = event.time_us
        values: Mapping[str, float | None] = data["values"]
        for name in wanted & values.keys():
            self.readings[name] = Reading(values[name], event.time_us, data["kind"])
        self._guess_nominal(values)
        yield from self._judge(Seen(event.time_us, event.recorded_us, event.id, event.source, stream))

    def fact(self, event: Event) -> Iterator[tuple[Rule, Told]]:
        """Take in an alarm, or that a device came or went."""
        data = event.data
        if event.type.startswith("alarm."):
            key = (data["alarm"], data.get("device", ""), data.get("phase", ""))
            if event.time_us < self.alarm_times.get(key, 0):
                return
            self.alarm_times[key] = event.time_us
            self.alarms[key] = data["level"] if event.type == "alarm.raised" else None
        else:
            known = self.devices.get(data["device"])
            if known is not None and event.time_us < known.time_us:
                return
            self.devices[data["device"]] = Device(
                event.type == "device.connected",
                data.get("reason", ""),
                data.get("kind", known.kind if known else ""),
                event.time_us,
            )
        yield from self._judge(Seen(event.time_us, event.recorded_us, event.id, event.source))

    def wait(self, recorded_us: int) -> Iterator[tuple[Rule, Told]]:
        """Take in that the stream has come so far without a word of this system."""
        by_id = {rule.id: rule for rule in self.rules}
        for (id_, _), machine in self.machines.items():
            if machine.edge is not None and id_ in by_id:
                for told in machine.wait(by_id[id_], recorded_us):
                    yield by_id[id_], told

    def due_us(self) -> int | None:
        """Return when silence is to be taken in; None when nothing is pending."""
        by_id = {rule.id: rule for rule in self.rules}
        pending = (
            machine.due(by_id[id_])
            for (id_, _), machine in self.machines.items()
            if machine.edge is not None and id_ in by_id
        )
        return min((due for due in pending if due is not None), default=None)

    def _judge(self, seen: Seen) -> Iterator[tuple[Rule, Told]]:
        for rule in self.rules:
            for told in self._of_rule(rule, seen):
                yield rule, told

    def _of_rule(self, rule: Rule, seen: Seen) -> Iterator[Told]:
        if rule.kind == "level":
            for device in list(self.devices) if rule.per_device else [""]:
                yield from self._level(rule, device, seen)
        elif rule.kind == "cycles":
            yield from self._cycle(rule, seen)
        else:
            yield from self._counter(rule, seen)

    def _level(self, rule: Rule, device: str, seen: Seen) -> Iterator[Told]:
        machine = self.machines.get((rule.id, device))
        lasts = machine is not None and machine.phase not in {CLEAR, "unknown"}
        holds, evidence = self._decide(rule, device, seen, lasts=lasts)
        if machine is None:
            if holds is None:
                return
            machine = self.machines[rule.id, device] = Machine()
        if any(self._test(test, rule, device, seen, lasts=False)[0] for test in rule.unless):
            machine.excuse()
            return
        yield from machine.step(rule, holds, seen, evidence)

    def _decide(self, rule: Rule, device: str, seen: Seen, *, lasts: bool) -> tuple[bool | None, Evidence]:
        """Ask the tests of a rule."""
        answers = [self._test(test, rule, device, seen, lasts=lasts) for test in rule.test]
        known = [answer for answer in answers if answer[0] is not None]
        if not known:
            return None, _NOTHING
        if rule.decide == "first":
            return known[0]
        if rule.decide == "any":
            return next((answer for answer in known if answer[0]), known[0])
        false = next((answer for answer in known if not answer[0]), None)
        if false is not None:
            return false
        return known[-1] if len(known) == len(answers) else (None, _NOTHING)

    def _test(
        self, test: Test, rule: Rule, device: str, seen: Seen, *, lasts: bool
    ) -> tuple[bool | None, Evidence]:
        if test.readings:
            return self._by_readings(test, rule, seen, lasts=lasts)
        said: Evidence = (None, None, None, test.cause, None)
        if test.rule is not None:
            machine = self.machines.get((test.rule, ""))
            return (None if machine is None or machine.phase == "unknown" else machine.active), said
        if test.alarm is not None:
            return self._by_alarm(test)
        return self._by_devices(test, device)

    def _by_readings(
        self, test: Test, rule: Rule, seen: Seen, *, lasts: bool
    ) -> tuple[bool | None, Evidence]:
        answers: list[tuple[bool, Evidence]] = []
        kinds = test.kinds or rule.kinds
        for name in test.readings:
            reading = self.readings.get(name)
            if reading is None or reading.value is None or seen.time_us - reading.time_us > _OLD_US:
                continue
            if kinds and reading.kind not in kinds:
                continue
            beyond = self._beyond(test, reading.value, seen, lasts=lasts)
            if beyond is None:
                continue
            holds, threshold = beyond
            answers.append((holds, (name, reading.value, threshold, test.cause, None)))
            if test.of == "first":
                break
        return _together(test, answers)

    def _beyond(
        self, test: Test, value: float, seen: Seen, *, lasts: bool
    ) -> tuple[bool, float | None] | None:
        """Tell whether a value is beyond its limit; None when the limit is not known for this system."""
        if test.equals:
            return value in test.equals, None
        factor = 1.0
        if test.times is not None:
            known = self._factor(test.times, seen)
            if known is None:
                return None
            factor = known
        limit = self._limit(test.above if test.above is not None else test.below, test.limit)
        if limit is None:
            return None
        back = test.hysteresis * factor if lasts else 0.0
        if test.above is not None:
            return value > limit * factor - back, limit * factor
        if test.above_too is not None and value <= test.above_too * factor:
            return False, limit * factor
        return value < limit * factor + back, limit * factor

    def _limit(self, said: Limit | None, fact: str | None) -> float | None:
        if fact is not None and fact in self.facts:
            return self.facts[fact]
        if isinstance(said, Mapping):
            return said.get(self.chemistry)
        return said

    def _factor(self, name: str, seen: Seen) -> float | None:
        if name in self.facts:
            return self.facts[name]
        if name == "nominal_voltage_v":
            return self.nominal_v
        reading = self.readings.get(name)
        if reading is None or reading.value is None or seen.time_us - reading.time_us > _OLD_US:
            return None
        return reading.value

    def _by_alarm(self, test: Test) -> tuple[bool | None, Evidence]:
        levels = ("alarm",) if test.level == "alarm" else ("warning", "alarm")
        found = [
            (device, level)
            for (name, device, _), level in self.alarms.items()
            if name == test.alarm and not self._left(device)
        ]
        if not found:
            return None, _NOTHING
        active = [device for device, level in found if level in levels]
        return bool(active), (None, None, None, test.cause, (active or [found[0][0]])[0] or None)

    def _left(self, device: str) -> bool:
        """Tell whether a device went for good: nobody will clear its alarms."""
        one = self.devices.get(device)
        return one is not None and not one.connected and one.reason == "left"

    def _by_devices(self, test: Test, device: str) -> tuple[bool | None, Evidence]:
        asked = {device: self.devices[device]} if device else self.devices
        answers: list[tuple[bool, Evidence]] = []
        for name, one in asked.items():
            wrong_kind = (test.kinds and one.kind not in test.kinds) or one.kind in test.not_kinds
            if wrong_kind or (not one.connected and one.reason in REASONS_EXCUSED):
                continue
            answers.append((not one.connected, (None, None, None, test.cause or one.reason or None, name)))
        return _together(test, answers)

    def _counter(self, rule: Rule, seen: Seen) -> Iterator[Told]:
        for name in rule.test[0].readings:
            reading = self.readings.get(name)
            if reading is None or reading.value is None or reading.time_us != seen.time_us:
                continue
            key = f"{rule.id}/{name}"
            before, self.rates[key] = self.rates.get(key), reading.value
            if before is None or reading.value == before or (reading.value > before) != (rule.kind == "rise"):
                continue
            yield _instant(seen, (name, reading.value, None, rule.test[0].cause, None))

    def _cycle(self, rule: Rule, seen: Seen) -> Iterator[Told]:
        capacity_wh = self.facts.get("capacity_wh", 0.0) * self.facts.get("usable_pct", 100.0) / 100
        for test in rule.test:
            reading = next(
                (self.readings[name] for name in test.readings if name in self.readings), Reading(None, 0, "")
            )
            if reading.value is None or reading.time_us != seen.time_us:
                continue
            before = self.cycles.whole
            if test.cause == "soc":
                self.cycles.soc(reading.value, seen.time_us)
            elif capacity_wh > 0:
                self.cycles.energy(reading.value, capacity_wh, seen.time_us)
            for number in range(before + 1, self.cycles.whole + 1):
                yield _instant(seen, (test.readings[0], reading.value, float(number), test.cause, None))

    def _guess_nominal(self, values: Mapping[str, float | None]) -> None:
        if self.nominal_v is not None:
            return
        for name in ("ac_out_l1_voltage_v", "ac_l1_voltage_v", "ac_in_l1_voltage_v"):
            value = values.get(name)
            if value is not None and value > _DEAD_V:
                self.nominal_v = min(_NOMINAL_V, key=lambda usual: abs(usual / value - 1))
                return

    def dump(self) -> dict[str, Any]:
        """Write down everything but the rules, as JSON can hold it."""
        return {
            "chemistry": self.chemistry,
            "facts": self.facts,
            "nominal_v": self.nominal_v,
            "readings": {name: astuple(one) for name, one in self.readings.items()},
            "streams": self.streams,
            "alarms": [[*key, level, self.alarm_times[key]] for key, level in self.alarms.items()],
            "devices": {name: astuple(one) for name, one in self.devices.items()},
            "machines": [[*key, _dumped(one)] for key, one in self.machines.items()],
            "rates": self.rates,
            "cycles": astuple(self.cycles),
        }


def load(rules: Iterable[Rule], said: Mapping[str, Any]) -> Watched:
    """Read back what `Watched.dump` wrote; the state of rules that are gone is left out."""
    rules = tuple(rules)
    ids = {rule.id for rule in rules}
    return Watched(
        rules,
        facts=dict(said["facts"]),
        chemistry=said["chemistry"],
        nominal_v=said["nominal_v"],
        readings={name: Reading(*one) for name, one in said["readings"].items()},
        streams=dict(said["streams"]),
        alarms={(one[0], one[1], one[2]): one[3] for one in said["alarms"]},
        alarm_times={(one[0], one[1], one[2]): one[4] for one in said["alarms"]},
        devices={name: Device(*one) for name, one in said["devices"].items()},
        machines={(one[0], one[1]): _loaded(one[2]) for one in said["machines"] if one[0] in ids},
        rates=dict(said["rates"]),
        cycles=Cycles(*said["cycles"]),
    )


def _dumped(machine: Machine) -> list[Any]:
    edge = None if machine.edge is None else astuple(machine.edge)
    return [
        machine.phase,
        edge,
        machine.holds,
        machine.silent,
        machine.began_us,
        machine.evidence,
        machine.excused_us,
    ]


def _loaded(said: list[Any]) -> Machine:
    phase, edge, holds, silent, began_us, evidence, excused_us = said
    return Machine(phase, Seen(*edge) if edge else None, holds, silent, began_us, tuple(evidence), excused_us)


def _together(test: Test, answers: list[tuple[bool, Evidence]]) -> tuple[bool | None, Evidence]:
    """Make one answer of those of several readings, or devices."""
    if not answers:
        return None, _NOTHING
    return next((answer for answer in answers if answer[0] != (test.of == "all")), answers[0])


def _instant(seen: Seen, evidence: Evidence) -> Told:
    return Told(begins=True, confirmed=True, time_us=seen.time_us, trigger=seen.id, evidence=evidence)

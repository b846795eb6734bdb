"""Laws of SunSpec devices: the walk ends within bounds, registers are read as the reference reads them."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.adapter import DeviceError
from producers.modbus.plan import plan_poll
from producers.modbus.points import Layout
from producers.modbus.registers import read_all
from producers.modbus.sunspec import SunSpecMap
from producers.modbus.sunspec_chain import MARKER, Chain, walk
from producers.modbus.sunspec_models import load_models
from tests.sunspec_images import Memory, Oracle, Raws, chain, common, definition, model, offsets

MODELS = load_models()
WORDS = st.integers(0, 0xFFFF)
MEASURING = [101, 102, 103, 111, 112, 113, 122, 124, 201, 202, 203, 204, 211, 212, 213, 214]
LABELS = ["String 1", "MPPT 2", "StCha 3", "StDisCha 4", "", "ST CHA"]


def raws(points: Sequence[Mapping[str, Any]], chance: Random, **given_: Any) -> Raws:
    """Give raw values of all points, not implemented and extreme ones among them."""
    drawn = {point["name"]: raw(point, chance) for point in points if point["name"] not in {"ID", "L"}}
    return drawn | given_


def raw(point: Mapping[str, Any], chance: Random) -> float | str:
    if point["type"] == "string":
        return str(chance.choice(LABELS))
    if point["type"] == "sunssf":
        return chance.choice([-6, -3, -2, -1, 0, 0, 1, 2, 4, 0x8000])
    if point["type"] == "float32":
        return chance.choice([chance.uniform(-1e6, 1e6), math.nan, math.inf, -math.inf, 0.0, 1e12, 0.5])
    top: int = 2 ** (16 * point["size"])
    return chance.choice([chance.randrange(top), chance.randrange(top), 0, top - 1, top // 2, 1])


@st.composite
def whole_models(draw: st.DrawFn) -> list[list[int]]:
    """Give models as the Alliance lays them out, in any order, with any raw values."""
    numbers = draw(st.lists(st.sampled_from([*MEASURING, 160, 120]), min_size=1, max_size=4, unique=True))
    chance = Random(draw(st.integers(0, 2**32)))
    made = []
    for number in numbers:
        group = definition(number)
        if number == 160:
            modules = [raws(group["groups"][0]["points"], chance) for _ in range(chance.randrange(6))]
            made.append(model(160, raws(group["points"], chance, N=len(modules)), modules))
        else:
            made.append(model(number, raws(group["points"], chance)))
    return made


@st.composite
def garbage(draw: st.DrawFn) -> tuple[int, list[int]]:
    """Give registers behind a marker: models of any length, known numbers among them, cut anywhere."""
    words = list(MARKER)
    for _ in range(draw(st.integers(0, 6))):
        number = draw(st.one_of(st.sampled_from([*MODELS, 121, 123]), WORDS))
        length = draw(st.one_of(st.integers(0, 130), st.just(0xFFFF)))
        chance = Random(draw(WORDS))
        words += [
            number,
            length,
            *(
                chance.choice([chance.randrange(0x10000), 0, 1, 0xFFFF, 0x8000])
                for _ in range(min(length, 130))
            ),
        ]
    end: list[int] = draw(st.sampled_from([[0xFFFF, 0], [0, 0], []]))
    words = [*words, *end]
    base = draw(st.sampled_from([0, 40_000, 50_000]))
    return base, words[: draw(st.integers(2, len(words)))]


def found(memory: Memory) -> Layout | None:
    return asyncio.run(SunSpecMap().find(memory, {}, {}))


@given(garbage())
def test_any_device_gives_points_within_its_chain_or_a_reason(device: tuple[int, list[int]]) -> None:
    base, words = device
    memory = Memory(words, base)
    try:
        layout = found(memory)
    except DeviceError:
        return
    assert len(memory.asked) < 300
    if layout is None:
        return
    blocks = [*plan_poll(layout, "fast"), *plan_poll(layout, "slow")]
    decoded = asyncio.run(read_all(memory, blocks, layout.factors))
    assert all(base <= point.address for point in layout.points)
    for value in decoded.values.values():
        assert value is None or (math.isfinite(value) and abs(value) <= 1e15)


@given(st.lists(st.one_of(st.none(), st.tuples(WORDS, WORDS)), max_size=300), st.integers(0, 0xFFFF))
def test_the_walk_always_ends_and_always_goes_up(answers: list[tuple[int, int] | None], base: int) -> None:
    steps = walk([base])
    next(steps)
    asked: list[int] = []
    ended: Chain | None = None
    try:
        request = steps.send(MARKER)
        for answer in [*answers, *[(1, 0)] * 200]:
            asked.append(request[0])
            assert request[0] + request[1] <= 0x10000
            request = steps.send(answer)
    except StopIteration as end:
        ended = end.value
    assert ended is not None
    assert asked == sorted(set(asked))
    assert len(ended.links) <= 128
    assert all(link.end <= 0x10000 for link in ended.links)


@given(whole_models())
def test_every_register_is_read_as_the_reference_reads_it(models: list[list[int]]) -> None:
    memory = Memory(chain(common(), *models))
    layout = found(memory)
    if layout is None:
        return
    theirs = reference(memory)
    plain = [point for point in layout.points if point.name and not point.merge and point.bit is None]
    blocks = [*plan_poll(layout, "fast"), *plan_poll(layout, "slow")]
    ours = asyncio.run(read_all(memory, blocks, layout.factors)).values
    for point in plain:
        told = theirs[point.address]
        value = ours[point.name]
        if told is None or not math.isfinite(told) or abs(told) > 1e15:
            assert value is None, point.name
        elif point.share and abs(told) > 1:
            assert value == pytest.approx(told / 100, rel=1e-6), point.name
        else:
            assert value == pytest.approx(told, rel=1e-6), point.name


@given(whole_models())
def test_what_modules_make_together_is_their_sum(models: list[list[int]]) -> None:
    memory = Memory(chain(common(), *models))
    layout = found(memory)
    if layout is None:
        return
    theirs = reference(memory)
    ours = asyncio.run(read_all(memory, plan_poll(layout, "fast"), layout.factors)).values
    for name in ("pv_power_w", "battery_power_w", "battery_current_a"):
        parts = [
            told * (-1 if point.flip else 1)
            for point in layout.points
            if point.name == name and (told := theirs[point.address]) is not None
        ]
        if name in ours and abs(sum(parts)) < 1e14:
            assert ours[name] == (pytest.approx(sum(parts), rel=1e-6, abs=1e-6) if parts else None)


def reference(memory: Memory) -> dict[int, float | None]:
    """Read all numbers with the Alliance's reader, by address."""
    values: dict[int, float | None] = {}
    for key, models in Oracle(memory).models.items():
        if not isinstance(key, int):
            continue
        for one in models:
            group = definition(key)
            at = 0
            for at, point in offsets(group["points"]).items():
                values[one.model_addr + at] = number(one.points.get(point["name"]))
            start = one.model_addr + sum(point["size"] for point in group["points"])
            for module in one.groups.get("module", []):
                inner = offsets(group["groups"][0]["points"])
                for at, point in inner.items():
                    values[start + at] = number(module.points[point["name"]])
                start += sum(point["size"] for point in inner.values())
    return values


def number(point: Any) -> float | None:
    """Give what a point says; a scale factor without value takes its points' with it."""
    value = point.cvalue if point is not None else None
    if isinstance(value, str) or value is None:
        return None
    sf = point.pdef.get("sf")
    if sf is not None and point.group.points.get(sf, point.model.points.get(sf)).value is None:
        return None
    return float(value)

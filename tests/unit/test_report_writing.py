"""The small things that every report is written with: SVG, colours, numbers, times, CSV cells."""

import csv
import io
import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporter.colours import DARK, LIGHT, STACK, Palette, contrast, palettes, readable
from reporter.moments import clock, duration, instant, utc
from reporter.quantities import plain, say, scale, unit_of
from reporter.svg import element, hatch, isolated, number, path
from reporter.tables import cell, table
from reporter.texts import texts

FINITE = st.floats(min_value=-1e12, max_value=1e12)


@given(FINITE)
def test_a_coordinate_is_short_and_has_no_exponent(value: float) -> None:
    text = number(value)

    assert "e" not in text
    assert text != "-0"
    assert math.isclose(float(text), value, abs_tol=0.0501)


def test_svg_escapes_attributes_and_children() -> None:
    drawn = element("text", "<script>", class_='a"b', stroke_width=1.25, fill=None)

    assert drawn == '<text class="a&#34;b" stroke-width="1.2">&lt;script&gt;</text>'


def test_svg_elements_are_not_escaped_twice() -> None:
    assert element("g", element("text", "&")) == "<g><text>&amp;</text></g>"


def test_a_name_from_outside_is_isolated() -> None:
    assert isolated("\u05d0") == "\u2068\u05d0\u2069"


@given(st.floats(0, 500), st.floats(0, 500), st.floats(0.1, 500), st.floats(0.1, 500))
def test_hatching_stays_in_its_rectangle(left: float, top: float, width: float, height: float) -> None:
    for line in hatch(left, top, width, height).split("M")[1:]:
        for point in line.split("L"):
            x, y = map(float, point.split())
            assert left - 0.06 <= x <= left + width + 0.06
            assert top - 0.06 <= y <= top + height + 0.06


def test_a_path_begins_with_a_move() -> None:
    assert path([(0, 1.04), (10, 2)]) == "M0 1L10 2"


@pytest.mark.parametrize("palette", [LIGHT, DARK])
@pytest.mark.parametrize("role", ["ink", "soft", "warn", "bad", "good", "store", "l1", "l3"])
def test_colours_of_words_can_be_read(palette: Palette, role: str) -> None:
    assert all(contrast(palette[role], palette[ground]) >= 4.5 for ground in ("paper", "page", "wash"))


@pytest.mark.parametrize("palette", [LIGHT, DARK])
@pytest.mark.parametrize("role", ["l1", "l2", "l3", "n"])
def test_colours_of_lines_stand_out(palette: Palette, role: str) -> None:
    assert contrast(palette[role], palette["paper"]) >= 3


def test_both_palettes_have_every_role() -> None:
    assert LIGHT.keys() == DARK.keys()
    assert len({LIGHT[role] for role in STACK}) == len(STACK)


@given(st.integers(0, 0xFFFFFF), st.sampled_from([LIGHT, DARK]))
def test_any_client_colour_becomes_readable(value: int, palette: Palette) -> None:
    assert contrast(readable(f"#{value:06x}", palette["paper"]), palette["paper"]) >= 4.5


@pytest.mark.parametrize("wanted", ["red", "#fff", "#12345g", 'url("x")', None, 5, "#1234567"])
def test_what_is_no_colour_is_ours(wanted: object) -> None:
    assert palettes(wanted) == palettes(None)


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0, "wh", "0\u202fkWh"),
        (999, "wh", "999\u202fWh"),
        (1234, "wh", "1.23\u202fkWh"),
        (412_600, "wh", "412.6\u202fkWh"),
        (9_999_000, "wh", "9,999\u202fkWh"),
        (123_456_000, "wh", "123.5\u202fMWh"),
        (-5123, "w", "\u22125.12\u202fkW"),
        (0.98765, "ratio", "0.99"),
        (-0.4, "w", "<\u202f1\u202fW"),
        (0.004, "a", "<\u202f0.1\u202fA"),
        (123.4, "l", "123\u202fL"),
        (49.987, "hz", "49.99\u202fHz"),
    ],
)
def test_numbers_have_units_and_sensible_digits(value: float, unit: str, said: str) -> None:
    assert say(value, unit) == said


@given(FINITE.filter(bool), st.sampled_from(["wh", "w", "v", "a", "hz", "pct", "ratio"]))
def test_what_is_not_zero_is_never_said_as_zero(value: float, unit: str) -> None:
    assert say(value, unit).strip("\u2212").split("\u202f")[0] not in {"0", "0.0", "0.00"}


def test_a_column_has_one_unit() -> None:
    column = scale("wh", [1200.0, None, 250_000.0])

    assert [column(value) for value in (1200.0, 250_000.0)] == ["1.2\u202fkWh", "250.0\u202fkWh"]


def test_the_unit_follows_from_the_name() -> None:
    assert [unit_of(name) for name in ("energy_wh", "peak_15min_w", "load_factor_ratio", "count")] == [
        "wh",
        "w",
        "ratio",
        "",
    ]


def test_a_negative_zero_is_zero() -> None:
    assert plain(-0.001, 2) == "0.00"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (44.6, "45 s"),
        (90, "1 min 30 s"),
        (3600, "1 h"),
        (7199.7, "2 h"),
        (12_000, "3 h 20 min"),
        (187_200, "2 d 4 h"),
    ],
)
def test_durations_are_said_in_two_parts(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_times_are_local_and_the_zone_is_told() -> None:
    berlin = clock("Europe/Berlin")

    assert berlin.moment("2026-11-21T17:04:31Z") == "Sat 21 Nov, 18:04"
    assert berlin.offset("2026-11-21T17:04:31Z") == "UTC+01:00"
    assert utc("2026-11-21T17:04:31.500000Z") == "2026-11-21 17:04:31 UTC"


def test_a_span_says_its_day_once() -> None:
    berlin = clock("Europe/Berlin")

    assert (
        berlin.span("2026-11-21T17:00:00Z", "2026-11-21T20:30:00Z") == "Sat 21 Nov 2026, 18:00 \u2013 21:30"
    )
    assert (
        berlin.span("2026-11-21T17:00:00Z", "2026-11-22T02:00:00Z")
        == "Sat 21 Nov, 18:00 \u2013 Sun 22 Nov 2026, 03:00"
    )


@pytest.mark.parametrize("zone", ["Not/A zone", "../../etc/passwd", None, 7, ""])
def test_a_zone_that_is_not_known_is_utc(zone: object) -> None:
    assert clock(zone).name == "UTC"


@given(
    st.datetimes(min_value=instant("2020-01-01T00:00:00Z").replace(tzinfo=None)),
    st.integers(1, 60 * 24 * 200),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe"]),
)
def test_ticks_are_few_in_the_span_and_rising(begin: object, minutes: int, zone: str) -> None:
    start = instant(f"{begin}+00:00")
    if start.year > 9990:
        return
    ticks = [at for at, _, _ in clock(zone).ticks(start, start + timedelta(minutes=minutes), 8)]

    assert len(ticks) <= 10
    assert all(start <= at <= start + timedelta(minutes=minutes) for at in ticks)
    assert ticks == sorted(set(ticks))


def test_ticks_over_a_change_of_clocks_keep_to_the_wall() -> None:
    begin, end = instant("2026-10-24T22:00:00Z"), instant("2026-10-25T05:00:00Z")

    labels = [label for _, label, _ in clock("Europe/Berlin").ticks(begin, end, 8)]

    assert labels == ["Sun 25 Oct", "01:00", "02:00", "03:00", "04:00", "05:00", "06:00"]


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "\u00a0=cmd|' /C calc'!A0", "\n=1", "|x", "%x"]
)
def test_a_cell_never_begins_a_formula(text: str) -> None:
    assert cell(text).startswith("'")


def test_numbers_in_cells_stay_numbers_and_absent_is_empty() -> None:
    assert table(("a", "b", "c"), [{"a": -1.5, "c": True, "d": 9}]) == "a,b,c\r\n-1.5,,true\r\n"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1))
def test_cells_come_back_as_they_were_but_for_the_apostrophe(row: list[str]) -> None:
    columns = [f"c{n}" for n in range(len(row))]

    read = list(csv.reader(io.StringIO(table(columns, [dict(zip(columns, row, strict=True))]), newline="")))

    assert [one.removeprefix("'") for one in read[1]] == [one.removeprefix("'") for one in row]


def test_a_word_that_the_catalogue_does_not_know_is_said_as_it_stands() -> None:
    assert texts("en").word("why", "some_new_word") == "some new word"


@pytest.mark.parametrize("language", ["xx", "../en", "", "en.toml"])
def test_a_language_that_we_do_not_have_is_english(language: str) -> None:
    assert texts(language).language == "en"

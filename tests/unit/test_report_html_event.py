"""A whole event's report as a page and tables: what is added, what is only shown, what was not measured."""

import copy
import csv
import io
import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from reporter.charts import Style
from reporter.charts_event import HeatChart, Layer, StackChart, heat_chart, stack_chart
from reporter.colours import palettes
from reporter.html import html
from reporter.moments import clock, instant
from reporter.rows import tables

SAMPLES = Path(__file__).parents[1] / "samples"
STYLE = Style(palettes(None)[0], clock("UTC"))
BEGIN = instant("2026-07-04T10:00:00Z")


@pytest.fixture(scope="session")
def event() -> dict[str, Any]:
    return dict(orjson.loads((SAMPLES / "report_event.json").read_bytes()))


@pytest.fixture(scope="session")
def page(event: dict[str, Any]) -> str:
    return html(event)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_event_is_summed_up_first(page: str) -> None:
    verdict = page[page.index('class="said"') :]

    assert (
        "7 systems supplied <b>1,137\u202fkWh</b> in 14 h, together at most <b>115.5\u202fkW</b>"
        in verdict[:300]
    )


def test_systems_are_ranked_and_link_to_their_reports(event: dict[str, Any], page: str) -> None:
    table = page[page.index('<h2 id="systems"') : page.index('<h2 id="peaks"')]

    places = [table.index(one["name"]) for one in event["systems"]]
    assert places == sorted(places)
    assert '<a href="acuvim_21/report.html">' in table


def test_a_system_behind_another_is_shown_and_named_as_such(page: str) -> None:
    assert "behind Main stage left" in page
    assert page.count('class="beside"') == 1


@pytest.mark.parametrize(
    "href",
    [
        "javascript:alert(1)",
        "//evil.example/x",
        "/etc/passwd",
        "../../x",
        "https://x.example",
        'a"b',
        "a b\n",
    ],
)
def test_a_link_that_leads_elsewhere_is_none(event: dict[str, Any], href: str) -> None:
    changed = copy.deepcopy(event)
    for one in changed["systems"]:
        one["href"] = href

    made = html(changed)

    assert set(re.findall(r'href="([^"#][^"]*)"', made)) <= {"a%20b"}


def test_a_link_to_a_directory_with_any_name_is_quoted(event: dict[str, Any]) -> None:
    changed = copy.deepcopy(event)
    changed["systems"][0]["href"] = "B\u00fchne 1/report.html"

    assert 'href="B%C3%BChne%201/report.html"' in html(changed)


def test_findings_are_sentences(page: str) -> None:
    assert "Main stage right reached 96.0\u202f% of its 36\u202fkW: no room for more load." in page
    assert "could change places" in page


def test_steps_without_any_measurement_break_the_stack() -> None:
    known = StackChart("s", "", "", BEGIN, 60, [Layer("a", "s0", [1000.0] * 9)])
    torn = StackChart("s", "", "", BEGIN, 60, [Layer("a", "s0", [1000.0] * 4 + [None] + [1000.0] * 4)])

    shapes = [re.findall(r'd="([^"]*Z)"', stack_chart(STYLE, chart)) for chart in (known, torn)]

    assert [shape.count("M") for one in shapes for shape in one] == [1, 2]


def test_layers_lie_on_each_other() -> None:
    chart = StackChart(
        "s", "", "", BEGIN, 60, [Layer("a", "s0", [1000.0] * 2), Layer("b", "s1", [3000.0] * 2)]
    )

    lower, upper = re.findall(r'd="M([^"]*)Z"', stack_chart(STYLE, chart))

    assert min(float(point.split()[1]) for point in lower.split("L")) == max(
        float(point.split()[1]) for point in upper.split("L")
    )


def test_a_cell_that_was_not_measured_is_hatched_and_one_outside_is_empty() -> None:
    def drawn(shares: list[float | None], present: list[tuple[int, int]]) -> str:
        return heat_chart(
            STYLE, HeatChart("h", "", "", BEGIN, 3600, [("a", shares, present)], [["x"] * len(shares)])
        )

    whole = drawn([0.5, 0.5], [(0, 1)])
    missing = drawn([0.5, None], [(0, 1)])
    outside = drawn([0.5, None], [(0, 0)])

    assert whole.count("<title>x") == 2
    assert missing.count("<title>x") == outside.count("<title>x") == 1
    assert len(missing) > len(outside)


def test_a_hundred_systems_fit(event: dict[str, Any]) -> None:
    many = copy.deepcopy(event)
    for rows_ in (
        many["systems"],
        many["profile"]["systems"],
        many["heat"]["systems"],
        many["quality"]["systems"],
    ):
        first = list(rows_)
        rows_[:] = [{**copy.deepcopy(first[n % len(first)]), "system_id": f"s{n}"} for n in range(100)]

    made = html(many)

    assert "92 others" in made or "others" in made
    assert made.count('role="img"') > 100
    assert len(made) < 2_000_000


def test_the_table_of_systems_has_plain_numbers(event: dict[str, Any]) -> None:
    made = rows(tables(event)["systems.csv"])

    assert [one["system_id"] for one in made] == [one["system_id"] for one in event["systems"]]
    assert float(made[0]["energy_wh"]) == event["systems"][0]["energy_wh"]["value"]
    assert made[0]["peak_15min_w_at"] == event["systems"][0]["peak_15min_w"]["at"]
    assert {one["counted"] for one in made} == {"true", "false"}


def test_steps_that_were_not_measured_are_empty_cells(event: dict[str, Any]) -> None:
    made = rows(tables(event)["blocks.csv"])
    missing = [one for one in made if not one["mean_w"]]

    assert missing
    assert not [one for one in made if one["mean_w"] == "0.0" and one in missing]
    assert made[0]["from"] < made[0]["to"]


def test_hostile_names_do_no_harm_in_an_event(event: dict[str, Any]) -> None:
    text = "</svg><script>alert(1)</script>=1+1"
    hostile = copy.deepcopy(event)
    for one in hostile["systems"]:
        one["name"] = one["kind"] = text
        one["locations"] = [text]
    hostile["event_id"] = text

    made = html(hostile)

    assert "<script" not in made
    assert made.count("</svg>") == html(event).count("</svg>")
    assert all(not one["name"].startswith("=") for one in rows(tables(hostile)["systems.csv"]))


def test_the_same_event_gives_the_same_bytes(event: dict[str, Any], page: str) -> None:
    assert html(copy.deepcopy(event)) == page

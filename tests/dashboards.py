"""Dashboards as Grafana reads them: their files, and what their panels ask."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "grafana" / "dashboards").glob("*/*.json"))


@dataclass(frozen=True)
class Asked:
    """One query of a panel, an annotation or a variable."""

    where: str
    expr: str
    instant: bool

    def filled(self, variables: Mapping[str, str]) -> str:
        """Put values in the place of variables, as Grafana does."""
        text = self.expr
        for name, value in sorted(variables.items(), key=lambda one: -len(one[0])):
            text = text.replace(f"${name}", value)
        return text


def load(path: Path) -> dict[str, Any]:
    said = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(said, dict)
    return said


def panels(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in said["panels"] if panel["type"] != "row"]


def asked(path: Path) -> Iterator[Asked]:
    said = load(path)
    for panel in panels(said):
        for target in panel["targets"]:
            where = f"{path.stem}: {panel['title']} {target['refId']}"
            yield Asked(where, target["expr"], target.get("instant", False))
    for annotation in said["annotations"].get("list", ()):
        if "expr" in annotation:
            yield Asked(f"{path.stem}: annotation {annotation['name']}", annotation["expr"], instant=False)


def label_values(said: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the selector and the label of every variable that is asked for."""
    for variable in said["templating"]["list"]:
        found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
        assert found is not None, variable
        yield found.group(1), found.group(2)


def series(
    client: httpx.Client, query: Asked, variables: Mapping[str, str], start_s: float, end_s: float
) -> list[Any]:
    """Ask VictoriaMetrics as Grafana asks Prometheus, with a step of one second; return what it has."""
    expr = query.filled(variables)
    if query.instant:
        answer = client.post("/api/v1/query", data={"query": expr, "time": f"{end_s:.3f}"})
    else:
        span = {"start": f"{start_s:.3f}", "end": f"{end_s:.3f}", "step": "1"}
        answer = client.post("/api/v1/query_range", data={"query": expr, "nocache": "1", **span})
    assert answer.status_code == 200, f"{query.where}: {expr}\n{answer.text}"
    return list(answer.json()["data"]["result"])

"""Write every dashboard: `python -m grafana` from the project's directory, after a change."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.client import client
from grafana.counters import counters
from grafana.event import event
from grafana.field import field
from grafana.fleet import fleet
from grafana.pipeline import pipeline
from grafana.system import system

HERE: Final = Path(__file__).parent / "dashboards"
# Folders are who looks: Grafana's permissions are by folder.
DASHBOARDS: Final[Mapping[str, Callable[[], Dashboard]]] = {
    "Operations/fleet.json": fleet,
    "Operations/system.json": system,
    "Operations/event.json": event,
    "Operations/counters.json": counters,
    "Operations/pipeline.json": pipeline,
    "Field/field.json": field,
    "Client/client.json": client,
}


def text_of(dashboard: Dashboard) -> str:
    """Write a dashboard as the file holds it."""
    return json.dumps(dashboard, cls=JSONEncoder, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> None:
    """Write all files."""
    for name, build in DASHBOARDS.items():
        path = HERE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text_of(build()), encoding="utf-8")


if __name__ == "__main__":
    main()

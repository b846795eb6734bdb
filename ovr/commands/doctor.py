"""`ovr doctor`: what may be wrong, and what to do."""

from dataclasses import asdict

import orjson
import typer

from ovr.options import Config, Data, Json

_MARKS = {
    "good": ("ok  ", typer.colors.GREEN),
    "note": ("note", typer.colors.YELLOW),
    "bad": ("BAD ", typer.colors.RED),
}


def doctor(data: Data = None, config: Config = None, json: Json = False) -> None:
    """Check programs, disk, clock, permissions, services and the journal, and say what to do.

    Exit status 1 when something is bad.

    Example: `ovr doctor --data data`
    """
    from ovr.doctor import examine
    from ovr.findings import Grade
    from ovr.node import open_node

    findings = []
    for finding in examine(open_node(data, config)):
        findings.append(finding)
        if not json:
            mark, colour = _MARKS[finding.grade]
            typer.secho(mark, fg=colour, nl=False)
            typer.echo(f" {finding.what}: {finding.said}")
            if finding.remedy:
                typer.echo(f"       do: {finding.remedy}")
    if json:
        typer.echo(orjson.dumps([asdict(finding) for finding in findings]).decode())
    if any(finding.grade is Grade.BAD for finding in findings):
        raise typer.Exit(1)

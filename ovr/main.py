"""The `ovr` command line: the table of its commands, and what their errors look like.

Rules that must stay true here:
- exit statuses are those of `ovr.begin`;
- an error that people can mend is one sentence on stderr, not a trace;
- a command's module is imported when the command is asked for, so that each process holds what it needs.
"""

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperGroup

from ovr.begin import explain, log_to_stderr
from schemas.errors import OvrError

PROCESSES = "Processes (`ovr up` runs them)"
COMMANDS: Mapping[str, str] = {
    "up": "ovr.commands.up:up",
    "demo": "ovr.commands.up:demo",
    "status": "ovr.commands.status:status",
    "nodes": "ovr.commands.nodes:nodes",
    "doctor": "ovr.commands.doctor:doctor",
    "publish": "ovr.commands.publish:publish",
    "tail": "ovr.commands.stream:tail",
    "replay": "ovr.commands.stream:replay",
    "play": "ovr.commands.play:play",
    "state": "ovr.commands.models:state",
    "counters": "ovr.commands.counters:app",
    "report": "ovr.commands.report:app",
    "rebuild": "ovr.commands.models:rebuild",
    "verify": "ovr.commands.models:verify",
    "export": "ovr.commands.export:export",
    "devices": "ovr.commands.devices:app",
    "journal": "ovr.commands.journal:app",
    "import": "ovr.commands.import_:import_",
    "backup": "ovr.commands.backup:app",
    "restore": "ovr.commands.backup:restore",
    "user": "ovr.commands.user:app",
    "key": "ovr.commands.key:app",
    "config": "ovr.commands.config:app",
    "record": "ovr.commands.process:record",
    "project": "ovr.commands.process:project",
    "produce": "ovr.commands.process:produce",
    "simulate": "ovr.commands.simulate:simulate",
    "detect": "ovr.commands.process:detect",
    "alert": "ovr.commands.process:alert",
    "web": "ovr.commands.web:web",
    "observe": "ovr.commands.observe:observe",
    "replay-service": "ovr.commands.process:replay_service",
    "uplink": "ovr.commands.process:uplink",
}
_RUN_BY_UP = frozenset(
    {
        "simulate",
        "record",
        "project",
        "produce",
        "detect",
        "alert",
        "web",
        "observe",
        "replay-service",
        "uplink",
    }
)


class _Ovr(TyperGroup):
    """Finds commands in the table, and turns our errors into a sentence and an exit status."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = dict.fromkeys(COMMANDS)  # type: ignore[assignment]  # names, for suggestions

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer's signature
        """List the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - Typer's signature
        """Import a command."""
        return command(cmd_name) if cmd_name in COMMANDS else None

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except OvrError as error:
            raise SystemExit(explain(error)) from None
        except BrokenPipeError:
            # The reader of our output went away, as `| head` does.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(0) from None


def command(name: str) -> Any:
    """Import a command of the table, or a group of them."""
    module, _, attribute = COMMANDS[name].partition(":")
    found = getattr(importlib.import_module(module), attribute)
    one = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)
    if isinstance(found, typer.Typer):
        one.add_typer(found, name=name)
        return typer.main.get_group(one).commands[name]
    one.command(name, rich_help_panel=PROCESSES if name in _RUN_BY_UP else None)(found)
    return typer.main.get_command(one)


app = typer.Typer(
    cls=_Ovr,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Event-sourced telemetry for temporary power: everything is recorded once and can be replayed.",
    epilog="Begin with `ovr demo`; `ovr doctor` says what is missing.",
)


@app.callback()
def _begin(verbose: bool = typer.Option(False, "--verbose", "-v", help="Log more, to stderr.")) -> None:
    log_to_stderr(verbose=verbose)

"""The UI's own tests: its types hold, and its pure parts do what they say."""

import subprocess

import pytest

from tests.browsers import WEB_UI, modules, node_first


@pytest.mark.parametrize("command", [("tsc", "--noEmit"), ("vitest", "run")], ids=lambda command: command[0])
def test_the_sources_are_sound(command: tuple[str, ...]) -> None:
    program, *arguments = command
    done = subprocess.run(
        [modules() / ".bin" / program, *arguments],
        cwd=WEB_UI,
        capture_output=True,
        text=True,
        check=False,
        env=node_first(),
    )
    assert done.returncode == 0, done.stdout + done.stderr

"""Every shell script is one that shellcheck has nothing to say about."""

import subprocess

from tests.compose_files import ROOT


def scripts() -> list[str]:
    listing = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT)
    names = [name for name in listing.stdout.splitlines() if (ROOT / name).is_file()]
    return [name for name in names if (name.startswith("deploy/") and name.endswith(".sh")) or is_shell(name)]


def is_shell(name: str) -> bool:
    if "." in name.rpartition("/")[2].lstrip("."):
        return False
    with (ROOT / name).open("rb") as file:
        first = file.readline(80)
    return first.startswith(b"#!") and first.split()[-1].endswith((b"sh", b"bash"))


def test_shellcheck_has_nothing_to_say() -> None:
    command = ["shellcheck", "--external-sources", "--source-path=SCRIPTDIR", *scripts()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout


def test_scripts_of_the_deployment_are_among_them() -> None:
    wanted = {"setup", "certificates", "secrets", "release", "healthy", "network/install", "network/undo"}
    assert {f"deploy/{name}" for name in wanted} <= set(scripts())

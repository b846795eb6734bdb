"""The image: what it is built of is there, at the versions that were tested, and it runs without rights.

There is no engine to build it with here: the steps that need none are taken.
"""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from ovr import processes
from tests.compose_files import EDGE, ROOT, plain

DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
WORDS = [line.split() for line in DOCKERFILE.replace("\\\n", " ").splitlines()]
COPIED = [word[1] for word in WORDS if word[:1] == ["COPY"] and not word[1].startswith("--from")]
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"][
    "packages"
]


def sources() -> set[str]:
    files = {word for words in WORDS if words[:1] == ["COPY"] for word in words[1:-1]}
    return {word for word in files if not word.startswith("-") and not word.startswith("/")}


def test_every_source_is_in_the_tree_and_in_the_context() -> None:
    context = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    assert sources() == context
    assert all((ROOT / name).exists() for name in context)


def test_every_package_of_the_wheel_is_copied() -> None:
    assert set(PACKAGES) <= sources()


def test_nothing_secret_or_recorded_is_in_the_context() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert next(line for line in lines if not line.startswith("#")) == "*"
    private = ("data", ".git", "private")
    assert not {name for name in sources() if name.startswith(private)}


def test_the_wheel_runs_from_a_clean_place_and_holds_what_the_programs_read(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, check=True, capture_output=True, cwd=ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    place = tmp_path / "place"
    with zipfile.ZipFile(wheel) as file:
        held = set(file.namelist())
        file.extractall(place)
    listing = subprocess.run(
        ["git", "ls-files", *PACKAGES], check=True, capture_output=True, text=True, cwd=ROOT
    )
    read = {name for name in listing.stdout.split() if not name.startswith("web/ui/")}
    assert {name for name in read if (ROOT / name).exists()} <= held

    program = f"import sys; sys.path.insert(0, {str(place)!r}); from ovr import main; print(main.__file__)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"{program}; main.app()", "--help"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.stdout.startswith(str(place))
    assert "doctor" in done.stdout


def test_it_runs_as_a_user_without_rights() -> None:
    assert [word[1] for word in WORDS if word[:1] == ["USER"]] == ["10001:10001"]
    assert [word[0] for word in WORDS if word].index("USER") < [word[0] for word in WORDS if word].index(
        "ENTRYPOINT"
    )


def test_what_it_installs_of_debian_is_what_setup_installs() -> None:
    (line,) = [line for line in DOCKERFILE.splitlines() if "apt-get install" in line]
    packages = line.partition("--no-install-recommends")[2].split(" \\")[0].split()
    setup = (ROOT / "deploy" / "setup").read_text(encoding="utf-8")
    assert packages
    assert all(f"echo {package}" in setup for package in packages)


def test_one_version_of_victoria_metrics_serves_and_rebuilds() -> None:
    version = plain(EDGE.services[processes.VICTORIA]["image"]).partition(":")[2]
    assert f"ARG VICTORIA={version}\n" in DOCKERFILE


def test_what_our_packages_need_is_pinned_as_it_was_tested() -> None:
    said = subprocess.run(
        [sys.executable, ROOT / "deploy" / "pin"], capture_output=True, text=True, check=True
    )
    assert (ROOT / "deploy" / "constraints.txt").read_text() == said.stdout
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {line.lower() for line in said.stdout.splitlines()}
    assert {one.split("[")[0].lower() for one in project["dependencies"]} <= pinned

"""Users of the broker: hashes as Mosquitto writes them, private files, names that are taken."""

import base64
import hashlib
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from ovr.layout import Layout
from ovr.users import Users, access_list, hash_password, roles
from schemas.errors import ConfigurationError

PASSWORD = "a long enough one"


def users(tmp_path: Path) -> Users:
    return Users(Layout(tmp_path))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_hash_is_made_as_mosquitto_passwd_makes_it(tmp_path: Path) -> None:
    program = shutil.which("mosquitto_passwd")
    if program is None:
        pytest.fail("mosquitto_passwd is not installed")
    file = tmp_path / "passwords"
    subprocess.run(
        [program, "-H", "sha512-pbkdf2", "-c", "-b", file, "alice", PASSWORD], check=True, capture_output=True
    )
    theirs = file.read_text().strip().removeprefix("alice:")
    _, kind, rounds, salt, digest = theirs.split("$")
    found = hashlib.pbkdf2_hmac("sha512", PASSWORD.encode(), base64.b64decode(salt), int(rounds))
    assert (kind, base64.b64decode(digest)) == ("7", found)
    ours = hash_password(PASSWORD, base64.b64decode(salt)).split("$")
    assert (ours[1], ours[3]) == (kind, salt)


def test_users_are_added_changed_listed_and_removed(tmp_path: Path) -> None:
    known = users(tmp_path)
    assert known.add("alice", "operator", PASSWORD)
    assert not known.add("alice", "device", PASSWORD)
    assert [(user.name, user.role) for user in known.list()] == [("alice", "device")]
    known.remove("alice")
    assert list(known.list()) == []


def test_a_password_is_never_stored_as_typed(tmp_path: Path) -> None:
    known = users(tmp_path)
    known.add("alice", "operator", PASSWORD)
    known.write_mosquitto_files("ovr", [])
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or PASSWORD not in path.read_text()


def test_files_with_secrets_are_their_owners_alone(tmp_path: Path) -> None:
    known, layout = users(tmp_path), Layout(tmp_path)
    known.add("alice", "operator", PASSWORD)
    known.write_mosquitto_files("ovr", ["host"])
    private = [layout.users, layout.mosquitto_passwords, layout.mosquitto_acl, *layout.secrets.iterdir()]
    assert {mode(path) for path in private} == {0o600}
    assert {"recorder", "host", "projector-state"} <= {path.name for path in layout.secrets.iterdir()}


def test_writing_again_changes_nothing_for_those_who_stay(tmp_path: Path) -> None:
    known, layout = users(tmp_path), Layout(tmp_path)
    known.write_mosquitto_files("ovr", ["host"])
    before = layout.mosquitto_passwords.read_text()
    known.add("alice", "operator", PASSWORD)
    known.write_mosquitto_files("ovr", ["host"])
    after = layout.mosquitto_passwords.read_text()
    assert after.startswith(before)
    assert known.secret("host") is not None
    assert known.secret("nobody") is None


@pytest.mark.parametrize("name", ["recorder", "projector-state", "replay", "supervisor", "host"])
def test_names_of_our_processes_are_taken(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="one of our processes"):
        users(tmp_path).add(name, "operator", PASSWORD, taken=["host"])


@pytest.mark.parametrize("name", ["", "a b", "a/b", "+", "#", "a:b", "é", "a\nuser recorder", "x" * 65])
def test_names_that_could_mean_something_else_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="name users with"):
        users(tmp_path).add(name, "operator", PASSWORD)


def test_unknown_roles_and_short_passwords_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no role recorder"):
        users(tmp_path).add("mallory", "recorder", PASSWORD)
    with pytest.raises(ConfigurationError, match="at least 8"):
        users(tmp_path).add("alice", "operator", "short")


def test_removing_nobody_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no user bob"):
        users(tmp_path).remove("bob")


def test_a_damaged_file_is_told_and_not_overwritten(tmp_path: Path) -> None:
    Layout(tmp_path).users.write_text("{")
    with pytest.raises(ConfigurationError, match="damaged"):
        users(tmp_path).add("alice", "operator", PASSWORD)
    assert Layout(tmp_path).users.read_text() == "{"


def test_only_the_recorder_may_write_what_was_recorded(tmp_path: Path) -> None:
    known = users(tmp_path)
    known.add("alice", "operator", PASSWORD)
    known.add("screen", "browser", PASSWORD)
    known.write_mosquitto_files("ovr", ["host"])
    writers: dict[str, set[str]] = {}
    user = ""
    for line in Layout(tmp_path).mosquitto_acl.read_text().splitlines():
        if line.startswith("user "):
            user = line.removeprefix("user ")
        elif line.startswith("topic write "):
            writers.setdefault(line.removeprefix("topic write "), set()).add(user)
    for topic in ("events/+/+", "ack/+", "rejected/+", "head"):
        assert writers[f"ovr/{topic}"] == {"recorder"}
    assert writers["ovr/in/alice/#"] == {"alice"}
    assert not any("screen" in names for names in writers.values())


def test_another_prefix_is_another_tree(tmp_path: Path) -> None:
    known = users(tmp_path)
    known.add("alice", "operator", PASSWORD)
    text = access_list(known.list(), "site/ovr")
    assert "topic write site/ovr/in/alice/#" in text
    assert " ovr/" not in text


def test_every_role_says_what_it_is_for() -> None:
    assert all(role["about"] for role in roles().values())

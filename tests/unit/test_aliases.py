"""Names of systems, as learned from registrations."""

from bus.envelope import Event
from projectors.aliases import Aliases


def registered(subject: str, *names: str) -> Event:
    return Event(1, 0, "alice", "/test", "e1", "system.registered", subject, 0, {"aliases": list(names)})


def test_an_alias_is_learned_in_its_canonical_form() -> None:
    aliases = Aliases()

    joined = aliases.learn(registered("rig_01", "Gen 7"))

    assert joined == ["gen_7"]
    assert aliases.resolve("gen_7") == "rig_01"


def test_aliases_of_an_alias_follow_it() -> None:
    aliases = Aliases()
    aliases.learn(registered("b", "a"))

    aliases.learn(registered("c", "b"))

    assert {aliases.resolve(name) for name in "abc"} == {"c"}


def test_a_taken_alias_stays() -> None:
    aliases = Aliases()
    aliases.learn(registered("b", "a"))

    assert aliases.learn(registered("c", "a")) == []
    assert aliases.resolve("a") == "b"


def test_circles_do_not_arise() -> None:
    aliases = Aliases()
    aliases.learn(registered("a", "b"))

    assert aliases.learn(registered("b", "a")) == []
    assert {aliases.resolve("a"), aliases.resolve("b")} == {"a"}


def test_reserved_and_impossible_names_are_no_aliases() -> None:
    aliases = Aliases()

    assert aliases.learn(registered("rig_01", "all", "_site", "a/b", "rig_01")) == []
    assert aliases.learn(registered("all", "rig_02")) == []

"""A rival for the client id is noticed, and an unsteady broker is not taken for one."""

from bus.rivalry import Rivalry


def end(
    rivalry: Rivalry, times: int, *, told: bool = False, explained: bool = False, attempts: int = 1
) -> None:
    for second in range(times):
        rivalry.on_connect(attempts, float(second))
        rivalry.on_disconnect(second + 0.5, told=told, explained=explained)


def test_a_broker_that_names_a_rival_is_believed_and_at_the_third_time_we_give_up() -> None:
    rivalry = Rivalry()
    seen = []
    for _ in range(3):
        end(rivalry, 1, told=True)
        seen.append((rivalry.likely, rivalry.certain))

    assert seen == [(True, False), (True, False), (True, True)]


def test_connections_that_end_again_and_again_are_a_likely_rival_but_never_a_certain_one() -> None:
    rivalry = Rivalry()
    end(rivalry, 4)
    before = rivalry.likely
    end(rivalry, 20)

    assert (before, rivalry.likely, rivalry.certain) == (False, True, False)


def test_the_wait_grows_to_a_minute_or_so() -> None:
    rivalry = Rivalry()
    end(rivalry, 50)

    assert 30.0 <= rivalry.retry_at_s - 49.5 <= 90.0


def test_a_broker_that_was_away_in_between_is_no_rival() -> None:
    rivalry = Rivalry()
    end(rivalry, 20, attempts=2)

    assert not rivalry.likely


def test_an_end_with_another_reason_is_no_rival() -> None:
    rivalry = Rivalry()
    end(rivalry, 20, explained=True)

    assert not rivalry.likely


def test_a_connection_that_lasted_clears_the_suspicion() -> None:
    rivalry = Rivalry()
    end(rivalry, 10)
    rivalry.on_connect(1, 100.0)

    rivalry.on_disconnect(300.0, told=False, explained=False)

    assert not rivalry.likely

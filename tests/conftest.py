"""What all tests share: one Hypothesis profile that repeats itself, another for long searches; and logs."""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

from tests.laws import SOAKING

settings.register_profile(
    "default", max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("soak", max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("soak" if SOAKING else "default")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let pages in a browser come first: they take longest, and one process has all of them.

    `make soak` tries all laws too, with many examples.
    """
    items.sort(key=lambda item: "tests/web/" not in item.nodeid)
    if SOAKING:
        for item in items:
            if is_hypothesis_test(getattr(item, "obj", None)):
                item.add_marker(pytest.mark.soak)


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """Commands that run in this process set how much is logged; the next test hears everything again."""
    before = {logger: logger.level for logger in _loggers()}
    yield
    for logger in _loggers():
        level = before.get(logger, logging.NOTSET)
        if logger.level != level:
            logger.setLevel(level)


def _loggers() -> list[logging.Logger]:
    root = logging.getLogger()
    return [root, *(one for one in root.manager.loggerDict.values() if isinstance(one, logging.Logger))]

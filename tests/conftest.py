"""Fixtures for every room. A database server starts only when the first test asks for one."""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import settings

from proxy.loop import prepare_interpreter
from proxy.operate.log_output import LOGGER
from tests.support import database
from tests.support.database import ConformanceDatabase

prepare_interpreter()
# No test may depend on how fast the machine is.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def untouched_logging() -> Iterator[None]:
    """Commands direct the log of a whole process, which other tests are part of."""
    loggers = (logging.root, logging.getLogger(LOGGER))
    handlers, levels = logging.root.handlers[:], [logger.level for logger in loggers]
    yield
    logging.root.handlers[:] = handlers
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture(scope="session")
def conformance_database() -> Iterator[ConformanceDatabase]:
    """The conformance schema and data, loaded once per session; tests must leave it as it is."""
    with database.conformance_database() as loaded:
        yield loaded

"""The schema that requests are planned by."""

from tests.engine.random.conftest import observatory

__all__ = ["observatory"]

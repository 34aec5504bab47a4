"""Fixtures of the measures' tests."""

import pytest

from tests.measures import shades


@pytest.fixture(scope="session")
def judge():
    """A network that tells the greys of `shades` apart."""
    return shades.judge()

"""For all tests: every call of the package is held to the shapes that it states."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from . import shapes

shapes.install()


@pytest.fixture
def any_shapes() -> Iterator[None]:
    """Calls with other shapes than stated reach the package, to see that it refuses them itself."""
    with shapes.unchecked():
        yield

"""A drawing in a notebook: the module of the pages, fed over anywidget. Knows no result."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from unembed.errors import InputError
from unembed.figures.drawing import Drawing, module

if TYPE_CHECKING:
    from anywidget import AnyWidget


def show(drawing: Drawing) -> AnyWidget:
    """A widget that shows a drawing; its trait `drawn` is what the module reads.

    Raises:
        InputError: anywidget is not installed.
        CapabilityError: the module that draws was not built.
    """
    source = module()
    widget: AnyWidget = _widget_class()(_esm=source, drawn=drawing.to_json())
    return widget


@cache
def _widget_class() -> Any:
    """Made at first use: anywidget is not needed for anything else."""
    try:
        import anywidget
        from traitlets import Unicode
    except ImportError as error:
        raise InputError(
            "a widget needs anywidget, which is not installed",
            fix="pip install 'unembed[notebook]'",
        ) from error

    class DrawingWidget(anywidget.AnyWidget):  # type: ignore[misc]
        """A drawing of a result, with the app's pointer and keyboard."""

        drawn = Unicode().tag(sync=True)

    return DrawingWidget

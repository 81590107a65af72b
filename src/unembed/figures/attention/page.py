"""Attention as the app draws it: as a page of its own and in a notebook. Knows no model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from unembed.analyses.attention.result import AttentionResult
from unembed.figures.attention import packing, words
from unembed.figures.colours import Colours, choose
from unembed.figures.drawing import Drawing, colour_options
from unembed.figures.files import file_name
from unembed.figures.page import standalone
from unembed.figures.widget import show

if TYPE_CHECKING:
    from anywidget import AnyWidget

LAYOUTS = ("columns", "matrix", "both")
_OWN = ("queries", "tokens", "key_tokens", "provenance")  # of each side, or said below
MODES = ("baseline", "edited", "difference", "beside")


def html(
    result: AttentionResult,
    head: str | None = None,
    *,
    path: str | Path | None = None,
    layout: str = "both",
    title: str | None = None,
    colours: Colours | str | None = None,
) -> str:
    """One HTML page with every head, which needs no network.

    Args:
        head: "L5.H2": the head that is shown first; None: the heads made one.
        path: a file to write the page to as well, in one step.
        layout: "columns" (two columns of tokens with curves), "matrix" or "both", at first.
        colours: None: light or dark as the reader's system is.

    Raises:
        InputError: no such head, layout or colours; `path` cannot be written.
        CapabilityError: a source checkout in which the drawing module was not built.
    """
    drawn = drawing(result, head, layout=layout, title=title, colours=colours)
    return standalone(
        drawn,
        title=title or words.heading(result),
        description=described(result, drawn),
        provenance=words.provenance(result),
        colours=_chosen(colours),
        path=path,
    )


def widget(
    result: AttentionResult,
    head: str | None = None,
    *,
    layout: str = "both",
    title: str | None = None,
    colours: Colours | str | None = None,
) -> AnyWidget:
    """Attention in a notebook, with the app's pointer and keyboard; see `html`.

    Raises:
        InputError: no such head, layout or colours; anywidget is not installed.
        CapabilityError: a source checkout in which the drawing module was not built.
    """
    return show(drawing(result, head, layout=layout, title=title, colours=colours))


def drawing(
    result: AttentionResult,
    head: str | None = None,
    *,
    layout: str = "both",
    title: str | None = None,
    colours: Colours | str | None = None,
) -> Drawing:
    """What the drawing module is given of attention; options and errors as `html`."""
    return drawing_of(
        result,
        {"baseline": packing.side(result)},
        title=title or words.heading(result),
        colours=_chosen(colours),
        head=words.check_head(result, head),
        layout=words.check_one_of("layout", layout, LAYOUTS),
    )


def drawing_of(
    result: AttentionResult,
    sides: dict[str, Any],
    *,
    title: str,
    colours: Colours | None,
    **options: Any,
) -> Drawing:
    """A drawing of packed sides, which are described as this result is."""
    said = {
        "meaning": words.meaning(result),
        "title": title,
        "model": words.model_name(result),
        "file": file_name(title),
        **options,
        **colour_options(colours),
    }
    header = result.header()
    shared = {name: header[name] for name in header if name not in _OWN}
    return Drawing("attention", said, {**shared, **sides})


def described(result: AttentionResult, drawn: Drawing) -> list[str]:
    """What is on the page and, where it has no room for all of it, what is not."""
    missing = packing.left_out(drawn.result["baseline"])
    return [*words.description(result), *([missing] if missing else [])]


def _chosen(colours: Colours | str | None) -> Colours | None:
    return None if colours is None else choose(colours)

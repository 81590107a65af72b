"""Attention of the baseline and of the edited run: the same pictures, of both sides at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from unembed.analyses.attention.result import AttentionComparison
from unembed.figures.attention import figure, packing, page, words
from unembed.figures.colours import Colours, choose
from unembed.figures.drawing import Drawing
from unembed.figures.page import standalone
from unembed.figures.widget import show

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from anywidget import AnyWidget


def plot(
    result: AttentionComparison,
    head: str | None = None,
    *,
    mode: str = "difference",
    title: str | None = None,
    colours: Colours | str | None = None,
) -> go.Figure:
    """The matrix of one side or of the difference as a Plotly figure; see `figure.plot`.

    Args:
        mode: "baseline", "edited" or "difference", edited minus baseline. Without an edit it is
            the baseline.

    Raises:
        InputError: no such head, mode or colours; a difference of prompts that differ in length.
    """
    mode = words.check_one_of("mode", mode, ("baseline", "edited", "difference"))
    shown = result.baseline
    if result.edited is not None and mode != "baseline":
        shown = result.edited if mode == "edited" else result.difference()
    return figure.plot(shown, head, title=title, colours=colours)


def html(
    result: AttentionComparison,
    head: str | None = None,
    *,
    path: str | Path | None = None,
    layout: str = "both",
    mode: str = "beside",
    title: str | None = None,
    colours: Colours | str | None = None,
) -> str:
    """One HTML page of both sides, which needs no network; see `page.html`.

    Args:
        mode: what is shown first: "baseline", "edited", "difference" or "beside" each other.

    Raises:
        InputError: no such head, layout, mode or colours; `path` cannot be written.
        CapabilityError: a source checkout in which the drawing module was not built.
    """
    drawn = drawing(result, head, layout=layout, mode=mode, title=title, colours=colours)
    return standalone(
        drawn,
        title=title or words.heading(result.baseline),
        description=page.described(result.baseline, drawn),
        provenance=words.provenance(result.baseline),
        colours=None if colours is None else choose(colours),
        path=path,
    )


def widget(
    result: AttentionComparison,
    head: str | None = None,
    *,
    layout: str = "both",
    mode: str = "beside",
    title: str | None = None,
    colours: Colours | str | None = None,
) -> AnyWidget:
    """Both sides in a notebook; see `html`.

    Raises:
        InputError: no such head, layout, mode or colours; anywidget is not installed.
        CapabilityError: a source checkout in which the drawing module was not built.
    """
    return show(drawing(result, head, layout=layout, mode=mode, title=title, colours=colours))


def drawing(
    result: AttentionComparison,
    head: str | None = None,
    *,
    layout: str = "both",
    mode: str = "beside",
    title: str | None = None,
    colours: Colours | str | None = None,
) -> Drawing:
    """What the drawing module is given of both sides; options and errors as `html`."""
    baseline, sides = result.baseline, result.sides
    return page.drawing_of(
        baseline,
        {side: packing.side(one, len(sides)) for side, one in sides.items()}
        | {"names": dict(zip(("baseline", "edited"), result.names, strict=True))},
        title=title or words.heading(baseline),
        colours=None if colours is None else choose(colours),
        head=words.check_head(baseline, head),
        layout=words.check_one_of("layout", layout, page.LAYOUTS),
        mode=words.check_one_of("mode", mode, page.MODES),
    )

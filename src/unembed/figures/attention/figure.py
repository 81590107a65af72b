"""A pattern as a Plotly figure: queries by keys. Knows the result, no model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unembed.analyses.attention.result import AttentionResult
from unembed.errors import TooLargeError
from unembed.figures import text as shown
from unembed.figures.attention import words
from unembed.figures.colours import Colours, choose
from unembed.figures.grid import Labels, Scale, TokenGrid
from unembed.figures.heatmap import grid_figure

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from jaxtyping import Float
    from torch import Tensor

MOST_CELLS = 1_100_000  # of a figure: 1,024 tokens by as many
MOST_HOVERS = 70_000  # cells; more take Plotly seconds
LONGEST_TOKEN = 40  # columns, in a hover
DIFFERENCE = ", edited minus baseline"


def plot(
    result: AttentionResult,
    head: str | None = None,
    *,
    title: str | None = None,
    colours: Colours | str | None = None,
) -> go.Figure:
    """The pattern as a matrix: rows are queries, columns are keys, a cell's number in its hover.

    Colours are on a square-root scale, since one pair often holds most of a row; a pair that is
    exactly 0 has none. Below the keys stands what each receives on the mean.

    Args:
        head: "L5.H2"; None: the heads made one.
        title: instead of what the colours are, and the model.
        colours: "light", "dark", a `Colours`, or None: Plotly's default template decides.

    Raises:
        InputError: no such head or colours.
        TooLargeError: more than 1,100,000 pairs.
    """
    return matrix_figure(result, head, None, title=title, colours=colours)


def matrix_figure(
    result: AttentionResult,
    head: str | None,
    other: AttentionResult | None,
    *,
    title: str | None,
    colours: Colours | str | None,
) -> go.Figure:
    """The pattern of a result, or its difference from another one of the same shape."""
    values = _matrix(result, head)
    if values.numel() > MOST_CELLS:
        raise TooLargeError(
            f"a figure of {values.numel():,} pairs is more than a browser draws",
            field="result",
            value=values.numel(),
            legal=f"at most {MOST_CELLS:,} pairs",
            fix="ask about fewer queries, or use to_html(), which draws what is in sight",
        )
    if other is not None:
        values = values - _matrix(other, head)
    change = DIFFERENCE if other is not None else ""
    whose = head or words.names(result)
    unit = f"{result.unit}{change}"
    heading = f"{unit[:1].upper()}{unit[1:]} of {whose} · {words.model_name(result)}"
    grid = _grid(result, values, unit, title or heading, signed=bool((values < 0).any()))
    return grid_figure(grid, choose(colours))


def _matrix(result: AttentionResult, head: str | None) -> Float[Tensor, "query key"]:
    return result.combined if head is None else result.head(head)


def _grid(
    result: AttentionResult,
    values: Float[Tensor, "query key"],
    unit: str,
    title: str,
    *,
    signed: bool,
) -> TokenGrid:
    """Queries from the top down, as a text is read; a pair that is exactly 0 stays empty."""
    labels = [token.label for token in result.tokens]
    received = values.mean(0).tolist()
    cells = values.double().masked_fill(values == 0, float("nan")).tolist()
    return TokenGrid(
        title=title,
        rows=tuple(f"{labels[query]} {query}" for query in result.queries),
        inputs=Labels(
            "key and its position", tuple(labels), tuple(map(str, range(len(labels)))), quiet=True
        ),
        targets=Labels("mean received", tuple(_short(one) for one in received)),
        values=cells,
        texts=[],
        hovers=_hovers(result, cells, unit) if values.numel() <= MOST_HOVERS else [],
        scale=_scale(float(values.abs().max()) or 1.0, signed),
        unit=f"{unit}, square-root scale",
        top_down=True,
        low=True,
    )


def _hovers(result: AttentionResult, cells: list[list[float]], unit: str) -> list[list[str]]:
    named = [
        f"{shown.isolate(shown.cut(token.label, LONGEST_TOKEN))} at {position}"
        for position, token in enumerate(result.tokens)
    ]
    return [
        [
            f"{named[query]} looks at {named[key]}\n{unit}: "
            f"{'0' if value != value else f'{value:.4g}'}"
            for key, value in enumerate(row)
        ]
        for query, row in zip(result.queries, cells, strict=True)
    ]


def _scale(most: float, signed: bool) -> Scale:
    ends = (-most, 0.0, most) if signed else (0.0, most / 4, most)
    ticks = tuple((one, _short(one)) for one in ends)
    return Scale(ends[0], most, ticks, kind="diverging" if signed else "sequential", root=True)


def _short(value: float) -> str:
    return f"{value:.2g}".replace("-", "−")

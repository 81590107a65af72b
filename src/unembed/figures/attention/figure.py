"""A pattern as a Plotly figure: queries by keys. Knows the result, no model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from unembed.analyses.attention.result import AttentionResult
from unembed.engine.names.tokens import Token
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
    values = result.combined if head is None else result.head(head)
    if values.numel() > MOST_CELLS:
        raise TooLargeError(
            f"a figure of {values.numel():,} pairs is more than a browser draws",
            field="result",
            value=values.numel(),
            legal=f"at most {MOST_CELLS:,} pairs",
            fix="ask about fewer queries, or use to_html(), which draws what is in sight",
        )
    whose = head or words.names(result)
    heading = f"{result.unit[:1].upper()}{result.unit[1:]} of {whose} · {words.model_name(result)}"
    return grid_figure(_grid(result, values, title or heading), choose(colours))


def _grid(result: AttentionResult, values: Float[Tensor, "query key"], title: str) -> TokenGrid:
    """Queries from the top down, as a text is read; a pair that is exactly 0 stays empty."""
    looking, seen = ([token.label for token in text] for text in (result.tokens, result.seen))
    cells = values.double().masked_fill(values == 0, float("nan")).tolist()
    return TokenGrid(
        title=title,
        rows=tuple(f"{looking[query]} {query}" for query in result.queries),
        inputs=Labels(
            "key and its position", tuple(seen), tuple(map(str, range(len(seen)))), quiet=True
        ),
        targets=Labels("mean received", tuple(_short(one) for one in values.mean(0).tolist())),
        values=cells,
        texts=[],
        hovers=_hovers(result, cells) if values.numel() <= MOST_HOVERS else [],
        scale=_scale(float(values.abs().max()) or 1.0, signed=bool((values < 0).any())),
        unit=f"{result.unit}, square-root scale",
        top_down=True,
        low=True,
    )


def _hovers(result: AttentionResult, cells: list[list[float]]) -> list[list[str]]:
    looking, seen = _named(result.tokens), _named(result.seen)
    return [
        [
            f"{looking[query]} looks at {seen[key]}\n{result.unit}: "
            f"{0 if math.isnan(value) else value:.4g}"
            for key, value in enumerate(row)
        ]
        for query, row in zip(result.queries, cells, strict=True)
    ]


def _named(tokens: Sequence[Token]) -> list[str]:
    return [
        f"{shown.isolate(shown.cut(token.label, LONGEST_TOKEN))} at {position}"
        for position, token in enumerate(tokens)
    ]


def _scale(most: float, *, signed: bool) -> Scale:
    ends = (-most, 0.0, most) if signed else (0.0, most / 4, most)
    ticks = tuple((one, _short(one)) for one in ends)
    return Scale(ends[0], most, ticks, kind="diverging" if signed else "sequential", root=True)


def _short(value: float) -> str:
    return f"{value:.2g}".replace("-", "−")

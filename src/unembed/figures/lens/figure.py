"""The logit lens as a Plotly figure. Knows the result, no model."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

from unembed.analyses.lens.result import LensResult
from unembed.engine.names.tokens import Token
from unembed.errors import InputError
from unembed.figures import text as shown
from unembed.figures.colours import Colours, choose
from unembed.figures.grid import Labels, TokenGrid
from unembed.figures.heatmap import grid_figure
from unembed.figures.lens import kinds as lens_kinds
from unembed.figures.lens.kinds import CELLS, Kind, check_kind

if TYPE_CHECKING:
    import plotly.graph_objects as go

Text = Literal["auto", "token", "value", "none"]
MOST_LISTED = 10  # tokens in a hover
LONGEST_TOKEN = 40  # columns, in a hover

_TOKENS_BY_DEFAULT = ("top", "logit", "probability")
_FOLLOWED = {"final": "final top", "next": "true next", "input": "input"}


def plot(
    result: LensResult,
    kind: str = "probability",
    *,
    top_down: bool = False,
    text: str = "auto",
    title: str | None = None,
    colours: Colours | str | None = None,
) -> go.Figure:
    """The grid as a Plotly figure: rows by tokens, everything known of a cell in its hover.

    Above the cells stands each position's final top token, with a mark where it is the prompt's
    true next token; below stand the tokens that went in.

    Args:
        kind: what colours the cells: "top", "logit", "probability", "rank", "kl" or "entropy".
        top_down: the first row and the inputs at the top, the output and the targets below.
        text: what the cells say: "token" (the row's top token), "value", "none", or "auto": the
            token for "top", "logit" and "probability", the value for the others, where it has
            room. Asked for by name, it makes the figure as wide as it needs.
        title: instead of what the colours are, and the model.
        colours: "light", "dark", a `Colours`, or None: Plotly's default template decides.

    Raises:
        InputError: no such kind, text or colours.
    """
    grid = _Grids(result, top_down, text).grid(check_kind(kind))
    heading = title or f"{grid.title} · {model_name(result)}"
    return grid_figure(replace(grid, title=heading), choose(colours))


# ------------------------------------------------------------------ grids


class _Grids:
    """The grids of one result: labels and hovers are made once, and serve every kind."""

    def __init__(self, result: LensResult, top_down: bool, text: str) -> None:
        self.result = result
        self.top_down = top_down
        self.text = check_text(text)
        self.token = {token.id: token for token in result.vocabulary}

    def grid(self, kind: Kind) -> TokenGrid:
        values = lens_kinds.values(self.result, kind)
        return TokenGrid(
            title=lens_kinds.title(self.result, kind),
            rows=tuple(map(row_label, self.result.rows)),
            inputs=self._inputs,
            targets=self._targets,
            values=values,
            texts=self._texts(kind, values),
            hovers=self._hovers,
            scale=lens_kinds.scale(self.result, kind),
            unit=CELLS[kind].unit,
            top_down=self.top_down,
            widen=self.text in ("token", "value"),
        )

    @cached_property
    def _inputs(self) -> Labels:
        return Labels(
            "input token and its position",
            tuple(token.label for token in self.result.tokens),
            tuple(map(str, self.result.positions)),
            quiet=True,
        )

    @cached_property
    def _targets(self) -> Labels:
        """The final top tokens; marked where they are the prompt's true next token."""
        finals = self.result.top_ids[-1, :, 0].tolist()
        hits = [
            final == true for final, true in zip(finals, self.result.next_ids.tolist(), strict=True)
        ]
        return Labels(
            "final top token" + (" (✓ the true next token)" if any(hits) else ""),
            tuple(self.token[final].label for final in finals),
            tuple("✓" if hit else "" for hit in hits),
        )

    def _texts(self, kind: Kind, values: list[list[float]]) -> list[list[str]]:
        tokens = kind in _TOKENS_BY_DEFAULT if self.text == "auto" else self.text == "token"
        if self.text == "none":
            return []
        if tokens:
            best = self.result.top_ids[..., 0].tolist()
            return [[self.token[token].label for token in row] for row in best]
        return [[CELLS[kind].short(value) for value in row] for row in values]

    # -------------------------------------------------------------- hovers

    @cached_property
    def _hovers(self) -> list[list[str]]:
        heads = [self._head(column) for column in range(len(self.result.positions))]
        rows = range(len(self.result.rows))
        return [
            [self._hover(row, column, head) for column, head in enumerate(heads)] for row in rows
        ]

    def _hover(self, row: int, column: int, head: str) -> str:
        position = self.result.positions[column]
        return "\n".join(
            [
                f"{self.result.rows[row]} · position {position}",
                head,
                "",
                *self._scores(row, column),
                "",
                *self._listed(row, column),
            ]
        )

    def _head(self, column: int) -> str:
        """The tokens of a position: what went in, what came out, what was true."""
        final = int(self.result.top_ids[-1, column, 0])
        following = int(self.result.next_ids[column])
        lines = [("input", self.result.tokens[column]), ("final top", self.token[final])]
        if following >= 0:
            lines.append(("true next", self.token[following]))
        if self.result.target is not None:
            lines.append(("target", self.result.target))
        width = max(len(name) for name, _ in lines)
        said = [f"{name.ljust(width)}  {_named(token)}" for name, token in lines]
        if final == following:
            said[1] += " ✓"
        return "\n".join(said)

    def _scores(self, row: int, column: int) -> list[str]:
        numbers = {name: array[row][column] for name, array in self._cells.items()}
        name = "target" if self.result.target is not None else _FOLLOWED[self.result.follow]
        scores = f"{name}: none here"
        if numbers["rank"] >= 1:
            scores = (
                f"{name}: probability {shown.probability(numbers['probability'])}, "
                f"logit {shown.number(numbers['logit'])}, rank {shown.rank(numbers['rank'])}"
            )
        return [
            scores,
            f"KL(final ‖ row) {shown.number(numbers['kl'])} nats, "
            f"entropy {shown.number(numbers['entropy'])} nats",
        ]

    # Plain lists: reading a tensor number by number takes seconds for a large grid.

    @cached_property
    def _cells(self) -> dict[str, list[list[float]]]:
        names = ("logit", "probability", "rank", "kl", "entropy")
        return {name: getattr(self.result, name).tolist() for name in names}

    @cached_property
    def _tops(self) -> list[list[list[tuple[int, float, float]]]]:
        """The most likely tokens of each cell: id, logit, probability."""
        result, k = self.result, MOST_LISTED
        arrays = (result.top_ids, result.top_logits, result.top_probabilities)
        rows = zip(*(array[..., :k].tolist() for array in arrays), strict=True)
        return [[list(zip(*cell, strict=True)) for cell in zip(*row, strict=True)] for row in rows]

    @cached_property
    def _named(self) -> dict[int, str]:
        return {token.id: _named(token) for token in self.result.vocabulary}

    def _listed(self, row: int, column: int) -> list[str]:
        lines = ["probability    logit  top tokens"]
        for token, logit, probability in self._tops[row][column]:
            numbers = f"{shown.probability(probability):>11}  {shown.number(logit):>7}"
            lines.append(f"{numbers}  {self._named[token]}")
        more = self.result.top_ids.shape[-1] - MOST_LISTED
        return lines if more <= 0 else [*lines, f"and {more} more in the result"]


def check_text(text: str) -> str:
    """What cells may say; raises InputError for anything else."""
    if text not in get_args(Text):
        raise InputError(
            f"text is {text!r}; write one of {', '.join(get_args(Text))}",
            field="text",
            value=text,
            legal=", ".join(get_args(Text)),
        )
    return text


def model_name(result: LensResult) -> str:
    """The model that was read."""
    return result.provenance.get("model") or "a model without a name"


def row_label(name: str) -> str:
    """A row as the app names it: "L5" after block 5, "L5 attn" after its attention."""
    layer, _, site = name.partition(".")
    if not site:
        return name
    return layer if site == "resid_post" else f"{layer} attn"


def _named(token: Token) -> str:
    return f"{shown.isolate(shown.cut(token.label, LONGEST_TOKEN))} #{token.id}"

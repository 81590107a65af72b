"""One node on one prompt, as plain data. Knows no model."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from unembed.analyses.tools.effects import Method
from unembed.analyses.tracing.options import ReadBy, ReadKind
from unembed.engine.names.tokens import Token
from unembed.result import Axes, Columns, Result

Kind = Literal[
    "head", "cross_head", "neuron", "latent", "attn", "cross", "mixer", "mlp", "ple", "embed"
]  # fmt: skip


@dataclass(frozen=True)
class TokenEffect:
    """A token, and the direct effect of a write on its logit."""

    token: Token
    logit: Annotated[float, "Direct effect on the token's logit: see `method`."]


@dataclass(frozen=True)
class Downstream:
    """Something later that reads what a node writes, and how much of it: a direct effect."""

    node: Annotated[str, 'The pair, neuron or latent: "L9.H6@14<3", "L12.N512@14", "L6.F77@14".']
    kind: ReadKind
    through: Annotated[ReadBy, "Through what: a trace of it through the same has this effect."]
    effect: Annotated[
        float,
        "What the write adds to the score, or to what the activation function is given; of a value "
        "the norm of what the head moves of it.",
    ]
    value: Annotated[float, "All of that number in this run; of a value the norm of all it moves."]


@dataclass(frozen=True, repr=False)
class Component(Result):
    """A node: what it writes at a position, and which tokens that promotes."""

    axes: ClassVar[Axes] = {"activation": ("position",), "attends_to": ("key",)}

    target: str
    kind: Kind
    layer: int | None
    position: int
    tokens: Annotated[tuple[Token, ...], "Of the prompt."]
    activation: Annotated[
        tuple[float, ...],
        "Per position: of a neuron or latent its activation; of others the norm of their write.",
    ]
    activation_name: Annotated[
        str, 'What `activation` is: "mlp_post", "latent", "norm of the write".'
    ]
    promotes: Annotated[tuple[TokenEffect, ...], "Most raised first."]
    suppresses: Annotated[tuple[TokenEffect, ...], "Most lowered first."]
    attends_to: Annotated[
        tuple[float, ...] | None,
        "Heads: the row of the pattern at the position; of cross-attention over `source_tokens`.",
    ]
    sink: Annotated[
        float | None,
        "Heads with a sink: how much of the attention at the position goes to no token; with "
        "`attends_to` it sums to 1.",
    ]
    write_norm: Annotated[float, "Norm of what the node writes at the position."]
    resid_norm: Annotated[float, "Norm of the residual stream that it writes to."]
    method: Annotated[
        Method | None,
        "Effects with norms frozen at the run, or by taking the write out; null where the model "
        "has no unembedding, or a latent writes behind a norm of the stream: no token is promoted.",
    ]
    source_tokens: Annotated[
        tuple[Token, ...], "What the encoder of an encoder-decoder was given."
    ] = ()
    downstream: Annotated[
        tuple[Downstream, ...],
        "Where it acts, as `downstream` asks: of each kind the largest either way. Scores by their "
        "query from the position, by their key, and values, from the last position.",
    ] = ()
    downstream_reason: Annotated[str | None, "Why nothing is said of where it acts."] = None

    def summary(self) -> str:
        raised = f", raises {self.promotes[0].token.text!r}" if self.promotes else ""
        return f"{self.target} at position {self.position}{raised}"

    def to_html(self, *choices: Any, path: str | Path | None = None, **options: Any) -> str:
        """One HTML page without scripts that needs no network, written to `path` if one is given.

        See `html` of `unembed.figures.component`.
        """
        page: str = import_module("unembed.figures.component").html(
            self, *choices, path=path, **options
        )
        return page

    def columns(self) -> Columns:
        """One row for each token that it promotes or suppresses."""
        effects = [*self.promotes, *self.suppresses]
        n = len(self.promotes)
        return {
            "list": ["promotes"] * n + ["suppresses"] * (len(effects) - n),
            "token": [one.token.text for one in effects],
            "logit": [one.logit for one in effects],
        }

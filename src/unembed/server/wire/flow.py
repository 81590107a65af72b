"""The flow graph of chosen layers at one position, and what the edits really change.

Names are those of `unembed.analyses.flow.result`; a token of a reading is an id, and `vocabulary`
says how it reads.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from unembed.analyses.flow.options import TargetMode
from unembed.analyses.flow.result import LinkColour, LinkKind, NodeKind
from unembed.server.wire.base import TokenText, Wire

_IdOf = Annotated[int, BeforeValidator(lambda token: getattr(token, "id", token))]


class FlowToken(Wire):
    """A token that a vector predicts."""

    token: _IdOf = Field(description="Its id; see `vocabulary`.")
    probability: float


class FlowScore(Wire):
    """How a vector's prediction rates the target.

    Of a whole target of several tokens: the product of their probabilities, each read at its own
    position, and the worst of their ranks.
    """

    probability: float
    rank: int = Field(description="1 for the most likely.")


class FlowReading(Wire):
    """A vector read as a prediction: through the final norm and the unembedding."""

    name: str = Field(
        description='"" for the node\'s own; else which of its vectors: "q", "k", "v", "gate", '
        '"up", "after rotation", "suppressed".'
    )
    norm: float
    entropy: float = Field(description="Nats.")
    tokens: list[FlowToken] = Field(description="Most likely first.")
    target: FlowScore | None = None


class FlowCut(Wire):
    """The edit that cuts a node or a link, at the position of the graph."""

    operation: Literal["zero", "cut"]
    target: str


class FlowNode(Wire):
    """One box of the graph. `readings[0]` is what it is labelled and coloured by.

    A node whose activation is negative writes its vector the other way round: it is read with the
    minus sign, and the reading "suppressed" has the tokens that it takes probability from, which
    label it.
    """

    id: str = Field(
        description='"L14.attn_in", "L14.H7.query", "L14.H7.key@3", "L14.z448", "L14.N1981.key" ...'
    )
    kind: NodeKind
    layer: int
    column: int = Field(description="Where it stands, from left to right over all layers.")
    title: str = Field(description='"head 7 of layer 14: what it writes"')
    label: str = Field(
        description='The token that stands for it: "␣Tokyo", "−␣the" for what it suppresses.'
    )
    readings: list[FlowReading]
    address: str | None = Field(
        None, description='The node or branch that says more: "L14.H7", "L14.N1981".'
    )
    position: int | None = Field(None, description="Of a key or value: where it was made.")
    token: _IdOf | None = Field(
        None, description="Id of the prompt's token there; see `vocabulary`."
    )
    sign: Literal[1, -1] = 1
    activation: float | None = Field(
        None, description="Row of W_O: the entry of z; neuron: the input of the output map."
    )
    gate: float | None = Field(
        None, description="Neuron of a gated feed-forward: after the activation function."
    )
    up: float | None = Field(None, description="What the gate multiplies.")
    attention: float | None = Field(None, description="Key, value: the attention score.")
    attributed: float | None = Field(
        None,
        description="Direct effect of its write on the target's logit, norms frozen; null for "
        "what writes nothing.",
    )
    cut: FlowCut | None = None


class FlowLink(Wire):
    """What passes from one node to another."""

    id: str = Field(description='Both ends: "L14.H7>L14.z".')
    source: str
    target: str
    kind: LinkKind
    width: float
    colour: LinkColour = Field(description="What its colour says.")
    colour_value: float | None = Field(
        None, description="Entropy in nats, attention score, or signed activation: see `colour`."
    )
    norm: float | None = Field(None, description="Of what passes.")
    activation: float | None = None
    attention: float | None = None
    share: float | None = Field(
        None,
        description="<write, added> / ‖added‖²: those into attn_out, or mlp_out, sum to 1; may be "
        "negative.",
    )
    attributed: float | None = Field(
        None, description="Direct effect of what passes on the target's logit."
    )
    cut: FlowCut | None = None


class FlowSum(Wire):
    """How much of what a branch added is shown: shares of <write, added> / ‖added‖²."""

    layer: int
    branch: Literal["attn", "mlp"]
    added_norm: float
    heads: float | None = Field(description="Attention: share of the heads shown.")
    shown: float | None = Field(
        description="Share of the rows of W_O, or neurons, shown; null where it has none."
    )
    bias: float
    rest: float | None
    rest_norm: float | None
    reason: str | None = Field(None, description="Why the branch is not taken apart.")


class FlowTarget(Wire):
    """What nodes are rated by."""

    text: str
    tokens: list[TokenText]
    mode: TargetMode
    chosen: bool = Field(description="False: the model's own most likely token.")


class FlowSide(Wire):
    """One run, drawn."""

    output: FlowReading = Field(description="What the model itself predicts at the position.")
    nodes: list[FlowNode]
    links: list[FlowLink]
    sums: list[FlowSum]
    notes: list[str] = Field(description="What a reader must know.")


class CutScore(Wire):
    """How a run itself rates the target at the position."""

    probability: float
    logit: float
    rank: int = Field(description="1 for the most likely.")


class FlowEffect(Wire):
    """What one edit, or all of them together, really changes: the run is made with it."""

    edit: int | None = Field(description="Which edit of the request; null: all enabled ones.")
    name: str = Field(description="What it is about: the edit's target.")
    attributed: float | None = Field(
        description="Change of the target's logit that the graph attributes to the cut: minus the "
        "direct effect. Null where the edit cuts no node or link of the graph that has one."
    )
    measured: CutScore = Field(description="Of the run with the edit.")
    logit_change: float = Field(description="Of the target: edited minus baseline.")
    probability_change: float


class FlowEffects(Wire):
    """Attributed against measured, for the enabled edits."""

    baseline: CutScore
    edits: list[FlowEffect] = Field(description="Each alone, in the request's order.")
    together: FlowEffect | None = Field(
        None, description="All at once; absent where only one is enabled."
    )
    left_out: int = Field(
        0, description="Enabled edits that were not measured alone: beyond `max_measured_cuts`."
    )


class FlowResponse(Wire):
    """The graph of the unedited run; with an enabled edit also that of the edited run.

    Both have the same nodes and links, those that the unedited run selects.
    """

    tokens: list[TokenText] = Field(description="The prompt.")
    layers: list[int] = Field(description="Ascending.")
    position: int = Field(description="Resolved: never negative.")
    target: FlowTarget
    baseline: FlowSide
    edited: FlowSide | None = Field(None, description="Present when an edit is enabled.")
    effects: FlowEffects | None = Field(None, description="Present when an edit is enabled.")
    vocabulary: list[TokenText] = Field(description="Each token that occurs, once.")

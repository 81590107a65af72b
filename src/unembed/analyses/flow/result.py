"""The flow graph as plain data: nodes, links, and what each of them says. Knows no model.

A node is a vector of the forward pass, or of the weights, read as a prediction. A link is what
passes between two nodes. `graph.vectors` holds the vectors themselves, row by row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from unembed.analyses.flow.kinds import LinkColour, LinkKind, NodeKind
from unembed.analyses.flow.options import FlowOptions
from unembed.analyses.tools.directions import Directions
from unembed.analyses.tools.objective import Objective
from unembed.analyses.tools.result import Drawn
from unembed.engine.names.tokens import Token
from unembed.engine.nodes import Branch
from unembed.errors import TargetError
from unembed.result import Axes, Columns, columns_of, data_frame

if TYPE_CHECKING:
    import pandas
    from jaxtyping import Float
    from torch import Tensor


@dataclass(frozen=True)
class FlowToken:
    """A token that a vector predicts."""

    token: Token
    probability: float


@dataclass(frozen=True)
class FlowScore:
    """How a vector's prediction rates the target.

    Of a whole target of several tokens: the product of their probabilities, each read at its own
    position, and the worst of their ranks.
    """

    probability: float
    rank: Annotated[int, "1 for the most likely."]


@dataclass(frozen=True)
class FlowReading:
    """A vector read as a prediction: through the final norm and the unembedding.

    In a model without a lens, one whose head gives labels, it is no prediction and has its norm
    alone.
    """

    name: Annotated[
        str,
        '"" for the node\'s own; else which of its vectors: "q", "k", "v", "gate", "up", '
        '"after rotation", "suppressed".',
    ]
    row: Annotated[int, "Of the graph's vectors, which JSON leaves out."]
    norm: float
    entropy: Annotated[float | None, "Nats; null in a model without a lens."]
    tokens: Annotated[tuple[FlowToken, ...], "Most likely first; none without a lens."]
    target: FlowScore | None = None


@dataclass(frozen=True)
class FlowCut:
    """The edit that cuts a node or a link, at the position of the graph.

    "zero" is an ordinary edit of `target`; for "cut" `unembed.cut` makes the edits.
    """

    operation: Literal["zero", "cut"]
    target: str


@dataclass(frozen=True)
class FlowNode:
    """One box of the graph. `readings[0]` is what it is labelled and coloured by.

    A node whose activation is negative writes its vector the other way round: it is read with the
    minus sign, and the reading "suppressed" has the tokens that it takes probability from, which
    label it.
    """

    also = ("label",)

    id: Annotated[
        str, '"L14.attn_in", "L14.H7.query", "L14.H7.key@3", "L14.z448", "L14.N1981.key" ...'
    ]
    kind: NodeKind
    layer: int
    column: Annotated[int, "Where it stands, from left to right over all layers."]
    title: Annotated[str, '"head 7 of layer 14: what it writes"']
    readings: tuple[FlowReading, ...]
    address: Annotated[
        str | None, 'The node or branch whose page says more: "L14.H7", "L14.N1981".'
    ] = None
    position: Annotated[
        int | None,
        "Of a key or value: where it was made; of attention to an encoder (L3.X2) in the source.",
    ] = None
    token: Annotated[Token | None, "The token there."] = None
    site: Annotated[
        str | None, 'Of a latent: the site that its autoencoder takes apart, "L6.mlp_out".'
    ] = None
    sign: Literal[1, -1] = 1
    activation: Annotated[
        float | None,
        "Row of W_O: the entry of z; neuron: the input of the output map; latent: its value.",
    ] = None
    gate: Annotated[
        float | None, "Neuron of a gated feed-forward: after the activation function."
    ] = None
    up: Annotated[float | None, "What the gate multiplies."] = None
    attention: Annotated[float | None, "Key, value: the attention score."] = None
    sink: Annotated[
        float | None, "Head with a sink: how much of its attention goes to no token."
    ] = None
    attributed: Annotated[
        float | None,
        "Direct effect of its write on the target's objective, norms frozen; null for what writes "
        "nothing.",
    ] = None
    cut: FlowCut | None = None

    @property
    def label(self) -> str:
        """The token that stands for it: "␣Tokyo", "−␣the" for what it suppresses."""
        suppressed = next((one for one in self.readings if one.name == "suppressed"), None)
        shown = suppressed or (self.readings[0] if self.readings else None)
        if shown is None or not shown.tokens:
            return ""
        return ("−" if suppressed else "") + shown.tokens[0].token.label


@dataclass(frozen=True)
class FlowLink:
    """What passes from one node to another."""

    also = ("id",)

    source: str
    target: str
    kind: LinkKind
    width: float
    colour: Annotated[LinkColour, "What its colour says."]
    colour_value: Annotated[
        float | None, "Entropy in nats, attention score, or signed activation: see `colour`."
    ] = None
    norm: Annotated[float | None, "Of what passes."] = None
    activation: float | None = None
    attention: float | None = None
    share: Annotated[
        float | None,
        "<write, added> / ‖added‖²: those into attn_out, or mlp_out, and from a stream to its "
        "latents sum to 1; may be negative.",
    ] = None
    attributed: Annotated[float | None, "Direct effect of what passes on the objective."] = None
    row: Annotated[
        int | None, "Of the graph's vectors, which times `coefficient` is what passes."
    ] = None
    coefficient: float = 1.0
    cut: FlowCut | None = None

    @property
    def id(self) -> str:
        """Both ends: "L14.H7>L14.z"."""
        return f"{self.source}>{self.target}"


@dataclass(frozen=True)
class FlowSum:
    """How much of what a branch added is shown: shares of <write, added> / ‖added‖².

    "stream": of what a stream, or what attention to an encoder adds, is, by its latents.
    """

    layer: int
    branch: Branch | Literal["stream"]
    added_norm: float
    heads: Annotated[float | None, "Attention: share of the heads shown."]
    shown: Annotated[
        float | None,
        "Share of the rows of W_O, neurons or latents shown; null where it has none, and of "
        "attention to an encoder, whose heads are all that is shown.",
    ]
    bias: float
    rest: float | None
    rest_norm: float | None
    reason: Annotated[str | None, "Why the branch is not taken apart."] = None
    site: Annotated[str | None, "Where latents are shown: the site that they are of."] = None
    error: Annotated[float | None, "Share of what their autoencoder does not explain."] = None
    active: Annotated[int | None, "How many latents are active."] = None
    latents: Annotated[int | None, "How many of them are shown."] = None


@dataclass(frozen=True)
class FlowTarget:
    """What nodes are rated by."""

    text: Annotated[str, "The token's, or the label's."]
    tokens: Annotated[
        tuple[Token, ...],
        "None of a label, nor in a model without a lens, where effects alone are told.",
    ]
    mode: Literal["first", "whole"]
    chosen: Annotated[bool, "False: the model's own most likely token, or label."]
    objective: Annotated[
        str | None, "What effects are on: \"logit of ' Tokyo'\"; of several tokens, of the first."
    ] = None
    of_token: Annotated[bool, "Whether the objective is no more than the first token's logit."] = (
        True
    )


@dataclass(frozen=True)
class LatentSelection:
    """Which latents of an autoencoder are shown."""

    stem: Annotated[str, 'Their names without the number: "L6.F", "L6.mlp_out.F".']
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class LayerSelection:
    """What of a layer is shown; another run's graph can be drawn with it."""

    layer: int
    heads: tuple[int, ...]
    memory: Annotated[
        tuple[tuple[int, ...], ...], "For each head: positions, highest attention first."
    ]
    z_rows: Annotated[tuple[int, ...], "The top group, then the bottom group."]
    neurons: tuple[int, ...]
    norm: Annotated[bool, "Whether both branches read one vector, which has a node of its own."] = (
        False
    )
    cross_heads: Annotated[tuple[int, ...], "Of attention to an encoder."] = ()
    cross_memory: Annotated[
        tuple[tuple[int, ...], ...], "For each of them: positions of the source."
    ] = ()
    latents: tuple[LatentSelection, ...] = ()

    def heads_of(self, branch: Branch) -> tuple[int, ...]:
        """The heads of its own attention, or of that to an encoder."""
        return self.cross_heads if branch == "cross" else self.heads

    def memory_of(self, branch: Branch) -> tuple[tuple[int, ...], ...]:
        """What each of them looks at."""
        return self.cross_memory if branch == "cross" else self.memory


@dataclass(frozen=True, eq=False, repr=False)
class FlowGraph(Drawn):
    """The flow of information through chosen layers at one position of a run."""

    axes: ClassVar[Axes] = {"vectors": ("row", "d_model")}

    layers: Annotated[tuple[int, ...], "Ascending."]
    position: Annotated[int, "Resolved: never negative."]
    tokens: Annotated[tuple[Token, ...], "Of the prompt."]
    target: FlowTarget
    output: Annotated[
        FlowReading, "What the model itself predicts at the position: the last residual."
    ]
    nodes: tuple[FlowNode, ...]
    links: tuple[FlowLink, ...]
    sums: tuple[FlowSum, ...]
    notes: Annotated[
        tuple[str, ...], "What a reader must know: \"' Buenos Aires' is 2 tokens ...\""
    ]
    vocab_size: int
    options: FlowOptions
    selection: tuple[LayerSelection, ...]
    vectors: Float[Tensor, "row d_model"]
    provenance: Annotated[Mapping[str, str], "Which model, in which precision."]
    # what effects are on; JSON has its words, in `target`; and how a head for labels reads it
    objective: Objective | None = field(default=None, metadata={"written": False})
    read: Directions | None = field(default=None, metadata={"written": False})
    source_tokens: Annotated[
        tuple[Token, ...], "What the encoder of an encoder-decoder was given."
    ] = ()

    @property
    def has_readings(self) -> bool:
        """Whether its vectors are read as predictions of tokens."""
        return self.output.entropy is not None

    @cached_property
    def _by_id(self) -> Mapping[str, FlowNode | FlowLink]:
        found: dict[str, FlowNode | FlowLink] = {node.id: node for node in self.nodes}
        return found | {link.id: link for link in self.links}

    def node(self, name: str) -> FlowNode:
        """A node by its id. Raises TargetError where the graph has no such node."""
        found = self._by_id.get(name)
        if not isinstance(found, FlowNode):
            raise TargetError(
                f"{name!r} is no node of this graph; nodes are for example "
                + ", ".join(node.id for node in self.nodes[:3]),
                field="node",
                value=name,
            )
        return found

    def link(self, source: str, target: str) -> FlowLink:
        """A link by the nodes that it joins. Raises TargetError where there is none."""
        found = self._by_id.get(f"{source}>{target}")
        if not isinstance(found, FlowLink):
            raise TargetError(
                f"no link goes from {source!r} to {target!r} in this graph",
                field="link",
                value=f"{source}>{target}",
            )
        return found

    def summary(self) -> str:
        return (
            f"layers {', '.join(map(str, self.layers))} at position {self.position}, "
            f"{len(self.nodes)} nodes, {len(self.links)} links, rated by {self.target.text!r}"
        )

    def columns(self) -> Columns:
        """One row for each node."""
        return columns_of(map(_row, self.nodes))

    def links_to_pandas(self) -> pandas.DataFrame:
        """One row for each link. Raises InputError where pandas is not installed."""
        rows = [{"id": link.id, **asdict(link)} for link in self.links]
        return data_frame(columns_of(rows))


def _row(node: FlowNode) -> dict[str, Any]:
    own = node.readings[0] if node.readings else None
    score = None if own is None else own.target
    return {
        "id": node.id,
        "kind": node.kind,
        "layer": node.layer,
        "title": node.title,
        "label": node.label,
        "tokens": [] if own is None else [one.token.text for one in own.tokens],
        "target_probability": None if score is None else score.probability,
        "target_rank": None if score is None else score.rank,
        "norm": None if own is None else own.norm,
        "entropy": None if own is None else own.entropy,
        "activation": node.activation,
        "attention": node.attention,
        "attributed": node.attributed,
    }

"""The flow graph as plain data: nodes, links, and what each of them says. Knows no model.

A node is a vector of the forward pass, or of the weights, read as a prediction. A link is what
passes between two nodes. `graph.vectors` holds the vectors themselves, row by row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from unembed.analyses.lens.result import finite
from unembed.analyses.tools.frames import data_frame
from unembed.analyses.tools.result import Drawn
from unembed.errors import TargetError

if TYPE_CHECKING:
    import pandas
    from jaxtyping import Float
    from torch import Tensor

    from unembed.analyses.flow.options import FlowOptions
    from unembed.engine.names.tokens import Token

NodeKind = Literal[
    "resid_pre",  # what enters the block
    "norm",  # parallel blocks: the norm that attention and feed-forward share
    "attn_in",
    "qkv",  # query, key and value of the position, all heads
    "query",  # one head's query
    "key",  # one head's key at one position
    "value",  # one head's value at one position, through W_O
    "head",  # what one head writes
    "z",  # all heads' results, before W_O
    "z_row",  # one entry of z and its row of W_O
    "attn_bias",
    "attn_out",
    "resid_mid",
    "mlp_in",
    "neuron_key",  # the column of the input map (and of the gate)
    "neuron",  # the value vector
    "mlp_in_bias",
    "mlp_bias",
    "mlp_out",
    "resid_post",
    "rest",  # what is not shown
]
LinkKind = Literal[
    "norm",  # through a norm: resid_pre>attn_in, resid_mid>mlp_in ...
    "residual_attn",  # past the attention
    "residual_mlp",  # past the feed-forward
    "skipped",  # the layers between two layers that are shown
    "branch",  # attn_out>resid_mid, mlp_out>resid_post
    "qkv",  # attn_in>qkv
    "query",  # qkv>query
    "attention",  # query>key, key>value
    "memory",  # value>head: attention times value
    "head",  # head>z
    "z_row_key",  # z>z_row
    "z_row",  # z_row>attn_out
    "neuron_key",  # mlp_in>neuron_key
    "activation",  # neuron_key>neuron
    "neuron",  # neuron>mlp_out
    "bias",
    "rest",
    "experts",  # mlp_in>mlp_out of a mixture of experts, which has no single neurons
]
# What the colour of a link says; `colour_value` is the entropy in nats, the attention score, or
# the signed activation.
LinkColour = Literal[
    "entropy", "attention", "sign", "norm", "residual_attn", "residual_mlp", "bias", "hidden"
]


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
    rank: int  # 1 for the most likely


@dataclass(frozen=True)
class FlowReading:
    """A vector read as a prediction: through the final norm and the unembedding."""

    name: str  # "" for the node's own; "q", "k", "v", "gate", "up", "after rotation", "suppressed"
    row: int  # of `graph.vectors`
    norm: float
    entropy: float  # nats
    tokens: tuple[FlowToken, ...]  # most likely first
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

    id: str  # "L14.attn_in", "L14.H7.query", "L14.H7.key@3", "L14.z448", "L14.N1981.key" ...
    kind: NodeKind
    layer: int
    column: int  # where it stands, from left to right over all layers
    title: str  # "head 7 of layer 14: what it writes"
    readings: tuple[FlowReading, ...]
    address: str | None = None  # of the node or branch whose page says more: "L14.H7", "L14.N1981"
    position: int | None = None  # of a key or value: where it was made
    token: Token | None = None  # of the prompt, there
    sign: Literal[1, -1] = 1
    activation: float | None = None  # z_row: z_i; neuron: m_i
    gate: float | None = None  # neuron of a gated feed-forward: after the activation function
    up: float | None = None  # what the gate multiplies
    attention: float | None = None  # key, value: the attention score
    attributed: float | None = None  # direct effect of its write on the target's logit
    cut: FlowCut | None = None

    @property
    def label(self) -> str:
        """The token that stands for the node: "␣Tokyo", "−␣the" for what it suppresses."""
        suppressed = next((one for one in self.readings if one.name == "suppressed"), None)
        shown = suppressed or (self.readings[0] if self.readings else None)
        if shown is None or not shown.tokens:
            return ""
        return ("−" if suppressed else "") + shown.tokens[0].token.label


@dataclass(frozen=True)
class FlowLink:
    """What passes from one node to another."""

    source: str
    target: str
    kind: LinkKind
    width: float
    colour: LinkColour
    colour_value: float | None = None
    norm: float | None = None  # of what passes
    activation: float | None = None
    attention: float | None = None
    share: float | None = (
        None  # <write, added> / ‖added‖²: those into attn_out, or mlp_out, sum to 1
    )
    attributed: float | None = None  # direct effect of what passes on the target's logit
    row: int | None = None  # of `graph.vectors`, which times `coefficient` is what passes
    coefficient: float = 1.0
    cut: FlowCut | None = None

    @property
    def id(self) -> str:
        return f"{self.source}>{self.target}"


@dataclass(frozen=True)
class FlowSum:
    """How much of what a branch added is shown: shares of <write, added> / ‖added‖²."""

    layer: int
    branch: Literal["attn", "mlp"]
    added_norm: float
    heads: float | None  # attn: of the heads shown
    shown: float | None  # of the rows of W_O, or neurons, shown; None: it has none
    bias: float
    rest: float | None
    rest_norm: float | None
    reason: str | None = None  # why the branch is not taken apart


@dataclass(frozen=True)
class FlowTarget:
    """What nodes are rated by."""

    text: str
    tokens: tuple[Token, ...]
    mode: Literal["first", "whole"]
    chosen: bool  # False: the model's own most likely token


@dataclass(frozen=True)
class LayerSelection:
    """What of a layer is shown; another run's graph can be drawn with it."""

    layer: int
    heads: tuple[int, ...]
    memory: tuple[tuple[int, ...], ...]  # for each head: positions, highest attention first
    z_rows: tuple[int, ...]  # top group, then bottom group
    neurons: tuple[int, ...]
    norm: bool = False  # both branches read one vector, which has a node of its own


@dataclass(frozen=True, eq=False)
class FlowGraph(Drawn):
    """The flow of information through chosen layers at one position of a run."""

    layers: tuple[int, ...]
    position: int
    tokens: tuple[Token, ...]  # of the prompt
    target: FlowTarget | None
    output: FlowReading  # what the model itself predicts at the position; row -1
    nodes: tuple[FlowNode, ...]
    links: tuple[FlowLink, ...]
    sums: tuple[FlowSum, ...]
    notes: tuple[str, ...]  # what a reader must know: "' Buenos Aires' is 2 tokens ..."
    vocab_size: int
    options: FlowOptions
    selection: tuple[LayerSelection, ...]
    vectors: Float[Tensor, "row d_model"] = field(repr=False)
    provenance: Mapping[str, str] = field(repr=False)

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

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings; the vectors are left out."""
        names = ("layers", "position", "notes", "vocab_size")
        parts = ("tokens", "nodes", "links", "sums", "selection")
        return {
            **{name: _plain(getattr(self, name)) for name in names},
            "target": None if self.target is None else asdict(self.target),
            "output": asdict(self.output),
            "options": asdict(self.options),
            **{name: [asdict(one) for one in getattr(self, name)] for name in parts},
            "provenance": dict(self.provenance),
        }

    def to_json(self) -> str:
        """`to_dict` as JSON; what JSON has no number for becomes null."""
        return json.dumps(finite(self.to_dict()), allow_nan=False)

    def to_pandas(self) -> pandas.DataFrame:
        """One row for each node. Raises InputError where pandas is not installed."""
        return data_frame([_line(node) for node in self.nodes])

    def links_to_pandas(self) -> pandas.DataFrame:
        """One row for each link. Raises InputError where pandas is not installed."""
        return data_frame([{"id": link.id, **asdict(link)} for link in self.links])


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _line(node: FlowNode) -> dict[str, Any]:
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

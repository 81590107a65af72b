"""What a model is made of, as plain data: names of modules and where to read each site.

Nothing here runs a model. `discover` finds an anatomy by watching one short forward pass;
`engine.selfcheck` proves it. A `Tap` says where a site lives; the engine reads and writes there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import ClassVar, Literal, TypeVar

from unembed.errors import CapabilityError

Arrangement = Literal["sequential", "parallel", "post_norm", "norm_first", "single"]
ATTENTION = "attention"  # the kind of a token mixer that is one


@dataclass(frozen=True)
class Tap:
    """One place where an activation can be read and written.

    Args:
        module: dotted name of the module.
        side: its input or its output.
        scale: the activation is this many times what is there (residual multipliers).
        half: which half of the last axis, for maps that compute gate and in together.
        in_place: write into the tensor itself, because the block also carries it past the module.
        also: modules that were called before it, whose outputs are part of the activation: it is
            the sum of all of them.
    """

    module: str
    side: Literal["input", "output"]
    scale: float = 1.0
    half: int | None = None
    in_place: bool = False
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class MixerAnatomy:
    """What moves information between positions in one block: its token mixer.

    `kind` is "attention", or the class of the module (MambaMixer, Qwen3NextGatedDeltaNet); `inputs`
    is where it reads; `added` is where what joins the residual stream can be read. `reason` says
    why nothing is known of heads.
    """

    kind: str
    inputs: tuple[Tap, ...]
    added: Tap
    reason: str

    @property
    def is_attention(self) -> bool:
        """Whether it is softmax attention, even if its heads could not be told apart."""
        return self.kind == ATTENTION


@dataclass(frozen=True)
class AttentionAnatomy:
    """The attention of one block, with heads that are understood.

    `core` is the module that calls the attention kernel; `maps` read `attn_in`; `output_map` is
    W_O; `added` is where what joins the residual stream can be read; `post_norm` is a norm
    between W_O and the stream (Gemma 2 and 3, OLMo 2, GLM 4). `gated`: z is the pattern times the
    values, each number of it times a gate that knows nothing of them (Qwen3-Next). `sink`: a part
    of each query's attention goes to no position (GPT-OSS). `inner_norm` is a norm over all heads,
    between z and W_O (BitNet). `keys_of` is the core of an earlier layer whose keys and values it
    uses, where it has none of its own (Gemma 4). `between` says what else is at work before W_O,
    for when z cannot be proven.
    """

    core: str
    own_code: bool
    maps: tuple[str, ...]
    output_map: str
    n_heads: int
    n_kv_heads: int
    d_head: int
    added: Tap
    post_norm: str | None = None
    inner_norm: str | None = None
    gated: bool = False
    sink: bool = False
    keys_of: str | None = None
    between: str = ""

    kind: ClassVar[str] = ATTENTION
    is_attention: ClassVar[bool] = True

    @property
    def z(self) -> Tap:
        """Where the results of all heads are."""
        return Tap(self.inner_norm or self.output_map, "input")

    @property
    def inputs(self) -> tuple[Tap, ...]:
        """Where it reads."""
        return tuple(Tap(name, "input") for name in self.maps)


@dataclass(frozen=True)
class MlpAnatomy:
    """The feed-forward of one block.

    `gate` and `pre` are taps: mlp_post = act(mlp_gate) * mlp_pre where there is a gate, and
    act(mlp_pre) where there is none. act is the module `activation`, or the function of that name
    in `models.activations` (`function`). `inner_norm` is a norm between mlp_post and the output
    map. A mixture of experts has no maps of its own here.
    """

    kind: Literal["plain", "gated", "experts"]
    inputs: tuple[Tap, ...]
    added: Tap
    d_mlp: int = 0
    output_map: str | None = None
    activation: str | None = None
    function: str | None = None
    pre: Tap | None = None
    gate: Tap | None = None
    post_norm: str | None = None
    inner_norm: str | None = None
    reason: str | None = None

    @property
    def post(self) -> Tap | None:
        """Where the activations of its neurons are."""
        return None if self.output_map is None else Tap(self.inner_norm or self.output_map, "input")


@dataclass(frozen=True)
class PerLayerAnatomy:
    """What a block adds from its per-layer embedding (PLE): a vector of each token for each layer.

    It reads the stream behind the feed-forward (`inputs`), multiplies what it makes of it with the
    token's vector and adds the result (`added`).
    """

    inputs: tuple[Tap, ...]
    added: Tap


@dataclass(frozen=True)
class BlockAnatomy:
    """One block: where it starts and ends, and its branches: a mixer, a feed-forward, or both.

    `stream_norms` are the norms that the residual stream itself passes through: behind each branch
    in post-norm blocks, before it in those that are norm-first (None where it does not).
    `stream_factors` are what the stream is multiplied with on its way past each branch; what is
    added has its own in its tap. `beside` is a second token mixer, which reads and adds together
    with attention; `per_layer` joins the stream together with the feed-forward. `n_outputs` is the
    length of the tuple that the block's module returns, 0 for a bare tensor; `hands_on`: it returns
    more than the stream, which the next may read (T5's position bias). A decoder's block that
    attends to an encoder has a third branch between the two, `cross`, and the stream behind it,
    `resid_mid_cross`.
    """

    layer: int
    module: str
    arrangement: Arrangement
    mixer: AttentionAnatomy | MixerAnatomy | None
    feed_forward: MlpAnatomy | None
    resid_mid: Tap | None
    stream_norms: tuple[str | None, ...] | None = None
    n_outputs: int = 0
    stream_factors: tuple[float, ...] = (1.0, 1.0)
    beside: MixerAnatomy | None = None
    per_layer: PerLayerAnatomy | None = None
    hands_on: bool = False
    cross: AttentionAnatomy | None = None
    resid_mid_cross: Tap | None = None

    @property
    def parallel(self) -> bool:
        """Attention and feed-forward read the same residual: there is no `resid_mid`."""
        return self.arrangement == "parallel"

    @property
    def mixer_site(self) -> str | None:
        """The site of what its token mixer adds: attn_out, or mixer_out of any other."""
        if self.mixer is None:
            return None
        return "attn_out" if self.mixer.is_attention else "mixer_out"

    @property
    def box(self) -> MixerAnatomy | None:
        """Its token mixer that is not attention, alone or beside attention."""
        if isinstance(self.mixer, MixerAnatomy) and not self.mixer.is_attention:
            return self.mixer
        return self.beside

    @property
    def steps(self) -> tuple[tuple[str, ...], ...]:
        """The sites of what it adds to the stream; those of one step are added together."""
        mixer = () if self.mixer_site is None else (self.mixer_site,)
        first = mixer if self.beside is None else (*mixer, "mixer_out")
        second = () if self.feed_forward is None else ("mlp_out",)
        second = second if self.per_layer is None else (*second, "ple_out")
        if self.arrangement in ("parallel", "single"):
            return ((*first, *second),)
        return (first, second) if self.cross is None else (first, ("cross_out",), second)

    @property
    def branch_sites(self) -> tuple[str, ...]:
        """The sites of what it adds to the residual stream, in order."""
        return tuple(site for step in self.steps for site in step)

    @property
    def stream_sites(self) -> tuple[str, ...]:
        """The residual stream before each of its steps, in order."""
        return ("resid_pre", "resid_mid", "resid_mid_cross")[: len(self.steps)]

    @property
    def passes_unchanged(self) -> bool:
        """Whether the stream is only added to: no norm, no factor on its way."""
        return self.stream_norms is None and set(self.stream_factors) == {1.0}

    @property
    def why_no_heads(self) -> str | None:
        """Why this block has no q, k, v, z and pattern; None where it has."""
        if isinstance(self.mixer, AttentionAnatomy):
            return None
        if self.mixer is None:
            return f"layer {self.layer} is a feed-forward alone"
        return self.mixer.reason

    @property
    def keys_of(self) -> str | None:
        """The core of an earlier layer whose keys and values its attention uses."""
        return self.mixer.keys_of if isinstance(self.mixer, AttentionAnatomy) else None

    @property
    def attention(self) -> AttentionAnatomy:
        """Its attention. Raises CapabilityError where it has none, or no heads are known of it."""
        if isinstance(self.mixer, AttentionAnatomy):
            return self.mixer
        raise CapabilityError(f"no heads: {self.why_no_heads}", field="layer", value=self.layer)

    @property
    def crossed(self) -> AttentionAnatomy:
        """Its attention to the encoder. Raises CapabilityError where it has none."""
        if self.cross is None:
            raise CapabilityError(
                f"layer {self.layer} does not attend to an encoder", field="layer", value=self.layer
            )
        return self.cross

    @property
    def mlp(self) -> MlpAnatomy:
        """Its feed-forward. Raises CapabilityError where it has none."""
        if self.feed_forward is None:
            raise CapabilityError(
                f"layer {self.layer} has no feed-forward", field="layer", value=self.layer
            )
        return self.feed_forward

    @property
    def d_mlp(self) -> int:
        """How many neurons it has; 0 without any."""
        return 0 if self.feed_forward is None else self.feed_forward.d_mlp


@dataclass(frozen=True)
class HeadAnatomy:
    """What turns the last residual into logits.

    `chain` are modules applied one after the other, the result times `factor` (T5, MiniCPM 3);
    where `container` is set, that module holds the rest of the chain and the unembedding. Then
    logits = product (+ bias), times `multiplier`, divided by `divisor`, soft-capped at `softcap`.
    `bias` is the name of a buffer or parameter where the bias is not the map's own (BART, ESM).
    """

    chain: tuple[str, ...]
    unembedding: str
    container: str | None = None
    multiplier: float = 1.0
    divisor: float = 1.0
    softcap: float | None = None
    factor: float = 1.0
    bias: str | None = None


@dataclass(frozen=True)
class Anatomy:
    """A whole model. `reasons` says, for each thing that this model cannot do, why.

    Of an encoder-decoder it is the decoder; `encoder` is the other stack of blocks, without a head,
    and `encoded` where what the encoder hands to the decoder can be read. `label_head` is of a
    model that gives labels, where a linear map scores them at each position; its `unembedding` is
    that map.
    """

    family: str
    n_layers: int
    n_heads: int
    n_kv_heads: int
    d_model: int
    d_head: int
    d_mlp: int
    vocab_size: int
    blocks: tuple[BlockAnatomy, ...]
    head: HeadAnatomy | None
    reasons: Mapping[str, str] = field(default_factory=dict)
    encoder: Anatomy | None = None
    encoded: Tap | None = None
    label_head: HeadAnatomy | None = None

    def stack(self, encoder: bool) -> Anatomy:
        """One of the two stacks. Raises CapabilityError for the encoder of a model without one."""
        if not encoder:
            return self
        if self.encoder is None:
            raise CapabilityError(
                "it has one stack of blocks, and no encoder beside it", field="layer", value="E"
            )
        return self.encoder

    @property
    def attention_layers(self) -> tuple[int, ...]:
        """The layers whose token mixer is attention."""
        mixers = ((block.layer, block.mixer) for block in self.blocks)
        return tuple(layer for layer, mixer in mixers if mixer is not None and mixer.is_attention)

    @property
    def has_sinks(self) -> bool:
        """Some block's attention has a sink."""
        mixers = (block.mixer for block in self.blocks)
        return any(isinstance(mixer, AttentionAnatomy) and mixer.sink for mixer in mixers)

    @property
    def shares_keys(self) -> bool:
        """Some layer's keys and values are those of an earlier one."""
        return any(block.keys_of is not None for block in self.blocks)

    def layer_of_keys(self, layer: int) -> int:
        """The layer that makes the keys and values of a layer's attention: most often itself."""
        core = self.blocks[layer].keys_of
        if core is None:
            return layer
        mixers = ((block.layer, block.mixer) for block in self.blocks)
        return next(
            earlier
            for earlier, mixer in mixers
            if isinstance(mixer, AttentionAnatomy) and mixer.core == core
        )

    def entry(self, layer: int, last: int | None = None) -> int:
        """Where a pass that ends in layer `last` may start, at `layer` or before it.

        It cannot start behind a layer whose keys and values a later one uses.
        """
        end = self.n_layers if last is None else last + 1
        for each in reversed(range(end)):
            if each >= layer:
                layer = min(layer, self.layer_of_keys(each))
        return layer

    @property
    def parallel(self) -> bool:
        """Some block reads attention and feed-forward from the same residual."""
        return any(block.parallel for block in self.blocks)


Data = TypeVar("Data")


def renamed(value: Data, name_of: Callable[[str], str]) -> Data:
    """Data of an anatomy with every name of a module turned into another one."""
    if isinstance(value, str):
        return name_of(value)  # type: ignore[return-value]  # text for text
    if isinstance(value, tuple):
        return tuple(renamed(each, name_of) for each in value)  # type: ignore[return-value]  # alike
    if is_dataclass(value) and not isinstance(value, type):
        parts = {part.name: renamed(getattr(value, part.name), name_of) for part in fields(value)}
        return replace(value, **parts)
    return value


def with_gates(anatomy: Anatomy, layers: Collection[int]) -> Anatomy:
    """The anatomy with the attention of some layers known to be gated."""
    blocks = tuple(
        replace(block, mixer=replace(block.attention, gated=True))
        if block.layer in layers
        else block
        for block in anatomy.blocks
    )
    return replace(anatomy, blocks=blocks)

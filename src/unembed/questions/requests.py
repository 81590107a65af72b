"""What can be asked: one class of request for each question, the options of an analysis with what
every question starts from.

Layers, heads and positions are 0-based; a negative position counts from the end. Knows no torch
and no model.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt, StrictStr

from unembed.analyses.attention.options import (
    AttentionOptions,
    HeadsOptions,
    ThumbnailsOptions,
)
from unembed.analyses.attribution.options import AttributionOptions
from unembed.analyses.attribution_graph.options import EdgeOptions, GraphOptions
from unembed.analyses.circuits.options import CircuitOptions, CircuitPairsOptions
from unembed.analyses.component.options import ComponentOptions
from unembed.analyses.flow.options import FlowOptions
from unembed.analyses.labels.options import LabelsOptions
from unembed.analyses.lens.options import LensOptions
from unembed.analyses.patching.options import PairsOptions, PatchOptions, PathOptions
from unembed.analyses.predictions.options import PredictionsOptions
from unembed.analyses.tracing.options import TraceOptions
from unembed.engine.passes.options import GenerationOptions
from unembed.errors import EditError, InputError
from unembed.explanations.options import AskingOptions, ExplainOptions, ScoreOptions
from unembed.index import options as index
from unembed.index.corpus import options as corpus
from unembed.node_labels import LONGEST
from unembed.options import (
    Count,
    Name,
    Number,
    Numbers,
    Options,
    Position,
    Positions,
    Positive,
    Prompt,
    TokenId,
    TokenRef,
    option,
)
from unembed.questions.experiment import (
    Edits,
    Experiment,
    JobName,
    Prompted,
    Request,
    refuse,
)
from unembed.questions.pairs import OverPairs

_TargetText = Annotated[StrictStr, Field(max_length=1000)]
_Spelled = Annotated[_TargetText | TokenId, Field(union_mode="left_to_right")]
_Nodes = Annotated[list[Name], Field(min_length=1, fail_fast=True)]
_Scored = Annotated[tuple[Name, Number], Field(strict=False)]
FileName = Annotated[StrictStr, Field(min_length=1, max_length=255)]
_MAX_REFERENCES = 64
_MAX_LENS_K = 20  # a grid of 400,000 cells is sent with all of them


class TokenizeRequest(Prompted, Request):
    """The tokens of a prompt."""


class PredictionsRequest(PredictionsOptions, Experiment):
    """What one position predicts, layer by layer."""


class LabelsRequest(LabelsOptions, Experiment):
    """Which labels a model for classification gives."""


class LensRequest(LensOptions, Experiment):
    """The grid of layers and positions. Answered as safetensors bytes: see LensComparison."""

    # As LensOptions has them, but as JSON can say them and as large as an answer may be.
    positions: Positions | None = option(
        None, LensOptions.model_fields["positions"].description, limit="max_prompt_tokens"
    )
    top_k: Annotated[StrictInt, Field(ge=1, le=_MAX_LENS_K)] = option(
        10, LensOptions.model_fields["top_k"].description, limit="max_k", flag="--top-k/-k"
    )


class AttentionRequest(AttentionOptions, Experiment):
    """What heads look at. Answered as safetensors bytes: see AttentionComparison."""

    layers: Annotated[list[Count], Field(min_length=1, fail_fast=True)] = option(
        sentence="Whose heads, 0-based, each once."
    )
    against: Prompt | None = option(
        None,
        "Another prompt, with the same edits, source or second text: it is the second side, and "
        "the first is the prompt with the edits. Positions, of queries too, are each prompt's own.",
    )

    @property
    def n_runs(self) -> int:
        """2 also where there is another prompt: the prompt and the other one."""
        return 2 if self.against is not None else super().n_runs

    def check(self) -> None:
        """Raises InputError for another prompt that the encoder asked about never reads."""
        if self.against is not None and self.part == "encoder":
            message = "against has no meaning for the encoder, which reads the source alone."
            refuse(InputError, message, "against", legal='part "self" or "cross", or left out')


class HeadsRequest(HeadsOptions, Prompted, Request):
    """What every head does, as scores; of random tokens that come twice where no prompt is."""

    prompt: Prompt | None = None  # type: ignore[assignment]  # which no other question leaves out
    edits: Edits = Field([])
    job: JobName | None = None

    def check(self) -> None:
        """Raises EditError for edits of texts that nobody named, InputError for a lone source or
        second text.
        """
        if self.prompt is None and self.edits:
            message = "edits need a prompt: positions of random texts say nothing."
            refuse(EditError, message, "edits", len(self.edits), "none without a prompt")
        if self.prompt is None and self.source is not None:
            message = "a source needs a prompt beside it, which may be empty."
            refuse(InputError, message, "source", legal="none without a prompt")
        if self.prompt is None and self.pair is not None:
            message = "a pair needs a prompt beside it, which is its first text."
            refuse(InputError, message, "pair", legal="none without a prompt")


class ThumbnailsRequest(ThumbnailsOptions, Experiment):
    """All patterns, each shrunk. Answered as safetensors bytes: see ThumbnailsComparison."""


class FlowRequest(FlowOptions, Experiment):
    """The flow graph of chosen layers at one position."""

    layers: Annotated[list[Count], Field(min_length=1, fail_fast=True)] = option(
        sentence="0-based, each once, in any order; drawn from the first to the last.",
        limit="max_flow_layers",
    )
    position: Position = option(
        -1, "Whose forward pass is drawn; a negative one counts from the end."
    )
    target: Annotated[_TargetText | TokenId, Field(union_mode="left_to_right")] | None = option(
        None,
        "What vectors are rated by: an id, or text, which may be several tokens (see "
        '`target_mode`), or spell an objective: log_prob(" Tokyo"). Absent: the model\'s own most '
        "likely token at the position.",
    )

    def check(self) -> None:
        """Raises InputError for a layer that is named twice."""
        twice = sorted({layer for layer in self.layers if self.layers.count(layer) > 1})
        if twice:
            message = f"layers names {', '.join(map(str, twice))} more than once."
            refuse(InputError, message, "layers", self.layers, "each layer once")


class AttributeRequest(AttributionOptions, Experiment):
    """What every node does to an objective, estimated from one backward pass."""

    target: _Spelled | None = option(None, AttributionOptions.model_fields["target"].description)
    references: Annotated[list[Prompt], Field(max_length=_MAX_REFERENCES, fail_fast=True)] = option(
        [],
        "Prompts that values are compared with, with the same edits: where `against` is prompt "
        "best of as many tokens; of others the tokens in common stand for each other.",
    )


class TraceRequest(TraceOptions, Experiment):
    """What every node upstream of a node does to it, or what it does to all that reads it."""

    node: Name = option(
        sentence='What is traced: a neuron or latent at a position, "L12.N512@4", "L6.F77@4", or a '
        'pair of query and key, "L9.H6@14<3"; downstream all that writes, "embed@3" too.'
    )
    target: _Spelled | None = option(None, TraceOptions.model_fields["target"].description)


class Rated(Options):
    """Edges that were rated elsewhere."""

    scores: list[_Scored] | None = option(
        None,
        "Every edge of the model by its name, with its score, in place of what the estimator says; "
        "on the command line a file of all edges, Unembed's JSON or MIB's.",
    )


class CircuitRequest(CircuitOptions, Rated, Prompted, Request):
    """Which edges between nodes carry an objective, and how much of it they carry alone."""

    corrupted: Prompt | None = option(
        None,
        "The other prompt, of as many tokens, whose writes edges carry that are left out; needed "
        "where ablation is patch, and of any length where it is resample.",
    )
    target: _Spelled | None = option(None, CircuitOptions.model_fields["target"].description)
    job: JobName | None = Field(
        None, description="A name of the client's choice, to follow or cancel the work by."
    )


class GraphRequest(GraphOptions, Prompted, Request):
    """Which latents of transcoders make which others, and the answer."""

    target: _Spelled | None = option(None, GraphOptions.model_fields["target"].description)
    job: JobName | None = Field(
        None, description="A name of the client's choice, to follow or cancel the work by."
    )


class EdgeRequest(EdgeOptions, Prompted, Request):
    """One edge of an attribution graph, measured."""

    sender: Name = option(
        sentence='The node that writes, as the graph names it: "L6.F77@4", "embed@2".'
    )
    receiver: Name = option(sentence='The node that reads: "L9.F5@7", "logit:1234@9".')
    target: _Spelled | None = option(None, EdgeOptions.model_fields["target"].description)
    job: JobName | None = Field(
        None, description="A name of the client's choice, to follow or cancel the work by."
    )


class PatchRequest(PatchOptions, Prompted, Request):
    """What activations of one prompt, `prompt`, do in the run of another that differs from it."""

    corrupted: Prompt = option(
        sentence="The other prompt, of as many tokens, which differs where it matters."
    )
    target: _Spelled | None = option(None, PatchOptions.model_fields["target"].description)
    job: JobName | None = Field(
        None, description="A name of the client's choice, to follow or cancel the work by."
    )


class PatchPathRequest(PathOptions, Prompted, Request):
    """What nodes do to the answer of `prompt` through others alone, one path at a time."""

    senders: _Nodes = option(
        sentence='Nodes that write, each a path of its own: "L9.H6", "L9.H6@14", "L3.mlp".',
        limit="max_patch_cells",
    )
    receivers: _Nodes = option(
        sentence='What they tell, all together: nodes, or a site of one, as in "L12.H3.q".',
        limit="max_patch_cells",
    )
    corrupted: Prompt = option(
        sentence="The other prompt, of as many tokens, whose activations senders have."
    )
    target: _Spelled | None = option(None, PathOptions.model_fields["target"].description)
    job: JobName | None = Field(
        None, description="A name of the client's choice, to follow or cancel the work by."
    )


class PatchPairsRequest(PairsOptions, OverPairs):
    """What activations do over many pairs of prompts, in the mean."""


class CircuitPairsRequest(CircuitPairsOptions, Rated, OverPairs):
    """Which edges carry the answers of many pairs of prompts, in the mean."""


class ComponentRequest(ComponentOptions, Experiment):
    """One node on one prompt."""

    target: Name = option(sentence='A node: "L12.N512", "L9.H6", "L6.F77", "L5.mlp", "embed".')


class GenerateRequest(GenerationOptions, Experiment):
    """A continuation of the prompt."""


# ---------------------------------------------------------------- the vector index


class IndexRequest(index.IndexOptions, Request):
    """What every request to the index has."""

    job: JobName | None = option(
        None, "A name of the client's choice, to follow or cancel the work by."
    )


class IndexBuildRequest(index.BuildOptions, IndexRequest):
    """An index to be built."""


class AmongRequest(IndexRequest):
    """A question to the index of the neurons, or to that of the latents."""

    among: Literal["neurons", "latents"] = option(
        "neurons",
        "What is searched: the value vectors of neurons, or what the latents of the autoencoders "
        "that are attached write. Of latents nothing has to be built.",
    )


class IndexSearchRequest(index.SearchOptions, AmongRequest):
    """By words: vectors whose lists of tokens have them."""

    words: Annotated[list[StrictStr], Field(min_length=1, fail_fast=True)] = option(
        sentence="What to look for.", limit="max_words"
    )


class IndexTokenRequest(index.TokenSearchOptions, AmongRequest):
    """By one token: the vectors that raise, or lower, it most."""

    token: TokenRef = option(sentence="One token: its id, or text that is exactly one token.")


class StateRef(Prompted, Request):
    """A state of a run: the residual stream, or any other site of its width."""

    edits: Edits = Field([])
    site: Annotated[StrictStr, Field(max_length=64)] = Field(description='"L5.resid_post"')
    position: Position = -1


class IndexSimilarRequest(index.SimilarOptions, AmongRequest):
    """Exactly one of `target`, `tokens` and `state` says what vectors are to be similar to."""

    target: index.Node | None = option(
        None, "A neuron, L12.N512: vectors near its own.", flag="--similar"
    )
    tokens: Annotated[list[TokenRef | None], Field(min_length=1, max_length=2)] | None = option(
        None, "The unembedding of a token, minus that of another one if there is one."
    )
    state: StateRef | None = option(None, "A state of a run.")

    def check(self) -> None:
        """Raises InputError unless one thing is named to be similar to."""
        named = [name for name in ("target", "tokens", "state") if getattr(self, name) is not None]
        if len(named) != 1:
            said = " and ".join(named) if named else "none of target, tokens and state"
            legal = "exactly one of target, tokens and state"
            field = named[1] if named else "target"
            refuse(InputError, f"The request has {said}; it must have {legal}.", field, None, legal)
        if self.tokens is not None and self.tokens[0] is None:
            refuse(InputError, "tokens[0] is missing.", "tokens[0]", None, "a token")


class VectorRequest(IndexRequest):
    """One neuron, or one latent."""

    target: index.Node


class IndexBrowseRequest(index.BrowseOptions, AmongRequest):
    """The vectors of a layer, by number."""

    layer: Count = option(sentence="Which layer.")


class IndexClustersRequest(index.ClustersOptions, IndexRequest):
    """A page of clusters, largest first."""

    offset: Count = option(0, "How many to skip.")
    limit: Positive = option(20, "How many to list.", limit="max_hits")


class IndexClusterRequest(index.ClustersOptions, IndexRequest):
    """One cluster, and which of its members are drawn."""

    cluster: Count = option(sentence="Its number.")
    sample_seed: Count = option(0, "Which members are drawn at random.")


# ---------------------------------------------------------------- corpora


class CorpusBuildRequest(corpus.CorpusOptions, corpus.EngineOptions, corpus.TablesOptions, Request):
    """A corpus to be built."""

    name: Name = option(sentence="What it is called: letters, digits, dots and dashes.")


class CorpusUploadRequest(Request):
    """A piece of a file, for a corpus to be built from; pieces follow one another."""

    upload: JobName = option(sentence="A name of the client's choice for files sent together.")
    file: FileName = option(sentence="The file's name: its ending says what it is.")
    offset: Annotated[StrictInt, Field(ge=0, le=2**53)] = option(
        0, "Bytes of the file that come before; 0 begins it anew."
    )
    data: StrictStr = option(sentence="Its next bytes, in base64.")
    job: JobName | None = None


class CorpusEstimateRequest(corpus.CorpusOptions, corpus.TablesOptions, Request):
    """What a corpus of uploaded files would take."""

    upload: JobName = option(sentence="The upload that the files are of.")
    files: Annotated[list[FileName], Field(min_length=1, max_length=10_000)] = option(
        sentence="Which of its files, in the order that they are read."
    )
    job: JobName | None = None


class UploadedCorpusRequest(CorpusEstimateRequest):
    """A corpus to be built of uploaded files."""

    name: Name = option(sentence="What it is called: letters, digits, dots and dashes.")


class CorpusSearchRequest(corpus.CorpusSearchOptions, Prompted, Request):
    """Tokens of a corpus: like one of a prompt, by their labels, or both."""

    corpus: Name = option(sentence="Which corpus, by its name.", flag="--name")
    prompt: Prompt | None = Field(  # type: ignore[assignment]  # as of HeadsRequest
        None, description="Absent: what the filter leaves, in the order of the texts."
    )
    position: Position = option(
        -1, "Which token of the prompt; a negative one counts from the end."
    )
    edits: Edits = Field([])
    job: JobName | None = None

    def check(self) -> None:
        """Raises EditError for edits of a prompt that there is not, InputError for a source."""
        if self.prompt is None and self.edits:
            refuse(EditError, "edits need a prompt.", "edits", len(self.edits), "a prompt")
        if self.source is not None:
            message = "source is for encoder-decoders, of which there are no corpora."
            refuse(InputError, message, "source", legal="left out")


class CorpusSentencesRequest(corpus.CorpusSentencesOptions, Request):
    """Whole sentences of a corpus."""

    corpus: Name = option(sentence="Which corpus, by its name.", flag="--name")
    rows: Annotated[list[Count], Field(min_length=1)] = option(
        sentence="Numbers of the tokens whose sentences are wanted, as hits have them.",
        limit="max_hits",
    )
    job: JobName | None = None


class CorpusExamplesRequest(corpus.ExamplesOptions, Request):
    """Where in a corpus a node, or the residual stream along a direction, is strongest."""

    corpus: Name = option(sentence="Which corpus, by its name.", flag="--name")
    target: Name = option(
        sentence='A node: "L12.N512", "L9.H6", "L5.mlp"; with `direction` or `along` a place of '
        'the residual stream: "L6.resid_post".',
        flag="--node",
    )
    direction: Numbers | None = option(
        None,
        "A vector of the residual stream, of any length but zero: what counts is how far the "
        "stream goes along it.",
    )
    along: Name | None = option(
        None, "A neuron or latent: the direction is the vector that it writes."
    )
    job: JobName | None = None

    def check(self) -> None:
        """Raises InputError where a direction is given twice."""
        if self.direction is not None and self.along is not None:
            legal = "direction or along, not both"
            refuse(InputError, f"The request has {legal}.", "along", self.along, legal)


class ExplainRequest(ExplainOptions, AskingOptions, Request):
    """What nodes do, in words, from a corpus."""

    corpus: Name = option(sentence="Which corpus, by its name.", flag="--name")
    nodes: Annotated[list[Name], Field(min_length=1, fail_fast=True)] = option(
        sentence='Nodes: "L12.N512", "L9.H6", "L5.mlp".', limit="max_explained_nodes"
    )
    keep: bool = option(False, "Keep what is found in the workspace, beside labels by hand.")
    job: JobName | None = None

    def check(self) -> None:
        """A judge has something to read."""
        if self.judge != "none" and self.explainer == "none":
            message = "judge reads what an explainer wrote, and explainer is none."
            refuse(InputError, message, "judge", self.judge, '"none", or an explainer')


class ScoreRequest(ScoreOptions, Request):
    """How well an explanation in words tells what a node does, to a language model that judges."""

    corpus: Name = option(sentence="Which corpus, by its name.", flag="--name")
    node: Name = option(sentence='A node: "L12.N512", "L9.H6", "L5.mlp".')
    explanation: Annotated[StrictStr, Field(min_length=1, max_length=LONGEST)] = option(
        sentence="What it is said to do."
    )
    judge: Literal["own", "server"] = option(
        "own", "Who judges: this model itself, or the server that the settings name."
    )
    consent: bool = option(
        False, "Texts of the corpus may go to that server where it is on another machine."
    )
    job: JobName | None = None


class CorpusRelationsRequest(corpus.HeadRelationsOptions, Request):
    """What the heads of a model look at in a corpus."""

    corpus: Name = option(sentence="Which corpus, by its name.", flag="--name")
    job: JobName | None = None

"""See what a transformer language model computes, and change it while it computes.

    import unembed as ue

    model = ue.load("gemma3-270m")
    run = model.run("The capital of Japan is the city of", capture=["resid_post"])
    run.top(k=5)

Names are looked up when first used, so that importing the package does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from unembed import errors
from unembed.settings import Settings

if TYPE_CHECKING:
    from unembed.analyses.attention.attention import attention, attention_capture
    from unembed.analyses.attention.compare import compare_attention
    from unembed.analyses.attention.heads import find_heads, head_scores, heads_capture
    from unembed.analyses.attention.options import (
        AttentionOptions,
        HeadsOptions,
        ThumbnailsOptions,
    )
    from unembed.analyses.attention.result import (
        AttentionComparison,
        AttentionResult,
        HeadScores,
        Thumbnails,
    )
    from unembed.analyses.attention.thumbnails import head_thumbnails
    from unembed.analyses.attribution.attribute import attribute
    from unembed.analyses.attribution.options import AttributionOptions
    from unembed.analyses.attribution.result import Attribution
    from unembed.analyses.attribution_graph.build import attribution_graph
    from unembed.analyses.attribution_graph.estimate import GraphEstimate, estimate_graph
    from unembed.analyses.attribution_graph.measured import measure_edge
    from unembed.analyses.attribution_graph.options import EdgeOptions, GraphOptions
    from unembed.analyses.attribution_graph.result import AttributionGraph, MeasuredEdge
    from unembed.analyses.attribution_graph.viewer import load_graph
    from unembed.analyses.circuits.files import CircuitFile, load_circuit
    from unembed.analyses.circuits.find import circuit_pairs, find_circuit
    from unembed.analyses.circuits.options import CircuitOptions, CircuitPairsOptions
    from unembed.analyses.circuits.result import Circuit
    from unembed.analyses.component.component import component, component_capture
    from unembed.analyses.component.options import ComponentOptions
    from unembed.analyses.component.result import Component
    from unembed.analyses.flow.cut_report import CutReport
    from unembed.analyses.flow.cuts import cut, cut_capture, measure_cuts
    from unembed.analyses.flow.graph import flow_capture, flow_graph
    from unembed.analyses.flow.options import FlowOptions
    from unembed.analyses.flow.result import FlowGraph
    from unembed.analyses.labels.labels import label_scores
    from unembed.analyses.labels.options import LabelsOptions
    from unembed.analyses.labels.result import LabelScores
    from unembed.analyses.lens.grid import logit_lens
    from unembed.analyses.lens.options import LensOptions
    from unembed.analyses.lens.result import LensResult
    from unembed.analyses.patching.grid import patch_grid
    from unembed.analyses.patching.options import PairsOptions, PatchOptions, PathOptions
    from unembed.analyses.patching.pairs import PromptPair, pair_template, read_pairs
    from unembed.analyses.patching.paths import PathPatches, path_patch
    from unembed.analyses.patching.result import PatchGrid, PatchStudy
    from unembed.analyses.patching.study import patch_pairs
    from unembed.analyses.predictions.options import PredictionsOptions
    from unembed.analyses.predictions.predictions import predictions, predictions_capture
    from unembed.analyses.predictions.result import Predictions
    from unembed.analyses.sub_updates.result import SubUpdates
    from unembed.analyses.sub_updates.sub_updates import sub_updates, sub_updates_capture
    from unembed.analyses.sub_updates.switches import presets_capture, turn_off, turn_on
    from unembed.analyses.tools.objective import Objective
    from unembed.analyses.tools.projections import token_direction
    from unembed.analyses.tracing.options import TraceOptions
    from unembed.analyses.tracing.result import Trace
    from unembed.analyses.tracing.trace import trace
    from unembed.compat.lm_debugger import lm_debugger_off, lm_debugger_on
    from unembed.engine.cancel import Cancel
    from unembed.engine.editing.edits import (
        Edit,
        add,
        mask,
        patch,
        required_capture,
        scale,
        set_to,
        zero,
    )
    from unembed.engine.editing.knocking import knock_out, pairs_between
    from unembed.engine.load import load
    from unembed.engine.model import Model
    from unembed.engine.names.tokens import Token
    from unembed.engine.names.vocabulary import SentencePair, Sourced
    from unembed.engine.partial.partial_forward import partial_forward
    from unembed.engine.passes.generation import Generation
    from unembed.engine.passes.options import GenerationOptions
    from unembed.engine.passes.run import Run
    from unembed.engine.sweep import Sweep, sweep
    from unembed.explanations.explain import explain
    from unembed.explanations.explaining.models import LocalExplainer, RemoteExplainer
    from unembed.explanations.judging.models import LocalJudge, RemoteJudge
    from unembed.explanations.judging.score import score_explanation
    from unembed.explanations.labels import Labels
    from unembed.explanations.options import ExplainOptions, ScoreOptions
    from unembed.explanations.result import Explanations
    from unembed.explanations.scores import ExplanationScores
    from unembed.index.build import build_index
    from unembed.index.corpus.build import estimate_corpus, index_corpus
    from unembed.index.corpus.corpus import Corpus
    from unembed.index.corpus.examples import find_examples
    from unembed.index.corpus.examples_result import CorpusExamples
    from unembed.index.corpus.opening import corpora, open_corpus
    from unembed.index.corpus.options import (
        CorpusOptions,
        CorpusSearchOptions,
        CorpusSentencesOptions,
        ExamplesOptions,
        HeadRelationsOptions,
    )
    from unembed.index.corpus.pages import NodePages, node_pages
    from unembed.index.corpus.relations import head_relations
    from unembed.index.corpus.relations_result import HeadRelations
    from unembed.index.latent_index import latent_index
    from unembed.index.opening import open_index
    from unembed.index.options import (
        BrowseOptions,
        BuildOptions,
        ClustersOptions,
        SearchOptions,
        SimilarOptions,
        TokenSearchOptions,
    )
    from unembed.index.vector_index import VectorIndex
    from unembed.latents.check import SaeCheck, check_sae
    from unembed.latents.cross_layer import CrossLayerTranscoder
    from unembed.latents.crosscoder import Crosscoder
    from unembed.latents.load import load_sae
    from unembed.latents.sae import Sae
    from unembed.models.anatomy import Anatomy
    from unembed.node_labels import Label
    from unembed.training.estimate import TrainingEstimate, estimate_training
    from unembed.training.options import TrainOptions
    from unembed.training.result import SaeTraining
    from unembed.training.train import train_sae
    from unembed.workspace import Workspace

__version__ = "0.1.0"

_HOME = {
    # loading
    "load": "unembed.engine.load",
    "Model": "unembed.engine.model",
    "Anatomy": "unembed.models.anatomy",
    # running
    "Run": "unembed.engine.passes.run",
    "Generation": "unembed.engine.passes.generation",
    "GenerationOptions": "unembed.engine.passes.options",
    "partial_forward": "unembed.engine.partial.partial_forward",
    "Sweep": "unembed.engine.sweep",
    "sweep": "unembed.engine.sweep",
    "Token": "unembed.engine.names.tokens",
    "Cancel": "unembed.engine.cancel",
    # editing
    "Edit": "unembed.engine.editing.edits",
    "zero": "unembed.engine.editing.edits",
    "scale": "unembed.engine.editing.edits",
    "set_to": "unembed.engine.editing.edits",
    "add": "unembed.engine.editing.edits",
    "patch": "unembed.engine.editing.edits",
    "mask": "unembed.engine.editing.edits",
    "knock_out": "unembed.engine.editing.knocking",
    "pairs_between": "unembed.engine.editing.knocking",
    "required_capture": "unembed.engine.editing.edits",
    # switching neurons
    "turn_on": "unembed.analyses.sub_updates.switches",
    "turn_off": "unembed.analyses.sub_updates.switches",
    "lm_debugger_on": "unembed.compat.lm_debugger",
    "lm_debugger_off": "unembed.compat.lm_debugger",
    "presets_capture": "unembed.analyses.sub_updates.switches",
    # analyses
    "LabelScores": "unembed.analyses.labels.result",
    "LabelsOptions": "unembed.analyses.labels.options",
    "label_scores": "unembed.analyses.labels.labels",
    "LensOptions": "unembed.analyses.lens.options",
    "LensResult": "unembed.analyses.lens.result",
    "logit_lens": "unembed.analyses.lens.grid",
    "Predictions": "unembed.analyses.predictions.result",
    "PredictionsOptions": "unembed.analyses.predictions.options",
    "predictions": "unembed.analyses.predictions.predictions",
    "predictions_capture": "unembed.analyses.predictions.predictions",
    "Component": "unembed.analyses.component.result",
    "ComponentOptions": "unembed.analyses.component.options",
    "component": "unembed.analyses.component.component",
    "component_capture": "unembed.analyses.component.component",
    "SentencePair": "unembed.engine.names.vocabulary",
    "Sourced": "unembed.engine.names.vocabulary",
    "SubUpdates": "unembed.analyses.sub_updates.result",
    "sub_updates": "unembed.analyses.sub_updates.sub_updates",
    "sub_updates_capture": "unembed.analyses.sub_updates.sub_updates",
    # attention
    "AttentionComparison": "unembed.analyses.attention.result",
    "AttentionOptions": "unembed.analyses.attention.options",
    "AttentionResult": "unembed.analyses.attention.result",
    "HeadsOptions": "unembed.analyses.attention.options",
    "HeadScores": "unembed.analyses.attention.result",
    "Thumbnails": "unembed.analyses.attention.result",
    "ThumbnailsOptions": "unembed.analyses.attention.options",
    "attention": "unembed.analyses.attention.attention",
    "attention_capture": "unembed.analyses.attention.attention",
    "compare_attention": "unembed.analyses.attention.compare",
    "find_heads": "unembed.analyses.attention.heads",
    "head_scores": "unembed.analyses.attention.heads",
    "head_thumbnails": "unembed.analyses.attention.thumbnails",
    "heads_capture": "unembed.analyses.attention.heads",
    # attribution and patching
    "Attribution": "unembed.analyses.attribution.result",
    "AttributionOptions": "unembed.analyses.attribution.options",
    "PatchGrid": "unembed.analyses.patching.result",
    "PairsOptions": "unembed.analyses.patching.options",
    "PatchOptions": "unembed.analyses.patching.options",
    "PathOptions": "unembed.analyses.patching.options",
    "PatchStudy": "unembed.analyses.patching.result",
    "PathPatches": "unembed.analyses.patching.paths",
    "PromptPair": "unembed.analyses.patching.pairs",
    "pair_template": "unembed.analyses.patching.pairs",
    "patch_pairs": "unembed.analyses.patching.study",
    "path_patch": "unembed.analyses.patching.paths",
    "read_pairs": "unembed.analyses.patching.pairs",
    "attribute": "unembed.analyses.attribution.attribute",
    "patch_grid": "unembed.analyses.patching.grid",
    # attribution graphs
    "AttributionGraph": "unembed.analyses.attribution_graph.result",
    "EdgeOptions": "unembed.analyses.attribution_graph.options",
    "GraphEstimate": "unembed.analyses.attribution_graph.estimate",
    "GraphOptions": "unembed.analyses.attribution_graph.options",
    "MeasuredEdge": "unembed.analyses.attribution_graph.result",
    "attribution_graph": "unembed.analyses.attribution_graph.build",
    "estimate_graph": "unembed.analyses.attribution_graph.estimate",
    "load_graph": "unembed.analyses.attribution_graph.viewer",
    "measure_edge": "unembed.analyses.attribution_graph.measured",
    # tracing and circuits
    "Circuit": "unembed.analyses.circuits.result",
    "CircuitOptions": "unembed.analyses.circuits.options",
    "CircuitPairsOptions": "unembed.analyses.circuits.options",
    "circuit_pairs": "unembed.analyses.circuits.find",
    "find_circuit": "unembed.analyses.circuits.find",
    "CircuitFile": "unembed.analyses.circuits.files",
    "load_circuit": "unembed.analyses.circuits.files",
    "Trace": "unembed.analyses.tracing.result",
    "TraceOptions": "unembed.analyses.tracing.options",
    "trace": "unembed.analyses.tracing.trace",
    # what is explained
    "Objective": "unembed.analyses.tools.objective",
    # the flow graph
    "FlowGraph": "unembed.analyses.flow.result",
    "FlowOptions": "unembed.analyses.flow.options",
    "flow_capture": "unembed.analyses.flow.graph",
    "flow_graph": "unembed.analyses.flow.graph",
    "CutReport": "unembed.analyses.flow.cut_report",
    "cut": "unembed.analyses.flow.cuts",
    "cut_capture": "unembed.analyses.flow.cuts",
    "measure_cuts": "unembed.analyses.flow.cuts",
    # the index of value vectors, and what the user keeps
    "VectorIndex": "unembed.index.vector_index",
    "build_index": "unembed.index.build",
    "latent_index": "unembed.index.latent_index",
    "open_index": "unembed.index.opening",
    "token_direction": "unembed.analyses.tools.projections",
    "Workspace": "unembed.workspace",
    # corpora
    "Corpus": "unembed.index.corpus.corpus",
    "CorpusExamples": "unembed.index.corpus.examples_result",
    "ExamplesOptions": "unembed.index.corpus.options",
    "HeadRelationsOptions": "unembed.index.corpus.options",
    "HeadRelations": "unembed.index.corpus.relations_result",
    "find_examples": "unembed.index.corpus.examples",
    "NodePages": "unembed.index.corpus.pages",
    "node_pages": "unembed.index.corpus.pages",
    "head_relations": "unembed.index.corpus.relations",
    "CorpusOptions": "unembed.index.corpus.options",
    "CorpusSearchOptions": "unembed.index.corpus.options",
    "CorpusSentencesOptions": "unembed.index.corpus.options",
    "corpora": "unembed.index.corpus.opening",
    "estimate_corpus": "unembed.index.corpus.build",
    "estimate_training": "unembed.training.estimate",
    "index_corpus": "unembed.index.corpus.build",
    "open_corpus": "unembed.index.corpus.opening",
    # components in words
    "ExplainOptions": "unembed.explanations.options",
    "Explanations": "unembed.explanations.result",
    "explain": "unembed.explanations.explain",
    "ExplanationScores": "unembed.explanations.scores",
    "Label": "unembed.node_labels",
    "Labels": "unembed.explanations.labels",
    "LocalExplainer": "unembed.explanations.explaining.models",
    "LocalJudge": "unembed.explanations.judging.models",
    "RemoteExplainer": "unembed.explanations.explaining.models",
    "RemoteJudge": "unembed.explanations.judging.models",
    "ScoreOptions": "unembed.explanations.options",
    "score_explanation": "unembed.explanations.judging.score",
    # what can be asked of the index
    "BrowseOptions": "unembed.index.options",
    "BuildOptions": "unembed.index.options",
    "ClustersOptions": "unembed.index.options",
    "SearchOptions": "unembed.index.options",
    "SimilarOptions": "unembed.index.options",
    "TokenSearchOptions": "unembed.index.options",
    "CrossLayerTranscoder": "unembed.latents.cross_layer",
    "Crosscoder": "unembed.latents.crosscoder",
    "Sae": "unembed.latents.sae",
    "SaeCheck": "unembed.latents.check",
    "check_sae": "unembed.latents.check",
    "load_sae": "unembed.latents.load",
    "SaeTraining": "unembed.training.result",
    "TrainOptions": "unembed.training.options",
    "TrainingEstimate": "unembed.training.estimate",
    "train_sae": "unembed.training.train",
}

__all__ = [
    "Anatomy",
    "AttentionComparison",
    "AttentionOptions",
    "AttentionResult",
    "Attribution",
    "AttributionGraph",
    "AttributionOptions",
    "BrowseOptions",
    "BuildOptions",
    "Cancel",
    "Circuit",
    "CircuitFile",
    "CircuitOptions",
    "CircuitPairsOptions",
    "ClustersOptions",
    "Component",
    "ComponentOptions",
    "Corpus",
    "CorpusExamples",
    "CorpusOptions",
    "CorpusSearchOptions",
    "CorpusSentencesOptions",
    "CrossLayerTranscoder",
    "Crosscoder",
    "CutReport",
    "EdgeOptions",
    "Edit",
    "ExamplesOptions",
    "ExplainOptions",
    "ExplanationScores",
    "Explanations",
    "FlowGraph",
    "FlowOptions",
    "Generation",
    "GenerationOptions",
    "GraphEstimate",
    "GraphOptions",
    "HeadRelations",
    "HeadRelationsOptions",
    "HeadScores",
    "HeadsOptions",
    "Label",
    "LabelScores",
    "Labels",
    "LabelsOptions",
    "LensOptions",
    "LensResult",
    "LocalExplainer",
    "LocalJudge",
    "MeasuredEdge",
    "Model",
    "NodePages",
    "Objective",
    "PairsOptions",
    "PatchGrid",
    "PatchOptions",
    "PatchStudy",
    "PathOptions",
    "PathPatches",
    "Predictions",
    "PredictionsOptions",
    "PromptPair",
    "RemoteExplainer",
    "RemoteJudge",
    "Run",
    "Sae",
    "SaeCheck",
    "SaeTraining",
    "ScoreOptions",
    "SearchOptions",
    "SentencePair",
    "Settings",
    "SimilarOptions",
    "Sourced",
    "SubUpdates",
    "Sweep",
    "Thumbnails",
    "ThumbnailsOptions",
    "Token",
    "TokenSearchOptions",
    "Trace",
    "TraceOptions",
    "TrainOptions",
    "TrainingEstimate",
    "VectorIndex",
    "Workspace",
    "add",
    "attention",
    "attention_capture",
    "attribute",
    "attribution_graph",
    "build_index",
    "check_sae",
    "circuit_pairs",
    "compare_attention",
    "component",
    "component_capture",
    "corpora",
    "cut",
    "cut_capture",
    "errors",
    "estimate_corpus",
    "estimate_graph",
    "estimate_training",
    "explain",
    "find_circuit",
    "find_examples",
    "find_heads",
    "flow_capture",
    "flow_graph",
    "head_relations",
    "head_scores",
    "head_thumbnails",
    "heads_capture",
    "index_corpus",
    "knock_out",
    "label_scores",
    "latent_index",
    "lm_debugger_off",
    "lm_debugger_on",
    "load",
    "load_circuit",
    "load_graph",
    "load_sae",
    "logit_lens",
    "mask",
    "measure_cuts",
    "measure_edge",
    "node_pages",
    "open_corpus",
    "open_index",
    "pair_template",
    "pairs_between",
    "partial_forward",
    "patch",
    "patch_grid",
    "patch_pairs",
    "path_patch",
    "predictions",
    "predictions_capture",
    "presets_capture",
    "read_pairs",
    "required_capture",
    "scale",
    "score_explanation",
    "set_to",
    "sub_updates",
    "sub_updates_capture",
    "sweep",
    "token_direction",
    "trace",
    "train_sae",
    "turn_off",
    "turn_on",
    "zero",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'unembed' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])

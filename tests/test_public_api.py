"""The table of contents of the package, pinned."""

from __future__ import annotations

import subprocess
import sys

import unembed


def test_nothing_else_is_public():
    assert unembed.__all__ == [
        "Anatomy", "AttentionComparison", "AttentionOptions", "AttentionResult", "Attribution",
        "AttributionGraph", "AttributionOptions", "BrowseOptions", "BuildOptions", "Cancel",
        "Circuit", "CircuitFile", "CircuitOptions", "CircuitPairsOptions", "ClustersOptions",
        "Component", "ComponentOptions", "Corpus", "CorpusExamples", "CorpusOptions",
        "CorpusSearchOptions", "CorpusSentencesOptions", "CrossLayerTranscoder", "Crosscoder",
        "CutReport",
        "EdgeOptions", "Edit",
        "ExamplesOptions", "ExplainOptions", "ExplanationScores", "Explanations", "FlowGraph",
        "FlowOptions", "Generation", "GenerationOptions", "GraphEstimate", "GraphOptions",
        "HeadRelations",
        "HeadRelationsOptions", "HeadScores", "HeadsOptions", "Label", "LabelScores", "Labels",
        "LabelsOptions", "LensOptions", "LensResult", "LocalExplainer", "LocalJudge",
        "MeasuredEdge", "Model", "NodePages", "Objective", "PairsOptions", "PatchGrid",
        "PatchOptions", "PatchStudy", "PathOptions", "PathPatches", "Predictions",
        "PredictionsOptions", "PromptPair", "RemoteExplainer", "RemoteJudge", "Run", "Sae",
        "SaeCheck", "SaeTraining", "ScoreOptions", "SearchOptions", "SentencePair", "Settings",
        "SimilarOptions", "Sourced", "SubUpdates", "Sweep", "Thumbnails", "ThumbnailsOptions",
        "Token", "TokenSearchOptions", "Trace", "TraceOptions", "TrainOptions",
        "TrainingEstimate", "VectorIndex",
        "Workspace", "add", "attention", "attention_capture", "attribute", "attribution_graph",
        "build_index", "check_sae", "circuit_pairs", "compare_attention", "component",
        "component_capture", "corpora", "cut", "cut_capture", "errors", "estimate_corpus",
        "estimate_graph", "estimate_training",
        "explain", "find_circuit", "find_examples", "find_heads", "flow_capture", "flow_graph",
        "head_relations", "head_scores", "head_thumbnails", "heads_capture", "index_corpus",
        "knock_out", "label_scores", "latent_index", "lm_debugger_off", "lm_debugger_on", "load",
        "load_circuit", "load_graph", "load_sae", "logit_lens", "mask", "measure_cuts",
        "measure_edge", "node_pages", "open_corpus", "open_index", "pair_template", "pairs_between",
        "partial_forward", "patch", "patch_grid", "patch_pairs", "path_patch", "predictions",
        "predictions_capture", "presets_capture", "read_pairs", "required_capture", "scale",
        "score_explanation", "set_to", "sub_updates", "sub_updates_capture", "sweep",
        "token_direction", "trace", "train_sae", "turn_off", "turn_on", "zero",
    ]  # fmt: skip


def test_importing_the_package_does_not_import_torch():
    code = "import sys, unembed; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)

"""Every question that can be asked, in one literal table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from unembed.questions import (
    attention,
    attribution,
    circuits,
    component,
    corpus,
    corpus_building,
    explanations,
    flow,
    generation,
    graphs,
    labels,
    lens,
    predictions,
    requests,
    sae_requests,
    training,
    vectors,
)
from unembed.questions.experiment import Request


@dataclass(frozen=True)
class Question:
    """One question: what is asked, and the function that answers."""

    name: str
    request: type[Request]
    answer: Callable[..., Any]  # (session, job, request) -> a public result


QUESTIONS: tuple[Question, ...] = (
    Question("predictions", requests.PredictionsRequest, predictions.answer),
    Question("labels", requests.LabelsRequest, labels.answer),
    Question("lens", requests.LensRequest, lens.answer),
    Question("attention", requests.AttentionRequest, attention.answer),
    Question("heads", requests.HeadsRequest, attention.heads),
    Question("thumbnails", requests.ThumbnailsRequest, attention.thumbnails),
    Question("attribute", requests.AttributeRequest, attribution.answer),
    Question("trace", requests.TraceRequest, circuits.trace),
    Question("circuit", requests.CircuitRequest, circuits.circuit),
    Question("circuit_pairs", requests.CircuitPairsRequest, circuits.circuit_over),
    Question("graph", requests.GraphRequest, graphs.graph),
    Question("edge", requests.EdgeRequest, graphs.edge),
    Question("patch", requests.PatchRequest, attribution.patch),
    Question("patch_path", requests.PatchPathRequest, attribution.patch_path),
    Question("patch_pairs", requests.PatchPairsRequest, attribution.patch_over),
    Question("flow", requests.FlowRequest, flow.answer),
    Question("component", requests.ComponentRequest, component.answer),
    Question("generate", requests.GenerateRequest, generation.answer),
    Question("build", requests.IndexBuildRequest, vectors.build),
    Question("search", requests.IndexSearchRequest, vectors.search),
    Question("token", requests.IndexTokenRequest, vectors.token),
    Question("similar", requests.IndexSimilarRequest, vectors.similar),
    Question("vector", requests.VectorRequest, vectors.vector),
    Question("browse", requests.IndexBrowseRequest, vectors.browse),
    Question("clusters", requests.IndexClustersRequest, vectors.clusters),
    Question("cluster", requests.IndexClusterRequest, vectors.cluster),
    Question("corpus_build", requests.UploadedCorpusRequest, corpus_building.build),
    Question("corpus", requests.CorpusSearchRequest, corpus.search),
    Question("sentences", requests.CorpusSentencesRequest, corpus.sentences),
    Question("examples", requests.CorpusExamplesRequest, corpus.examples),
    Question("relations", requests.CorpusRelationsRequest, corpus.relations),
    Question("sae_train", sae_requests.TrainSaeRequest, training.train),
    Question("explain", requests.ExplainRequest, explanations.answer),
    Question("score", requests.ScoreRequest, explanations.score),
)

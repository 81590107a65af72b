"""An option is one line in one file: a made-up one is everywhere, and nothing else was touched.

The app's part is web/src/app/options.test.ts.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from unembed.questions.table import QUESTIONS

ROOT = Path(__file__).parents[2]
LINE = '    sharpness: Positive = option(3, "How sharp the reading is.", limit="max_k")\n'
# question -> the file and class of its options, and the command that puts it
PLACES = {
    "predictions": ("analyses/predictions/options.py", "PredictionsOptions", "run"),
    "labels": ("analyses/labels/options.py", "LabelsOptions", "labels"),
    "lens": ("analyses/lens/options.py", "LensOptions", "lens"),
    "attention": ("analyses/attention/options.py", "AttentionOptions", "attention"),
    "heads": ("analyses/attention/options.py", "HeadsOptions", "heads"),
    "thumbnails": ("analyses/attention/options.py", "ThumbnailsOptions", None),
    "attribute": ("analyses/attribution/options.py", "AttributionOptions", "attribute"),
    "trace": ("analyses/tracing/options.py", "TraceOptions", "trace"),
    "circuit": ("analyses/circuits/options.py", "CircuitOptions", "circuit"),
    "circuit_pairs": (
        "analyses/circuits/options.py",
        "CircuitPairsOptions",
        "circuit-pairs",
    ),
    "graph": ("analyses/attribution_graph/options.py", "GraphOptions", "graph"),
    "edge": ("analyses/attribution_graph/options.py", "EdgeOptions", "edge"),
    "patch": ("analyses/patching/options.py", "PatchOptions", "patch"),
    "patch_path": ("analyses/patching/options.py", "PathOptions", "patch-path"),
    "patch_pairs": ("analyses/patching/options.py", "PairsOptions", "patch-pairs"),
    "flow": ("analyses/flow/options.py", "FlowOptions", "flow"),
    "component": ("analyses/component/options.py", "ComponentOptions", "component"),
    "generate": ("engine/passes/options.py", "GenerationOptions", "generate"),
    "build": ("index/options.py", "BuildOptions", "index vectors"),
    "search": ("index/options.py", "SearchOptions", "search"),
    "token": ("index/options.py", "TokenSearchOptions", "search"),
    "similar": ("index/options.py", "SimilarOptions", "search"),
    "browse": ("index/options.py", "BrowseOptions", None),
    "clusters": ("index/options.py", "ClustersOptions", None),
    "cluster": ("index/options.py", "ClustersOptions", None),
    "corpus_build": ("index/corpus/options.py", "CorpusOptions", "index corpus"),
    "corpus": ("index/corpus/options.py", "CorpusSearchOptions", "corpus search"),
    "sentences": ("index/corpus/options.py", "CorpusSentencesOptions", "corpus sentences"),
    "examples": ("index/corpus/options.py", "ExamplesOptions", "corpus examples"),
    "relations": ("index/corpus/options.py", "HeadRelationsOptions", "corpus heads"),
    "sae_train": ("training/options.py", "TrainOptions", "sae train"),
    "explain": ("explanations/options.py", "ExplainOptions", "explain"),
    "score": ("explanations/options.py", "ScoreOptions", "score"),
}
WITHOUT_OPTIONS = {"vector"}  # of its own: it asks which index, as all of them do
ASKED = """
import json, sys, tempfile
import torch
from pathlib import Path
from transformers import AutoModelForSequenceClassification
import unembed as ue
from unembed.errors import InputError
from unembed.latents.autoencoder import Weights
from unembed.latents.description import Description
from unembed.latents.load import places
from unembed.models.tiny import tiny_model, tiny_tokenizer
from unembed.questions import documents, limits
from unembed.questions.table import QUESTIONS
from unembed.server import schema
from unembed.settings import Settings

model = ue.load(tiny_model("gpt2"), tiny_tokenizer())
classifier = AutoModelForSequenceClassification.from_config(tiny_model("bert").config)
labelled = ue.load(classifier.eval())
folder = tempfile.mkdtemp()
ue.build_index(model, folder=folder)
index = ue.open_index(model, folder=folder)
(Path(folder) / "a.txt").write_text("the cat.  " * 4)
corpus = ue.index_corpus(model, Path(folder) / "a.txt", "a", folder=folder)
node, flow, seen = (
    model.run("a b", capture)
    for capture in (ue.component_capture(model, "L1.H2"), ue.flow_capture(model, [1]), ["pattern"])
)
transcoded = ue.load(tiny_model("gpt2"), tiny_tokenizer())
reads, writes = places("L1.mlp_in>L1.mlp_out")
d = model.anatomy.d_model
says = Description("made up", "transcoder", "relu", d, d, 6, reads=reads, writes=writes)
rows = torch.ones(6, d)
transcoded.attach(
    ue.Sae(says, Weights(rows.T, rows, torch.zeros(6), torch.zeros(d))), verify=False
)
pair = ue.PromptPair(clean="a b", corrupted="c b", answer=72, wrong=5)
CALLS = {
    "predictions": lambda **given: ue.predictions(model, "a b", **given),
    "labels": lambda **given: ue.label_scores(labelled, [5, 6], **given),
    "lens": lambda **given: ue.logit_lens(model, "a b", **given),
    "attention": lambda **given: ue.attention(seen, [1], **given),
    "heads": lambda **given: ue.head_scores(seen, **given),
    "thumbnails": lambda **given: ue.head_thumbnails(model, "a b", **given),
    "attribute": lambda **given: ue.attribute(model, "a b", 72, **given),
    "trace": lambda **given: ue.trace(model, "a b", "L1.N2@0", **given),
    "circuit": lambda **given: ue.find_circuit(model, [5, 6], [7, 6], 72, **given),
    "circuit_pairs": lambda **given: ue.circuit_pairs(model, [pair], **given),
    "graph": lambda **given: ue.attribution_graph(transcoded, "a b", **given),
    "edge": lambda **given: ue.measure_edge(transcoded, "a b", "embed@0", "logit:72@1", **given),
    "patch": lambda **given: ue.patch_grid(model, [5, 6], [7, 6], 72, **given),
    "patch_path": lambda **given: ue.path_patch(
        model, [5, 6], [7, 6], ["L0.H1"], ["L1.H2"], 72, **given
    ),
    "patch_pairs": lambda **given: ue.patch_pairs(model, [pair], **given),
    "flow": lambda **given: ue.flow_graph(flow, [1], **given),
    "component": lambda **given: ue.component(node, "L1.H2", **given),
    "generate": lambda **given: model.generate("a b", 2, **given),
    "build": lambda **given: ue.build_index(model, folder=folder, **given),
    "search": lambda **given: index.search("he", **given),
    "token": lambda **given: index.token(72, **given),
    "similar": lambda **given: index.similar("L1.N2", **given),
    "browse": lambda **given: index.browse(1, **given),
    "clusters": lambda **given: index.clusters(3, **given),
    "cluster": lambda **given: index.clusters(3, **given).cluster(1),
    "corpus_build": lambda **given: ue.index_corpus(
        model, Path(folder) / "a.txt", "a", folder=folder, **given
    ),
    "corpus": lambda **given: corpus.search("the", **given),
    "sentences": lambda **given: corpus.sentences([0], **given),
    "examples": lambda **given: ue.find_examples(corpus, "L1.N2", **given),
    "relations": lambda **given: ue.head_relations(corpus, **given),
    "sae_train": lambda **given: ue.train_sae(
        model, corpus, "L1.mlp_out", 4, 2, folder=tempfile.mkdtemp(), tokens=8, batch=8, buffer=8,
        **given
    ),
    "explain": lambda **given: ue.explain(corpus, "L1.N2", **given),
    "score": lambda **given: ue.score_explanation(corpus, "L1.N2", "x", Idle(), **given),
}
FIELDS = {
    "attention": {"layers": [1]}, "patch": {"corrupted": "b"},
    "patch_path": {"corrupted": "b", "senders": ["L0.H1"], "receivers": ["L1.H2"]},
    "edge": {"sender": "embed@0", "receiver": "logit:72@1"},
    "patch_pairs": {"template": "ioi"}, "circuit_pairs": {"template": "ioi"},
    "flow": {"layers": [1]},
    "component": {"target": "L1.H2"}, "trace": {"node": "L1.N2@0"}, "search": {"words": ["he"]},
    "token": {"token": 72}, "similar": {"target": "L1.N2"}, "browse": {"layer": 1},
    "cluster": {"cluster": 0}, "corpus": {"corpus": "a"},
    "corpus_build": {"upload": "uploaded", "files": ["a.txt"], "name": "a"},
    "sentences": {"corpus": "a", "rows": [0]}, "relations": {"corpus": "a"},
    "examples": {"corpus": "a", "target": "L1.N2"},
    "sae_train": {"site": "L1.mlp_out", "corpus": "a", "name": "a"},
    "explain": {"corpus": "a", "nodes": ["L1.N2"]},
    "score": {"corpus": "a", "node": "L1.N2", "explanation": "x"},
}

class Idle:  # a judge that answers nothing
    simulate = detect = fuzz = lambda self, _, passages: [None] * len(passages)

def refused(make):
    try:
        make()
    except InputError as error:
        return [error.field, error.message]

schemas = schema.document()["components"]["schemas"]
docs = documents.markdown().split("\\n## ")
app = json.loads(documents.typescript().partition("QUESTIONS = ")[2].partition(" as const")[0])
found = {}
for question in QUESTIONS:
    name, kind = question.name, question.request
    if name not in CALLS:
        continue
    prompt = {"prompt": "a"} if "prompt" in kind.model_fields else {}
    fields = prompt | FIELDS.get(name, {})
    options = getattr(ue, PLACES[name][1])
    CALLS[name](sharpness=7)
    CALLS[name](options=options(sharpness=7))
    found[name] = {
        "python": [options().sharpness, kind(**fields, sharpness=7).only(options).sharpness],
        "refused": [
            refused(lambda: options(sharpness=0)),
            refused(lambda: CALLS[name](sharpness="3")),
            refused(lambda: limits.check(kind(**fields, sharpness=101), Settings())),
        ],
        "http": schemas[kind.__name__]["properties"]["sharpness"],
        "docs": [
            line for one in docs if one.startswith(name + "\\n")
            for line in one.splitlines() if "sharpness" in line
        ],
        "app": app[name]["sharpness"],
    }
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def patched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a copy of the sources with one more line in each class of options."""
    copy = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("__pycache__", "static")
    shutil.copytree(ROOT / "src" / "unembed", copy / "unembed", ignore=ignored)
    for file, kind in {(file, kind) for file, kind, _ in PLACES.values()}:
        path = copy / "unembed" / file
        head = re.compile(rf'(class {kind}\([\w, ]+\):\n    """.*?"""\n(?:\n|\Z))', re.DOTALL)
        text, n = head.subn(lambda found: found[1] + LINE, path.read_text("utf-8"))
        assert n == 1, kind
        if "Positive" not in text.partition("class ")[0]:
            text = re.sub(r"(from unembed.options import .*?Options, )", r"\1Positive, ", text)
        path.write_text(text, "utf-8")
    return os.environ | {"PYTHONPATH": str(copy), "COLUMNS": "200", "TERM": "dumb"}


def run(patched: dict[str, str], *arguments: str) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=patched, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def found(patched: dict[str, str]) -> dict[str, Any]:
    """Where the option is, by question."""
    answer: dict[str, Any] = json.loads(run(patched, "-c", f"PLACES = {PLACES!r}\n{ASKED}"))
    return answer


def test_no_question_is_missing():
    assert {*PLACES, *WITHOUT_OPTIONS} == {question.name for question in QUESTIONS}


@pytest.mark.parametrize("name", PLACES)
def test_it_reaches_python_http_the_docs_and_the_app(name, found):
    here = found[name]
    assert here["python"] == [3, 7]
    assert here["refused"] == [
        ["sharpness", "sharpness is 0; it must be an integer from 1"],
        ["sharpness", "sharpness is '3'; it must be an integer from 1"],
        ["sharpness", "sharpness is 101; the limit is 100."],
    ]
    assert here["http"]["default"] == 3
    assert here["http"]["description"] == "How sharp the reading is."
    (row,) = here["docs"]
    cells = ["`sharpness`", "`--sharpness`", "3", "an integer from 1", "`max_k`"]
    assert [cell.strip() for cell in row.strip("|").split("|")][:5] == cells
    app = here["app"]
    assert (app["default"], app["low"], app["limit"]) == (3, 1, "max_k")


COMMANDS = sorted({place[2] for place in PLACES.values() if place[2]})
HELP = """
import contextlib, io, json, unembed.cli as cli
said = {}
for command in COMMANDS:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        cli.main([*command.split(), "--help"])
    said[command] = out.getvalue()
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def helps(patched: dict[str, str]) -> dict[str, str]:
    """What each command says of itself."""
    said: dict[str, str] = json.loads(run(patched, "-c", f"COMMANDS = {COMMANDS!r}\n{HELP}"))
    return said


@pytest.mark.parametrize("command", COMMANDS)
def test_it_is_a_flag(command, helps):
    text = " ".join(helps[command].split())
    assert "--sharpness" in text
    assert "How sharp the reading is." in text


def test_nothing_of_it_is_there_otherwise():
    assert "sharpness" not in (ROOT / "docs" / "reference" / "questions.md").read_text("utf-8")

"""Every public result has a short name for itself, a table, axes, and one way to be written."""

from __future__ import annotations

import json
import math
from html.parser import HTMLParser

import pytest
import torch
from transformers import AutoModelForTokenClassification

import unembed as ue
from unembed.engine.targets import SiteKey
from unembed.latents.autoencoder import Weights
from unembed.latents.description import Description
from unembed.models.tiny import tiny_model, tiny_tokenizer
from unembed.result import SHOWN_ROWS, ArrayComparison, Result, columns_of, plain, written
from unembed.server.wire.derived import body_of

PROMPT = "The cat sat on the mat"


@pytest.fixture(scope="module")
def model():
    return ue.load(tiny_model("gpt2"), tokenizer=tiny_tokenizer())


def of_corpus(model, folder):
    """What a corpus answers."""
    (folder / "a.txt").write_text("\n\n".join([PROMPT, "A dog ran"] * 20))
    corpus = ue.index_corpus(model, folder / "a.txt", "a", folder=folder)
    return [
        *ue.find_examples(corpus, "L1.N5"),
        ue.node_pages(corpus, ["L1.N5", "L1.H2"]),
        ue.head_relations(corpus, min_count=1),
        ue.explain(corpus, "L1.N5"),
        ue.score_explanation(corpus, "L1.N5", "dogs", Guessing(), texts=2),
        ue.estimate_training(model, corpus, "L1.mlp_out", 8, 2, tokens=64, batch=32, buffer=32),
        ue.train_sae(
            model, corpus, "L1.mlp_out", 8, 2, folder=folder / "sae", tokens=64, batch=32, buffer=32
        ),
    ]


def of_transcoders():
    """A graph, an edge of it and what it takes, of a model with a made-up transcoder."""
    model = ue.load(tiny_model("gpt2"), tokenizer=tiny_tokenizer())
    width = model.anatomy.d_model
    reads, writes = SiteKey("mlp_in", 1), SiteKey("mlp_out", 1)
    rows = torch.eye(width)
    says = Description(
        "made up", "transcoder", "relu", width, width, width, reads=reads, writes=writes
    )
    bias = torch.zeros(width)
    model.attach(ue.Sae(says, Weights(rows, rows, bias, bias)), verify=False)
    graph = ue.attribution_graph(model, PROMPT)
    edge = graph.edges[0]
    return [
        graph,
        ue.measure_edge(model, PROMPT, edge.source, edge.target),
        ue.estimate_graph(model, PROMPT),
    ]


class Guessing:
    """A judge that says yes to all."""

    def simulate(self, _, passages):
        return [tuple(map(float, range(len(one.tokens)))) for one in passages]

    def detect(self, _, passages):
        return [1.0] * len(passages)

    fuzz = detect


def labelled() -> ue.Model:
    """A model that gives labels."""
    module = AutoModelForTokenClassification.from_config(tiny_model("bert").config)
    return ue.load(module.eval(), tokenizer=tiny_tokenizer())


def two_sided(d: int) -> ue.Sae:
    """One that explains everything: a latent for each entry, and for its negative."""
    site = SiteKey("resid_post", 1)
    rows = torch.cat([torch.eye(d), -torch.eye(d)])
    says = Description("made up", "sae", "relu", d, d, 2 * d, reads=site, writes=site)
    return ue.Sae(says, Weights(rows.T, rows, torch.zeros(2 * d), torch.zeros(d)))


@pytest.fixture(scope="module")
def results(model, tmp_path_factory):
    """One of each public class."""
    flow = model.run(PROMPT, ue.flow_capture(model, [1, 2]))
    parts = model.run(PROMPT, ue.sub_updates_capture(model))
    index = ue.build_index(model, folder=tmp_path_factory.mktemp("index"))

    def pair(answer, wrong):
        return ue.PromptPair(clean="a b", corrupted="c b", answer=answer, wrong=wrong)

    made = [
        ue.logit_lens(model, PROMPT, follow="next"),
        ue.flow_graph(flow, [1, 2]),
        ue.measure_cuts(flow, ["L1.H0", "L2.z3"]),
        ue.sub_updates(parts),
        ue.predictions(model, PROMPT, target=3, edits=[ue.zero("L1.H0")]),
        ue.component(model.run(PROMPT, ue.component_capture(model, "L1.H0")), "L1.H0"),
        model.generate(PROMPT, 3),
        index.similar("L1.N5", limit=15),
        ue.attention(model.run(PROMPT, ue.attention_capture(model, [1])), [1]),
        ue.compare_attention(*(model.run(one, ["L1.pattern"]) for one in (PROMPT, [3, 4])), [1]),
        ue.find_heads(model),
        *of_corpus(model, tmp_path_factory.mktemp("corpus")),
        ue.head_thumbnails(model, PROMPT, size=4),
        ue.attribute(model, PROMPT, 3, verify=5),
        ue.find_circuit(model, [3, 4, 5], [3, 6, 5], 7, distractor=9, shares=(0.5, 1), measure=1),
        ue.trace(model, PROMPT, "L1.N3@0"),
        *of_transcoders(),
        ue.patch_grid(model, [3, 4, 5], [3, 6, 5], 7, distractor=9),
        ue.path_patch(model, [3, 4, 5], [3, 6, 5], ["L0.H1"], ["L1.H2"], 7),
        ue.patch_pairs(model, [pair(3, 4), pair(6, 9)]),
        ue.check_sae(two_sided(model.anatomy.d_model), model),
        ue.label_scores(labelled(), PROMPT, edits=[ue.zero("L1.H0")]),
        ue.sweep(model, PROMPT, [(), ue.zero("L1.H0")], objective=ue.Objective.logit(3)),
    ]
    return {type(one).__name__: one for one in made}


PUBLIC = [name for name in ue.__all__ if isinstance(getattr(ue, name), type)]
PUBLIC = [name for name in PUBLIC if issubclass(getattr(ue, name), Result)]
every_result = pytest.mark.parametrize("name", [*PUBLIC, "Hits"])


def test_no_public_result_is_left_out_here(results):
    assert sorted(results) == sorted({*PUBLIC, "Hits"})


@every_result
def test_a_result_says_in_one_line_what_it_is_of(name, results):
    said = repr(results[name])
    assert said.startswith(f"{name}(")
    assert len(said) < 160
    assert "\n" not in said


@pytest.fixture(scope="module")
def runs(model):
    """Runs of every kind: with logits and without, edited, differentiable, of a long prompt."""
    edits = [ue.zero("L1.H0"), ue.scale("L2.mlp", 0.5, positions=[1, 2])]
    return [
        model.run(PROMPT),
        model.run(PROMPT, ["resid_post"], edits, logits="last"),
        model.run(PROMPT, logits="none"),
        model.run(PROMPT, grad=True),
        model.run([3] * 60),
        model.run(PROMPT, edits=[ue.scale("L2.resid_post", 1e38)] * 2),
    ]


def test_a_run_says_in_one_line_what_it_is(runs):
    for run in runs:
        assert repr(run).startswith("Run(")
        assert len(repr(run)) < 160
        assert "\n" not in repr(run)
    assert "2 edits, 3 sites captured" in repr(runs[1])
    assert "60 tokens" in repr(runs[4])


def test_a_notebook_shows_what_a_run_predicts(runs):
    for run in runs:
        table = Table(run._repr_html_())
        assert not table.open
        assert len(run._repr_html_()) < 5000
        assert len(table.rows) > 1
    best = runs[0].top(1)[0]
    assert Table(runs[0]._repr_html_()).rows[1][0] == best.token.label
    assert [row[1] for row in Table(runs[2]._repr_html_()).rows[1:]] == [
        token.label for token in runs[2].tokens
    ]


def test_a_sweep_names_its_rows(model):
    edits = [(), ue.zero("L1.H0"), ue.scale("L2.mlp", 0.5, positions=[1, 2])]
    objective = ue.Objective.logit_diff(3, 4)
    swept = ue.sweep(model, PROMPT, edits, objective=objective, logits="last")
    assert objective.words in repr(swept)
    columns = swept.columns()
    assert columns["edits"] == ["", "zero L1.H0", "scale L2.mlp by 0.5 at 1, 2"]
    assert columns["value"] == swept.values.tolist()
    assert columns["top_token"] == [run.top(1)[0].token.text for run in swept]
    plain = ue.sweep(model, [PROMPT, [1, 2, 3]])
    assert plain.arrays() == {}
    assert plain.columns()["value"] == [None, None]
    assert [len(row["tokens"]) for row in plain.to_dict()["rows"]] == [len(plain[0].ids), 3]


class Table(HTMLParser):
    """Cells of each row of a page."""

    def __init__(self, page):
        super().__init__()
        self.rows, self.open = [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@every_result
def test_a_notebook_shows_the_first_rows(name, results):
    result = results[name]
    page = result._repr_html_()
    table = Table(page)
    columns = result.columns()
    n_rows = len(next(iter(columns.values())))
    assert not table.open
    assert table.rows[0] == list(columns)
    assert len(table.rows) - 1 == min(n_rows, SHOWN_ROWS)
    assert {len(row) for row in table.rows} == {len(columns)}
    assert (f"of {n_rows:,} rows" in page) == (n_rows > SHOWN_ROWS)
    assert len(page) < 20_000


def test_text_of_tokens_is_no_markup_in_a_notebook(results):
    class Marked(Result):
        def summary(self):
            return "<script>"

        def columns(self):
            return {"<b>": ["<i>", None]}

    assert "<script>" not in Marked()._repr_html_()
    assert "<i>" not in Marked()._repr_html_()
    assert Table(Marked()._repr_html_()).rows == [["<b>"], ["<i>"], [""]]


@every_result
def test_axes_name_every_dimension_of_every_array(name, results):
    result = results[name]
    sizes = {}
    for array_name, array in result.arrays().items():
        side, _, own = array_name.rpartition(".")
        axes = axes_of(result)[array_name]
        shape = torch.as_tensor(array).shape
        assert len(axes) == len(shape), own
        for axis, size in zip(axes, shape, strict=True):
            assert sizes.setdefault((side, axis), size) == size, axis


def axes_of(result):
    """Of a comparison those of each side, as its arrays are named: two prompts differ in length."""
    if not isinstance(result, ArrayComparison):
        return result.axes
    return {
        f"{side}.{name}": axes
        for side, one in result.sides.items()
        for name, axes in one.axes.items()
    }


@every_result
def test_a_result_has_arrays(name, results):
    axes = axes_of(results[name])
    assert axes or name in ("TrainingEstimate", "GraphEstimate")  # a few numbers
    assert set(results[name].arrays()) <= set(axes)


@every_result
def test_json_is_the_dict_and_has_no_other_numbers(name, results):
    result = results[name]
    data = json.loads(result.to_json(), parse_constant=pytest.fail)
    assert same(data, result.to_dict())


def same(data, wanted):
    if isinstance(wanted, float) and not math.isfinite(wanted):
        return data is None
    if isinstance(wanted, dict):
        return list(data) == list(wanted) and all(same(data[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return len(data) == len(wanted) and all(map(same, data, wanted))
    return type(data) is type(wanted) and data == wanted


@every_result
def test_the_body_made_from_its_class_is_what_it_writes(name, results):
    """Strictly: no field more, none less, every type as it is stated."""
    result = results[name]
    beside = isinstance(result, ArrayComparison)  # its sides' arrays are no part of the body
    said = plain(result.header()) if beside else result.to_dict()
    data = {key: one for key, one in said.items() if key in written(type(result))}
    body = body_of(type(result)).model_validate_json(json.dumps(data))
    assert body.model_dump(mode="json") == data


@every_result
def test_a_table_has_columns_of_one_length(name, results):
    result = results[name]
    frame = result.to_pandas()
    assert list(frame.columns) == list(result.columns())
    assert len({len(column) for column in result.columns().values()}) == 1


def test_columns_come_from_rows_in_their_order():
    assert columns_of([{"a": 1, "b": 2}, {"a": 3, "b": 4}]) == {"a": [1, 3], "b": [2, 4]}
    assert columns_of([]) == {}


def test_a_token_is_written_the_same_way_everywhere(results):
    """An object with its id, text and label; arrays alone hold ids, and a vocabulary beside."""

    def tokens(data, name=""):
        if isinstance(data, dict):
            if "label" in data and "text" in data:
                yield data
            for key, value in data.items():
                yield from tokens(value, key)
        elif isinstance(data, list):
            for one in data:
                yield from tokens(one, name)
        else:
            assert data is None or name not in ("token", "tokens"), data

    for result in results.values():
        found = list(tokens(result.to_dict()))
        assert {tuple(one) for one in found} <= {("id", "text", "label", "special")}
        # the scores of heads are of texts whose tokens nobody asked for, thumbnails and relations
        # of many at once, path patches one number a node; an edge is of nodes
        untold = ue.HeadScores | ue.SaeCheck | ue.Thumbnails | ue.HeadRelations | ue.PathPatches
        untold |= ue.ExplanationScores | ue.SaeTraining | ue.TrainingEstimate | ue.MeasuredEdge
        untold |= ue.GraphEstimate
        assert found or isinstance(result, untold)

"""From a model to the published figures, and how close they must be.

`test_checks` holds every function here to an independent computation on a tiny model, and to
failing where a figure is wrong: without the weights these checks would otherwise never run.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

from unembed.analyses.predictions.predictions import layer_predictions, predictions_capture
from unembed.analyses.sub_updates.sub_updates import sub_updates, sub_updates_capture
from unembed.engine.editing.edits import set_to
from unembed.engine.reading.extremes import extremes
from unembed.index.build import build_index

from .figures import FP32

HITS = 100
PROJECTED_K = 50  # tokens that LM-Debugger stores of each vector
READ_K = 10
ROUNDING = 5e-5  # relative, of a sum of thousands of products in another order
PRINTED = 1.5e-3  # of a number with three decimals
PRINTED_SHORT = 6e-3  # with two


def limit_of(number, precision, printed=PRINTED):
    """How far from a published score or norm is still the same."""
    return abs(number) * (ROUNDING if precision == FP32 else precision) + printed


def check_trace(model, trace):
    """Everything wrong with one layer's figures."""
    layers = [trace.layer]
    capture = [*predictions_capture(model), *sub_updates_capture(model, layers)]
    run = model.run(trace.prompt, list(dict.fromkeys(capture)))
    read = layer_predictions(run, top_k=10, target=trace.target).baseline.layers[trace.layer]
    wrong = check_reading("before", trace.before, read.resid_mid, trace.precision)
    wrong += check_reading("after", trace.after, read.resid_post, trace.precision)
    n_shown = 2 * len(trace.dominant) + 8  # the published lists leave out some negative ones
    k = max(n_shown, model.anatomy.n_heads)
    parts = sub_updates(run, k=k, layers=layers, effects=0).layer(trace.layer)
    wrong += check_dominant(trace, parts.neurons.shown[:n_shown])
    wrong += check_heads(trace, parts.heads.shown)
    for name, norm, branch in (
        ("attn_out", trace.attn_norm, parts.heads),
        ("mlp_out", trace.mlp_norm, parts.neurons),
    ):
        if norm is not None and abs(branch.added_norm - norm) > limit_of(norm, trace.precision):
            wrong.append(f"norm of {name}: {branch.added_norm:.3f}, published {norm}")
    return wrong


def check_reading(when, published, read, precision):
    if published is None:
        return []
    top = [one.token.text.strip() for one in read.top[: len(published.top)]]
    wrong = [] if top == list(published.top) else [f"{when}: {top}, published {published.top}"]
    pairs = [
        (one.probability, wanted)
        for one, wanted in zip(read.top, published.probabilities, strict=False)
    ]
    if published.target_probability is not None:
        pairs.append((read.target.probability, published.target_probability))
    wrong += [
        f"{when}: probability {found:.5f}, published {wanted}"
        for found, wanted in pairs
        if abs(found - wanted) > precision
    ]
    if published.target_rank not in (None, read.target and read.target.rank):
        wrong.append(f"{when}: rank {read.target.rank}, published {published.target_rank}")
    return wrong


def check_dominant(trace, shown):
    """The published ones are among the largest, in their order, with their scores."""
    wrong, order = [], [one.node for one in shown]
    names = [f"L{trace.layer}.N{one.neuron}" for one in trace.dominant]
    missing = [name for name in names if name not in order]
    if missing:
        return [f"dominant: {missing} not among {order}"]
    if sorted(names, key=order.index) != names:
        wrong.append(f"dominant: order {sorted(names, key=order.index)}, published {names}")
    for name, published in zip(names, trace.dominant, strict=True):
        found = shown[order.index(name)]
        if abs(abs(found.score) - published.score) > limit_of(published.score, trace.precision):
            wrong.append(f"{name}: score {abs(found.score):.3f}, published {published.score}")
        activation = published.activation
        if activation is not None and abs(found.activation - activation) > PRINTED:
            wrong.append(f"{name}: activation {found.activation:.3f}, published {activation}")
    return wrong


def check_heads(trace, shown):
    """The published ones are the largest, in their order, with the norms of what they write."""
    first = shown[: len(trace.heads)]
    names = [f"L{trace.layer}.H{head}" for head, _ in trace.heads]
    if [one.node for one in first] != names:
        return [f"heads: {[one.node for one in first]}, published {names}"]
    return [
        f"{one.node}: norm {one.norm:.3f}, published {norm}"
        for one, (_, norm) in zip(first, trace.heads, strict=True)
        if abs(one.norm - norm) > limit_of(norm, trace.precision, PRINTED_SHORT)
    ]


def value_vector(model, node):
    layer, neuron = node[1:].split(".N")
    return model.output_weight(int(layer), "mlp")[int(neuron)]


def projected_tokens(model, node, k=PROJECTED_K):
    """The k tokens that the bare vector promotes most: W_U v."""
    found = extremes(value_vector(model, node)[None], model.unembedding.weight, k)
    return texts(model, found.raised_ids[0])


def read_tokens(model, node, k=READ_K):
    """The k tokens that the vector would predict if it were the last residual."""
    read = model.unembedding.read(model.final_norm(value_vector(model, node)[None]), k=k)
    return texts(model, read.top_ids[0])


def texts(model, ids):
    return [model.token(token_id).text.strip() for token_id in ids.tolist()]


def check_vector(vector, found):
    """At least so many of the published tokens are among those found."""
    there = [
        pattern for pattern in vector.tokens if any(fnmatchcase(text, pattern) for text in found)
    ]
    if len(there) >= vector.least:
        return []
    return [f"{vector.node}: {there} of {vector.tokens} among {found}"]


def check_activation(model, vector):
    run = model.run(vector.prompt, [f"{vector.node.partition('.')[0]}.mlp_post"], logits="none")
    found = float(run[vector.node][-1])
    if abs(found - vector.activation) <= PRINTED:
        return []
    return [f"{vector.node}: activation {found:.3f}, published {vector.activation}"]


def found_by_words(model, words, node, folder):
    """Whether a keyword search of all value vectors lists the node."""
    index = build_index(model, projection="raw", top_k=PROJECTED_K, folder=folder)
    hits = index.search(words, limit=HITS)
    return node in [hit.node for hit in hits.items]


def steering(nodes, value):
    """Each pre-activation set, at every position and in every generated token."""
    return [set_to(node, value, stage="pre") for node in nodes]

"""From a model to what was published of why GPT-2 small answers as it does, and how close it is.

`test_why_checks` holds these to hooks and loops on a tiny model, and to failing where a figure is
wrong.
"""

from __future__ import annotations

import random
from statistics import mean

import torch

import unembed as ue
from unembed.analyses.attention.heads import repeated_texts
from unembed.analyses.circuits.files import CircuitFile
from unembed.analyses.circuits.graph import edge_name
from unembed.analyses.circuits.rating import edges_of
from unembed.analyses.circuits.running import graph_of

from .attention_checks import apart

CLOSE_LOGIT = 2e-3  # of logits of about ten, in another order of sums
CLOSE_SHARE = 1.5e-4
CLOSE_CENTRED = 6e-3  # two decimals
CLOSE_DIRECT = 1e-2  # printed with four, of a norm that folded weights have in another order
CLOSE_INDUCTION = 6e-2  # other random tokens
N_PAIRS = 8


def difference(model, asked, edits=()):
    """The answer's logit less the wrong one's, at the last token."""
    logits = model.run(asked.prompt, [], edits, logits="last").logits[-1].double()
    return float(logits[model.token_id(asked.answer)] - logits[model.token_id(asked.wrong)])


def check_differences(model, asked):
    wrong = []
    for one in asked:
        found = [difference(model, one)]
        wrong += apart(one.prompt, found, [one.difference], CLOSE_LOGIT)
    return wrong


def check_likely(model, likely):
    """The most likely tokens, in order, their probabilities, and logits less the mean of all."""
    run = model.run(likely.prompt, [], logits="last")
    logits = run.logits[-1].double()
    found = run.top(len(likely.tokens), -1)
    names = [one.token.text for one in found]
    if names != [token for token, _, _ in likely.tokens]:
        return [f"{names}, published {[token for token, _, _ in likely.tokens]}"]
    shares = [one.probability for one in found]
    wrong = apart("probability", shares, [share for _, share, _ in likely.tokens], CLOSE_SHARE)
    centred = [float(logits[model.token_id(name)] - logits.mean()) for name in names]
    return wrong + apart("logit", centred, [one for _, _, one in likely.tokens], CLOSE_CENTRED)


def value_bias(model, layer):
    """b_V of every head of a GPT-2 [head, d_head]."""
    attention = model.module.transformer.h[layer].attn
    return attention.c_attn.bias.detach().chunk(3)[2].unflatten(0, (model.anatomy.n_heads, -1))


def direct_of_heads(model, asked, *, folded):
    """What every head adds to the difference at the last token [layer, head].

    Args:
        folded: less what its value bias alone adds, as where biases are folded into the layer's.
    """
    objective = ue.Objective.logit_diff(asked.answer, asked.wrong)
    found = ue.attribute(model, asked.prompt, objective, frozen="final", pairs=False)
    heads = torch.stack([group.direct for group in found.groups if group.kind == "head"])
    if not folded:
        return heads
    last = f"L{model.anatomy.n_layers - 1}.resid_post"
    resid = model.run(asked.prompt, [last], logits="none")[last][-1]
    norm, unembedding = model.module.transformer.ln_f, model.module.lm_head.weight
    scale = norm.weight / (resid.var(correction=0) + norm.eps).sqrt()
    answer, other = model.token_id(asked.answer), model.token_id(asked.wrong)
    reads = scale * (unembedding[answer] - unembedding[other])
    reads = (reads - reads.mean()).detach()  # the norm takes the mean away
    for layer in range(model.anatomy.n_layers):
        maps = model.module.transformer.h[layer].attn.c_proj.weight.detach()
        maps = maps.unflatten(0, (model.anatomy.n_heads, -1))
        writes = torch.einsum("hz,hzd->hd", value_bias(model, layer), maps)
        heads[layer] -= writes @ reads
    return heads


def check_direct(model, direct):
    both = [
        torch.stack([direct_of_heads(model, one, folded=folded) for one in direct.asked]).mean(0)
        for folded in (True, False)
    ]
    wrong = []
    for (layer, head), wanted in direct.heads.items():
        found = float(both[0][layer, head])
        wrong += apart(f"L{layer}.H{head}", [found], [wanted], CLOSE_DIRECT)
    order = [divmod(place, both[1].shape[1]) for place in both[1].flatten().argsort().tolist()]
    highest = tuple(order[::-1][: len(direct.highest)])
    if highest != direct.highest:
        wrong.append(f"highest: {highest}, published {direct.highest}")
    if set(order[: len(direct.lowest)]) != set(direct.lowest):
        wrong.append(f"lowest: {order[: len(direct.lowest)]}, published {direct.lowest}")
    return wrong


def check_ablated(model, ablated):
    """The head writes what its value bias does at the last token, and nothing else."""
    layer, head = ablated.head
    found = []
    for one in ablated.asked:
        shape = model.run(one.prompt, [f"L{layer}.z"], logits="none")[f"L{layer}.z"].shape
        where = torch.zeros(shape, dtype=torch.bool)
        where[-1, head] = True
        value = value_bias(model, layer).expand(shape)
        edit = ue.set_to(f"L{layer}.z", value, where=where)
        found.append((difference(model, one), difference(model, one, [edit])))
    before, after = (mean(side) for side in zip(*found, strict=True))
    wrong = apart("before", [before], [ablated.before], CLOSE_LOGIT)
    return wrong + apart("after", [after], [ablated.after], CLOSE_LOGIT)


def upstream_heads(model, prompt, node, **options):
    """Heads that a trace lists, strongest total over all positions first."""
    found = ue.trace(model, prompt, node, pairs=False, **options)
    sums = {
        (group.layer, head): abs(float(group.total[:, head].sum()))
        for part in found.parts
        for group in part.groups
        if group.kind == "head"
        for head in range(group.total.shape[1])
    }
    return sorted(sums, key=lambda one: -sums[one])


def check_traced(model, traced):
    texts = [token.text for token in model.run(traced.prompt, [], logits="none").tokens]
    key = [at for at, text in enumerate(texts) if text == traced.key][traced.occurrence]
    query = max(at for at, text in enumerate(texts) if text == traced.query)
    layer, head = traced.head
    node, options = f"L{layer}.H{head}@{query}<{key}", {}
    if traced.after is not None:
        name, looked_at = traced.after
        options["trail"] = (f"{name}@{query}<{texts.index(looked_at)}:q",)
    first = upstream_heads(model, traced.prompt, node, through=traced.through, **options)
    first = first[: traced.among]
    there = [one for one in first if one in traced.heads]
    if len(there) >= traced.least:
        return []
    return [f"{traced.name}: {there} of {sorted(traced.heads)} among {first}"]


def check_inducing(model, inducing):
    scores = ue.find_heads(model, kind="induction")
    wrong = []
    for (layer, head), wanted in inducing.scores.items():
        found = scores.score("induction")[f"L{layer}.H{head}"]
        wrong += apart(f"L{layer}.H{head}", [found], [wanted], CLOSE_INDUCTION)
    best = {name for name, _ in scores.best(len(inducing.scores))}
    if best != {f"L{layer}.H{head}" for layer, head in inducing.scores}:
        wrong.append(f"best: {sorted(best)}")
    ids = repeated_texts(model)[0]
    layer, head = inducing.traced
    half = len(ids) // 2
    query = len(ids) - half // 2
    first = upstream_heads(model, ids, f"L{layer}.H{head}@{query}<{query - half + 1}", through="k")
    if inducing.by not in first[: inducing.among]:
        wrong.append(f"{inducing.by} is not among {first[: inducing.among]}")
    return wrong


def year_objective(model, year):
    """Years after one less those up to it, each two digits: means of logits."""
    later, earlier = (
        [model.token_id(f"{one:02}") for one in some]
        for some in (range(year + 1, 100), range(year + 1))
    )
    return ue.Objective.logit_diff(later, earlier)


def direct_of_feed_forwards(model, prompt, objective):
    """What each layer's feed-forward adds at the last token: its neurons and its bias."""
    found = ue.attribute(model, prompt, objective, frozen="final", pairs=False)
    sums = [0.0] * model.anatomy.n_layers
    for group in found.groups:
        if group.kind == "neuron" or group.stem.endswith(".mlp_bias"):
            sums[group.layer] += float(group.direct.sum())
    return sums


def check_years(model, years):
    objective = year_objective(model, years.year)
    sums = direct_of_feed_forwards(model, years.prompt, objective)
    order = sorted(range(len(sums)), key=lambda layer: -sums[layer])
    if set(order[: len(years.layers)]) == years.layers:
        return []
    return [f"most: {order[: len(years.layers)]}, published {sorted(years.layers)}"]


def random_scores(model, seed=0):
    """Every edge of the model with a score of its own, in random order."""
    graph, draw = graph_of(model), random.Random(seed)
    names = [edge_name(*graph.names(*place)) for place in edges_of(graph).nonzero().tolist()]
    return CircuitFile((), {name: draw.random() for name in names})


def check_circuit(model, circuit, pairs=None):
    """The area between a method's curve and 1, over pairs whose second name is the other one."""
    pairs = ue.pair_template("ioi")[:N_PAIRS] if pairs is None else pairs
    by = (
        {"scores": random_scores(model)}
        if circuit.estimator is None
        else {"estimator": circuit.estimator}
    )
    found = ue.circuit_pairs(model, pairs, **by)
    return apart(f"CMD of {circuit.name}", [found.cmd], [circuit.cmd], circuit.within)


def agreement(model, pairs, agreeing, estimator):
    """Pearson's correlation of estimates with what the answer loses, over cells of all pairs."""
    estimated, measured = [], []
    for pair in pairs:
        why = ue.Objective.logit_diff(pair.answer, pair.wrong)
        grid = ue.patch_grid(
            model, pair.clean, pair.corrupted, why, site=agreeing.site, into="clean"
        )
        found = ue.attribute(
            model,
            pair.clean,
            why,
            against="prompt",
            references=pair.corrupted,
            pairs=False,
            wholes=True,
            estimator=estimator,
        )
        totals = {group.stem: group.total[:, 0] for group in found.groups if group.total.ndim == 2}
        estimated += [totals[f"L{layer}.{agreeing.stem}"] for layer in grid.layers]
        measured += list(grid.clean - grid.values)
    both = torch.stack([torch.cat(estimated).double(), torch.cat(measured).double()])
    return float(torch.corrcoef(both)[0, 1])


def check_agreement(model, agreeing, pairs=None):
    """The gradient (AtP) and RelP; of the published tables the sentence of indirect objects."""
    pairs = ue.pair_template("ioi")[:N_PAIRS] if pairs is None else pairs
    found = [agreement(model, pairs, agreeing, one) for one in ("gradient", "relp")]
    wanted = [agreeing.gradient, agreeing.relp]
    return apart(agreeing.site, found, wanted, agreeing.within)

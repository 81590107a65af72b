"""The checks of why an answer is given, on a tiny model: right figures pass, wrong are noticed."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from statistics import mean

import pytest
import torch

import unembed as ue
from unembed.analyses.attention.heads import repeated_texts
from unembed.models.tiny import tiny_model, tiny_tokenizer

from . import why_checks as checks
from . import why_figures as figures

PROMPT = "the cat sat on the mat"
ASKED = (
    figures.Answered(PROMPT, " a", "s", 0.0),
    figures.Answered("the mat sat on a cat", "s", " a", 0.0),
)


@pytest.fixture(scope="module")
def model():
    return ue.load(tiny_model("gpt2"), tiny_tokenizer())


@pytest.fixture(scope="module")
def module():
    """The same weights, run by hooks alone."""
    module = tiny_model("gpt2")
    module.set_attn_implementation("eager")
    return module


def run(module, ids, *hooks, **options):
    """The module's own output, with hooks (module, before or after, what they do)."""
    with ExitStack() as stack:
        for place, kind, change in hooks:
            added = (
                place.register_forward_pre_hook(change)
                if kind == "before"
                else place.register_forward_hook(change)
            )
            stack.callback(added.remove)
        return module(torch.tensor([ids]), **options)


def ids_of(model, prompt):
    return list(model.read_prompt(prompt).ids)


def of_two(model, logits, asked):
    return float(logits[model.token_id(asked.answer)] - logits[model.token_id(asked.wrong)])


@pytest.fixture(scope="module")
def asked(model, module):
    """Prompts with the differences that the module itself gives."""
    with torch.no_grad():
        return tuple(
            replace(
                one,
                difference=of_two(model, run(module, ids_of(model, one.prompt)).logits[0, -1], one),
            )
            for one in ASKED
        )


def test_differences(model, asked):
    assert checks.check_differences(model, asked) == []
    assert checks.check_differences(model, [replace(asked[0], difference=9.0), asked[1]])
    assert checks.check_differences(model, [replace(asked[0], answer="t")])


def test_the_most_likely_tokens(model, module):
    with torch.no_grad():
        logits = run(module, ids_of(model, PROMPT)).logits[0, -1].double()
    best = logits.softmax(-1).topk(2)
    tokens = tuple(
        (model.token(int(token)).text, float(share), float(logits[token] - logits.mean()))
        for token, share in zip(best.indices, best.values, strict=True)
    )
    likely = figures.Likely(PROMPT, tokens)
    assert checks.check_likely(model, likely) == []
    assert checks.check_likely(model, replace(likely, tokens=tokens[::-1]))
    name, share, logit = tokens[0]
    for wrong in ((name, share + 1e-3, logit), (name, share, logit + 0.02)):
        assert checks.check_likely(model, replace(likely, tokens=(wrong, tokens[1])))


def direct_by_hand(model, module, asked, *, folded):
    """Every head's write through the norm as it scaled this run, one head at a time."""
    seen, hooks = {}, []
    for layer, block in enumerate(module.transformer.h):

        def keep(_, given, layer=layer):
            seen[layer] = given[0][0, -1]

        hooks.append((block.attn.c_proj, "before", keep))
    hooks.append(
        (module.transformer.ln_f, "before", lambda _, given: seen.update(last=given[0][0, -1]))
    )
    with torch.no_grad():
        run(module, ids_of(model, asked.prompt), *hooks)
        norm, last = module.transformer.ln_f, seen["last"]
        scale = ((last - last.mean()).square().mean() + norm.eps).sqrt()
        found = torch.zeros(3, 4)
        for layer, block in enumerate(module.transformer.h):
            for head in range(4):
                z = torch.zeros(40)
                z[10 * head : 10 * head + 10] = seen[layer][10 * head : 10 * head + 10]
                if folded:
                    z[10 * head : 10 * head + 10] -= block.attn.c_attn.bias[80:][10 * head :][:10]
                write = z @ block.attn.c_proj.weight
                normed = (write - write.mean()) / scale * norm.weight
                found[layer, head] = of_two(model, module.lm_head(normed), asked)
    return found


def test_what_heads_add_directly(model, module):
    asked = (ASKED[0], replace(ASKED[1], answer=" a", wrong="s"))
    by_hand = {
        folded: sum(direct_by_hand(model, module, one, folded=folded) for one in asked) / 2
        for folded in (True, False)
    }
    order = [divmod(int(place), 4) for place in by_hand[False].flatten().argsort(descending=True)]
    direct = figures.Direct(
        "tiny",
        asked,
        {(1, 2): float(by_hand[True][1, 2]), (2, 0): float(by_hand[True][2, 0])},
        tuple(order[:2]),
        tuple(order[:-3:-1]),
    )
    assert checks.check_direct(model, direct) == []
    assert checks.check_direct(model, replace(direct, highest=tuple(order[1::-1])))
    assert checks.check_direct(model, replace(direct, lowest=tuple(order[:2])))
    assert checks.check_direct(model, replace(direct, heads={(1, 2): direct.heads[2, 0]}))
    whole = {(1, 2): float(by_hand[False][1, 2])}  # with its bias
    assert checks.check_direct(model, replace(direct, heads=whole))


def test_one_head_without_what_it_reads(model, module, asked):
    attention = module.transformer.h[1].attn

    def quiet(_, given):
        z = given[0].clone()
        z[0, -1, 20:30] = attention.c_attn.bias[80 + 20 : 80 + 30]
        return (z, *given[1:])

    with torch.no_grad():
        after = mean(
            of_two(
                model,
                run(module, ids_of(model, one.prompt), (attention.c_proj, "before", quiet)).logits[
                    0, -1
                ],
                one,
            )
            for one in asked
        )
    before = mean(one.difference for one in asked)
    ablated = figures.Ablated((1, 2), asked, before, after)
    assert checks.check_ablated(model, ablated) == []
    for wrong in ({"after": before}, {"before": after}, {"head": (1, 1)}):
        assert checks.check_ablated(model, replace(ablated, **wrong))


def upstream_by_hand(module, ids, layer, head, query, key, side):
    """Heads by the gradient of a score in a factor on what each writes, the other side held."""
    factors = torch.ones(3, 4, requires_grad=True)
    seen, hooks = {}, []
    for number, block in enumerate(module.transformer.h):

        def times(_, given, number=number):
            z = given[0].unflatten(-1, (4, 10)) * factors[number][:, None]
            return (z.flatten(-2), *given[1:])

        hooks.append((block.attn.c_proj, "before", times))
    block = module.transformer.h[layer]

    def held(norm, given, _):
        states = given[0]
        centred = states - states.mean(-1, keepdim=True)
        scale = (centred.square().mean(-1, keepdim=True) + norm.eps).sqrt().detach()
        return centred / scale * norm.weight + norm.bias

    hooks.append((block.ln_1, "after", held))
    hooks.append((block.attn.c_attn, "after", lambda _, given, out: seen.update(qkv=out[0])))
    run(module, ids, *hooks)
    queries, keys, _ = (one.unflatten(-1, (4, 10)) for one in seen["qkv"].chunk(3, -1))
    q, k = queries[query, head], keys[key, head]
    score = q @ k.detach() if side == "q" else q.detach() @ k
    (found,) = torch.autograd.grad(score, factors)
    sizes = found.abs()[:layer]
    return [divmod(int(one), 4) for one in sizes.flatten().argsort(descending=True)]


def test_what_made_a_head_look(model, module):
    ids = ids_of(model, PROMPT)
    texts = [model.token(one).text for one in ids]
    query, key = len(ids) - 1, 1
    order = upstream_by_hand(module, ids, 2, 1, query, key, "q")
    traced = figures.Traced(
        "tiny",
        PROMPT,
        (2, 1),
        texts[query],
        texts[key],
        texts[:key].count(texts[key]),
        "q",
        frozenset(order[:3]),
        3,
        3,
    )
    assert checks.check_traced(model, traced) == []
    assert checks.check_traced(model, replace(traced, heads=frozenset(order[2:5])))
    assert checks.check_traced(model, replace(traced, among=2))
    value = replace(traced, head=(1, 1), through="v", after=("L2.H1", texts[0]), least=0)
    assert checks.check_traced(model, value) == []
    assert checks.check_traced(model, replace(value, least=5))


def test_induction(model, module):
    """Scores by loops over what the module itself returns; the trace by its gradient."""
    plain = tiny_model("gpt2")  # of its own: transformers leaves its hooks on it
    plain.set_attn_implementation("eager")
    sums, n = torch.zeros(3, 4, dtype=torch.float64), 0
    for ids in repeated_texts(model):
        with torch.no_grad():
            patterns = plain(torch.tensor([ids]), output_attentions=True).attentions
        for query in range(len(ids)):
            before = [at for at in range(query - 1) if ids[at] == ids[query]]
            if before:
                n += 1
                for layer in range(3):
                    for at in before:
                        sums[layer] += patterns[layer][0, :, query, at + 1].double()
    scores = {divmod(at, 4): float(one) / n for at, one in enumerate(sums.flatten().tolist())}
    best = sorted(scores, key=lambda one: -scores[one])[:3]
    ids = repeated_texts(model)[0]
    half = len(ids) // 2
    query = len(ids) - half // 2
    order = upstream_by_hand(module, ids, 2, 1, query, query - half + 1, "k")
    inducing = figures.Inducing({one: scores[one] for one in best}, (2, 1), order[1], 2)
    assert checks.check_inducing(model, inducing) == []
    assert checks.check_inducing(model, replace(inducing, by=order[2]))
    assert checks.check_inducing(model, replace(inducing, among=1))
    off = {one: score + 0.1 for one, score in inducing.scores.items()}
    assert checks.check_inducing(model, replace(inducing, scores=off))
    worst = min(scores, key=lambda one: scores[one])
    assert checks.check_inducing(model, replace(inducing, scores={worst: scores[worst]}))


def test_years(model, module, monkeypatch):
    """What each feed-forward adds to the logits, through the norm as it scaled this run."""
    ids = {f"{number:02}": 5 + number for number in range(100)}  # years are no tokens here
    monkeypatch.setattr(
        model, "token_id", lambda text: ids[text] if isinstance(text, str) else text
    )
    seen = {}
    hooks = [
        (block.mlp, "after", lambda _, given, out, layer=layer: seen.update({layer: out[0, -1]}))
        for layer, block in enumerate(module.transformer.h)
    ]
    norm = module.transformer.ln_f
    hooks.append((norm, "before", lambda _, given: seen.update(last=given[0][0, -1])))
    with torch.no_grad():
        run(module, ids_of(model, PROMPT), *hooks)
        scale = (seen["last"].var(correction=0) + norm.eps).sqrt()
        sums = []
        for layer in range(3):
            write = (seen[layer] - seen[layer].mean()) / scale * norm.weight
            logits = module.lm_head(write)
            sums.append(float(logits[5 + 41 : 105].mean() - logits[5 : 5 + 41].mean()))
    order = sorted(range(3), key=lambda layer: -sums[layer])
    years = figures.Years(PROMPT, 40, frozenset(order[:2]))
    found = checks.direct_of_feed_forwards(model, PROMPT, checks.year_objective(model, 40))
    assert found == pytest.approx(sums, abs=1e-4)
    assert checks.check_years(model, years) == []
    assert checks.check_years(model, replace(years, layers=frozenset(order[1:])))


def test_circuits_of_methods(model):
    """The area is that of `circuit_pairs`, which has tests of its own; random edges are random."""
    pairs = [
        ue.PromptPair(clean=PROMPT, corrupted="the mat sat on the mat", answer=" a", wrong="s"),
        ue.PromptPair(clean="the cat", corrupted="the mat", answer=" a", wrong="s"),
    ]
    for estimator in ("gradient", "integrated", None):
        scores = {} if estimator else {"scores": checks.random_scores(model)}
        by = {"estimator": estimator} if estimator else scores
        cmd = ue.circuit_pairs(model, pairs, **by).cmd
        row = figures.Circuits("tiny", estimator, cmd + 0.01, 0.02)
        assert checks.check_circuit(model, row, pairs) == []
        assert checks.check_circuit(model, replace(row, cmd=cmd + 0.03), pairs)
    scores = checks.random_scores(model).scores
    assert len(scores) == ue.circuit_pairs(model, pairs, curve=False, edges=0).n_edges
    assert list(scores.values()) != sorted(scores.values())


@pytest.mark.parametrize(
    ("site", "stem"), [("resid_pre", "resid_pre"), ("attn_out", "attn"), ("mlp_out", "mlp")]
)
def test_how_estimates_agree_with_patching(model, module, site, stem):
    """The gradient's by autograd on what the site is, times its change; cells by hooks."""
    prompt, other = "the cat sat", "the mat sat"
    pair = ue.PromptPair(clean=prompt, corrupted=other, answer=" a", wrong="s")
    ids, others = ids_of(model, prompt), ids_of(model, other)
    places = {
        "resid_pre": [(block, "before") for block in module.transformer.h],
        "attn_out": [(block.attn.c_proj, "after") for block in module.transformer.h],
        "mlp_out": [(block.mlp, "after") for block in module.transformer.h],
    }[site]
    estimated, measured = [], []

    def answer(*hooks):
        logits = run(module, ids, *hooks).logits[0, -1]
        return logits[model.token_id(" a")] - logits[model.token_id("s")]

    for place, kind in places:
        seen = {}

        def keep(_, given, out=None, seen=seen):
            seen["there"] = (given[0] if out is None else out).detach().clone()

        with torch.no_grad():
            run(module, others, (place, kind, keep))
        there = seen["there"]

        def follow(_, given, out=None, seen=seen):
            seen["here"] = (given[0] if out is None else out).detach().requires_grad_()
            return (seen["here"], *given[1:]) if out is None else seen["here"]

        value = answer((place, kind, follow))
        (slope,) = torch.autograd.grad(value, seen["here"])
        estimated += ((seen["here"] - there) * slope).sum(-1)[0].tolist()
        for position in range(len(ids)):

            def put(_, given, out=None, position=position, there=there):
                states = (given[0] if out is None else out).clone()
                states[:, position] = there[:, position]
                return (states, *given[1:]) if out is None else states

            with torch.no_grad():
                measured.append(float(value - answer((place, kind, put))))
    by_hand = float(torch.corrcoef(torch.tensor([estimated, measured]).double())[0, 1])
    row = figures.Agreeing(site, stem, by_hand, 0.0, 1e-3)
    assert checks.agreement(model, [pair], row, "gradient") == pytest.approx(by_hand, abs=1e-3)
    row = replace(row, relp=checks.agreement(model, [pair], row, "relp"))
    assert checks.check_agreement(model, row, [pair]) == []
    assert checks.check_agreement(model, replace(row, gradient=by_hand - 0.01), [pair])
    assert checks.check_agreement(model, replace(row, relp=row.relp - 0.01), [pair])

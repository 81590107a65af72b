"""What an explainer is shown of a node, all of it from sentences that labels are made from.

A null is made of the same: with the activations of those sentences shuffled.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from unembed.analyses.attention.attention import attention, attention_capture
from unembed.analyses.tools.projections import TokenScore
from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.engine.targets import Target
from unembed.explanations.explaining.explainer import Evidence, Looked, Shown
from unembed.explanations.judging.passages import window_of
from unembed.explanations.sample import Sample
from unembed.index.corpus.columns import Mask
from unembed.index.corpus.passes import runs_of
from unembed.index.store import Array


def evidence_of(
    model: Model,
    sample: Sample,
    name: str,
    target: Target | None,
    values: Array,
    active: Mask,
    promotes: Sequence[TokenScore] | None,
    *,
    texts: int,
    window: int,
    cancel: Cancel | None = None,
) -> Evidence:
    """What is shown of one node.

    Args:
        target: of a head, whose pairs of query and key are shown, too; None of a direction.
        values: of the node at every token of the sample.
        active: where it is.
    """
    own = [tokens for tokens in sample.by_sentence() if not sample.held_out[tokens[0]]]
    busy = [tokens for tokens in own if active[tokens].any()]
    busy.sort(key=lambda tokens: -float(values[tokens].max()))
    top = busy[:texts]
    alike = np.isin(sample.ids, np.unique(sample.ids[active & ~sample.held_out]))
    idle = [tokens for tokens in own if not active[tokens].any()]
    idle.sort(key=lambda tokens: (-int(alike[tokens].any()), -float(values[tokens].max())))

    def shown(tokens: Array, marks: Mask) -> Shown:
        text = window_of(model, sample, tokens, values, marks, window)
        marked = tuple(np.flatnonzero(text.active).tolist())
        return Shown(text.passage.tokens, tuple(text.values.tolist()), marked)

    head = target is not None and target.kind == "head"
    return Evidence(
        node=name,
        texts=tuple(shown(tokens, active) for tokens in top),
        near=tuple(shown(tokens, _looks_alike(tokens, values, alike)) for tokens in idle[:texts]),
        looked=looked_of(model, sample, target, values, top, window, cancel)
        if head and target is not None
        else (),
        promotes=tuple(one.token.text for one in promotes or ()),
    )


def _looks_alike(tokens: Array, values: Array, alike: Mask) -> Mask:
    """What of an idle sentence is marked: tokens that are active elsewhere, or its strongest."""
    if alike[tokens].any():
        return alike
    marks = np.zeros(len(values), bool)
    marks[tokens[int(values[tokens].argmax())]] = True
    return marks


def looked_of(
    model: Model,
    sample: Sample,
    target: Target,
    values: Array,
    sentences: Sequence[Array],
    window: int,
    cancel: Cancel | None = None,
) -> tuple[Looked, ...]:
    """Of each sentence where a head is strongest, and the key from which it moves most there.

    What is moved from a key is its weight times the norm of its value behind W_O: weight alone
    rests on the first token of a text where a head has nothing to do. Special tokens, which the
    sample has not, are no keys, and a pair that does not fit into the window is left out.
    """
    layer, head = target.layer, target.head
    if layer is None or head is None:
        return ()
    capture = attention_capture(model, [layer], [head], measure="moved")
    rows = {
        int(sample.rows[tokens[0]] - sample.positions[tokens[0]]): tokens for tokens in sentences
    }
    spans = [span for span in sample.spans if span[0] in rows]
    found: dict[int, Looked] = {}
    for (first, _), run in runs_of(model, sample.columns, spans, capture, cancel=cancel):
        tokens = rows[first]
        moved = attention(run, [layer], [head], measure="moved").values[0].cpu().numpy()
        query = tokens[int(values[tokens].argmax())]
        keys = tokens[: int(np.searchsorted(tokens, query)) + 1]
        row = moved[int(sample.positions[query])]
        key = keys[int(row[sample.positions[keys]].argmax())]
        start = max(0, int(np.searchsorted(tokens, query)) - window + 1)
        shown = tokens[start : start + window]
        if key in shown:
            words = tuple(model.token(int(one)).text for one in sample.ids[shown])
            places = (int(np.searchsorted(shown, one)) for one in (query, key))
            found[first] = Looked(words, *places)
    order = [int(sample.rows[tokens[0]] - sample.positions[tokens[0]]) for tokens in sentences]
    return tuple(found[first] for first in order if first in found)

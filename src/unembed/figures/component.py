"""The page of one component as one HTML file without scripts. Knows no model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from unembed.analyses.component.result import Component, Downstream
from unembed.analyses.tools.projections import TokenScore
from unembed.figures.colours import Colours, choose
from unembed.figures.files import check_path, write_whole
from unembed.figures.nodes import SHADES, no_tokens, node_list, opening, text_of, token_list
from unembed.index.hits import Hit
from unembed.index.live import LivePage

_READS = {
    "score": "Scores of heads, by their query or their key",
    "value": "What heads move of it (norms)",
    "neuron": "Neurons, before their activation",
    "latent": "Latents, before their activation",
}
_BY = {"q": "by its query", "k": "by its key", "v": "by its value", "pre": "", "gate": "its gate"}


def html(
    found: Component,
    vector: LivePage | None = None,
    near: Sequence[Hit] = (),
    *,
    model: str | None = None,
    path: str | Path | None = None,
    title: str | None = None,
    colours: Colours | str | None = None,
) -> str:
    """One HTML file that needs neither network nor scripts.

    Args:
        vector: what the weights say of it, if it is a neuron or a latent.
        near: nodes that write in the most similar direction, beside it.
        model: what it is a node of, for the heading.
        path: a file to write the page to as well, in one step.
        colours: None: light or dark as the reader's system is.

    Raises:
        InputError: no such colours; `path` cannot be written.
    """
    if path is not None:
        check_path(path)
    heading = title or (found.target if model is None else f"{found.target} of {model}")
    chosen = None if colours is None else choose(colours)
    page = "\n".join(_page(found, vector, near, heading, chosen))
    if path is not None:
        write_whole(path, page)
    return page


def _page(
    found: Component,
    vector: LivePage | None,
    near: Sequence[Hit],
    heading: str,
    colours: Colours | None,
) -> Iterator[str]:
    yield from opening(heading, colours)
    yield f"<p>{text_of(found.summary())}</p></header><main>"
    if vector is not None:
        yield "<section><h2>From the weights</h2>"
        yield f"<p>Norm {vector.norm:.4g}, longer than {vector.layer_percentile:.0f} %.</p>"
        yield from no_tokens(vector)
        yield token_list("Promotes", vector.promoted)
        yield token_list("Suppresses", vector.suppressed)
        yield token_list("Gate opens on", vector.gate_promotes or ())
        yield token_list("Fires on", vector.key_promotes)
        yield node_list(
            "Writes alike (cosine)",
            [(one.node, one.score) for one in near if one.node != found.target],
        )
        yield "</section>"
    yield from _on_prompt(found)
    yield from _downstream(found)
    yield "</main></body></html>"


def _on_prompt(found: Component) -> Iterator[str]:
    most = max((abs(one) for one in found.activation), default=0.0) or 1.0
    yield f"<section><h2>On this prompt</h2><p>{text_of(found.activation_name)} at each token</p>"
    yield '<p class="list">'
    for at, (token, value) in enumerate(zip(found.tokens, found.activation, strict=True)):
        shade = round(SHADES * abs(value) / most)
        names = [f"{'n' if value < 0 else 'p'}{shade}"] if shade else []
        names += ["m"] if at == found.position else []
        yield (
            f'<i class="{" ".join(names)}" title="position {at}: {value:.4g}">'
            f"{text_of(token.label)}</i>"
        )
    yield "</p>"
    here = text_of(found.tokens[found.position].label)
    yield (
        f"<p>At {here}, position {found.position}: writes {found.write_norm:.4g} to a stream of "
        f"{found.resid_norm:.4g}.</p>"
    )
    for name, effects in (("Raises", found.promotes), ("Lowers", found.suppresses)):
        yield token_list(name, [TokenScore(one.token, one.logit) for one in effects])
    if found.attends_to is not None:
        tokens = found.source_tokens or found.tokens
        shares = sorted(zip(found.attends_to, tokens, strict=True), key=lambda one: -one[0])
        yield token_list("Looks at", [TokenScore(token, share) for share, token in shares])
    yield "</section>"


def _downstream(found: Component) -> Iterator[str]:
    if found.downstream_reason is not None:
        yield f"<section><h2>Where it acts</h2><p>{text_of(found.downstream_reason)}.</p></section>"
    if not found.downstream:
        return
    yield "<section><h2>Where it acts</h2>"
    yield "<p>What later nodes read of its write directly, the norms held: effect, of all it reads."
    yield "</p>"
    by_kind: dict[str, list[Downstream]] = {}
    for one in found.downstream:
        by_kind.setdefault(one.kind, []).append(one)
    for kind, some in by_kind.items():
        said = "; ".join(
            f"<b>{text_of(one.node)}</b> {_BY[one.through]} {one.effect:+.3g} of {one.value:.3g}"
            for one in some
        )
        yield f'<p class="list"><span>{_READS[kind]}</span> {said}</p>'
    yield "</section>"

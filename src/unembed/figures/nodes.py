"""Pages of nodes as one HTML file without scripts. Knows no model."""

from __future__ import annotations

import html as escaping
from collections.abc import Iterator, Sequence
from pathlib import Path

from unembed.analyses.tools.projections import TokenScore
from unembed.figures.colours import Colours, choose
from unembed.figures.files import check_path, write_whole
from unembed.figures.page import asset, style
from unembed.figures.text import isolate
from unembed.index.corpus.examples_result import CorpusExample, CorpusExamples, Histogram
from unembed.index.corpus.hits import CorpusToken
from unembed.index.corpus.pages import NodePage, NodePages
from unembed.index.live import LivePage

LISTED = 12  # tokens of a list
SHADES = 8  # of a token's background
_TITLES = {"top": "Strongest, one token of each sentence", "random": "At random"}


def html(
    pages: NodePages,
    *,
    path: str | Path | None = None,
    title: str | None = None,
    colours: Colours | str | None = None,
) -> str:
    """One HTML file, a section for each node, that needs neither network nor scripts.

    Args:
        path: a file to write the page to as well, in one step.
        colours: None: light or dark as the reader's system is.

    Raises:
        InputError: no such colours; `path` cannot be written.
    """
    if path is not None:
        check_path(path)
    heading = title or f"{len(pages.items):,} nodes of {pages.model}"
    page = "\n".join(_page(pages, heading, None if colours is None else choose(colours)))
    if path is not None:
        write_whole(path, page)
    return page


def _page(pages: NodePages, heading: str, colours: Colours | None) -> Iterator[str]:
    yield from opening(heading, colours)
    yield (
        f"<p>Tokens are of the corpus {text_of(pages.corpus)}, coloured by the activation there; "
        "the one that an example is listed for is underlined, the one that a head attends to most "
        "from there dotted.</p></header>"
    )
    links = (f'<a href="#{_anchor(one.node)}">{text_of(one.node)}</a>' for one in pages.items)
    yield f"<nav>{' '.join(links)}</nav><main>"
    for item in pages.items:
        yield from _node(item)
    yield "</main><footer><h2>Where these numbers come from</h2><dl>"
    facts = [("model", pages.model), ("fingerprint", pages.fingerprint), ("corpus", pages.corpus)]
    for name, value in (*facts, *(("attached", one) for one in pages.attached)):
        yield f"<div><dt>{text_of(name)}</dt><dd>{text_of(value)}</dd></div>"
    yield "</dl></footer></body></html>"


def opening(heading: str, colours: Colours | None) -> Iterator[str]:
    """How a page without scripts begins, up to what its header says below the heading."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    yield '<meta name="generator" content="Unembed">'
    yield f"<title>{text_of(heading)}</title>"
    yield f"<style>{style(colours)}\n{asset('nodes.css')}\n{shades()}</style></head><body>"
    yield f"<header><h1>{text_of(heading)}</h1>"


def _node(page: NodePage) -> Iterator[str]:
    seen = page.examples
    yield f'<section id="{_anchor(page.node)}"><h2>{text_of(page.node)}</h2>'
    yield (
        f"<p>{text_of(seen.measured)}: above {seen.threshold:g} at {seen.density:.2%} of "
        f"{seen.n:,} tokens, mean {seen.mean:.4g}, most {seen.most:.4g}.</p>"
    )
    if seen.histogram is not None:
        yield _bars(seen.histogram)
    if page.vector is not None:
        yield from no_tokens(page.vector)
        yield token_list("Promotes", page.vector.promoted)
        yield token_list("Suppresses", page.vector.suppressed)
        yield token_list("Fires on", page.vector.key_promotes)
    if page.reason is not None:
        yield f"<p>{text_of(page.reason)}</p>"
    yield node_list("Writes alike (cosine)", [(one.node, one.cosine) for one in page.near])
    yield node_list("Active together (correlation)", [(o.node, o.correlation) for o in seen.alike])
    yield from _examples(seen)
    yield "</section>"


def no_tokens(vector: LivePage) -> Iterator[str]:
    """In place of the tokens that a node promotes, where it promotes none."""
    if vector.promoted_reason is not None:
        yield f"<p>It promotes no token: {text_of(vector.promoted_reason)}.</p>"


def token_list(title: str, scores: Sequence[TokenScore]) -> str:
    """A line of tokens, each with its score."""
    if not scores:
        return ""
    chips = " ".join(
        f'<code title="{one.score:.4g}">{text_of(one.token.label)}</code>'
        for one in scores[:LISTED]
    )
    return f'<p class="list"><span>{title}</span> {chips}</p>'


def node_list(title: str, nodes: Sequence[tuple[str, float]]) -> str:
    """A line of nodes, each with a number."""
    if not nodes:
        return ""
    said = ", ".join(f"<b>{text_of(name)}</b> {value:.2f}" for name, value in nodes)
    return f'<p class="list"><span>{title}</span> {said}</p>'


def _bars(found: Histogram) -> str:
    """How often each activation is, as bars from the least to the most."""
    most = max(found.counts)
    bars = "".join(
        f'<rect x="{4 * at}" width="3" y="{40 - 40 * count / most:.1f}" '
        f'height="{40 * count / most:.1f}"><title>{found.edges[at]:.3g} to '
        f"{found.edges[at + 1]:.3g}: {count:,}</title></rect>"
        for at, count in enumerate(found.counts)
    )
    width = 4 * len(found.counts)
    said = f"{found.edges[0]:.3g} to {found.edges[-1]:.3g}, {sum(found.counts):,} tokens"
    return (
        f'<figure><svg viewBox="0 0 {width} 40" width="{2 * width}" height="60" role="img" '
        f'aria-label="Histogram of activations, {said}" preserveAspectRatio="none">{bars}</svg>'
        f"<figcaption>activations where it is active: {said}</figcaption></figure>"
    )


def _examples(seen: CorpusExamples) -> Iterator[str]:
    most = max(abs(seen.most), abs(seen.least), 1e-9)
    said = ""
    for one in seen.items:
        title = _TITLES.get(one.group) or f"Weaker at {one.quantile or 0:.0%} of the tokens"
        if title != said:
            yield f"{'</ol>' if said else ''}<h3>{title}</h3><ol>"
            said = title
        yield f"<li><span>{one.value:.3g}</span> {_sentence(one, most)}</li>"
    if said:
        yield "</ol>"


def _sentence(example: CorpusExample, most: float) -> str:
    """The text, each piece in the shade of its strongest token; text without one is plain."""
    parts = []
    for text, tokens in pieces_of(example.text, example.tokens):
        value = max((example.values[at] for at in tokens), key=abs, default=0.0)
        shade = round(SHADES * min(abs(value) / most, 1.0))
        names = [f"{'n' if value < 0 else 'p'}{shade}"] if shade else []
        names += ["m"] if example.position in tokens else []
        names += ["a"] if example.attended in tokens else []
        said = _escaped(text)
        parts.append(
            f'<i class="{" ".join(names)}" title="{value:.3g}">{said}</i>' if names else said
        )
    return f"<bdi>{''.join(parts)}</bdi>"


def pieces_of(text: str, tokens: Sequence[CorpusToken]) -> list[tuple[str, list[int]]]:
    """The text cut at its tokens, with the positions of those that each piece is of: several where
    they are bytes of the same characters, none of white space that no token has.
    """
    found: list[tuple[str, list[int]]] = []
    at = 0
    for token in tokens:
        start, end = token.start, token.end
        if start is None or end is None or end <= start:
            continue
        if start < at:
            if found:
                found[-1][1].append(token.position)
            continue
        if start > at:
            found.append((text[at:start], []))
        found.append((text[start:end], [token.position]))
        at = end
    return [*found, (text[at:], [])] if at < len(text) else found


def shades() -> str:
    """The backgrounds p1 to p8 and n1 to n8 of tokens."""
    rule = "i.{0}{1} {{ background: color-mix(in srgb, var(--{2}) {3}%, transparent); }}"
    return "\n".join(
        rule.format(letter, shade, name, round(55 * shade / SHADES))
        for letter, name in (("p", "positive"), ("n", "negative"))
        for shade in range(1, SHADES + 1)
    )


def _anchor(node: str) -> str:
    return escaping.escape(node)


def text_of(text: str) -> str:
    """Text as HTML has it, whatever its direction."""
    return escaping.escape(isolate(text))


def _escaped(text: str) -> str:
    return escaping.escape(text)

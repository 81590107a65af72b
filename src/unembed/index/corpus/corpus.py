"""Asking a corpus: tokens like one of a prompt, by state or by context; by word and label; by both.

What comes back is exact: every token that the filter leaves is compared, and those that may be
listed are compared again in double precision. Of a large corpus, where nothing is filtered, lists
of like tokens say which are compared, and the answer says what that finds. Thread-safe for reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex, get_args

import numpy as np
from torch import Tensor

from unembed.engine.cancel import Cancel
from unembed.engine.loaded import Prompt
from unembed.engine.model import Model
from unembed.engine.names.sites import resolve_position
from unembed.engine.passes.run import Run
from unembed.errors import InputError
from unembed.index.corpus.about import CorpusAbout, ListsAbout, Site, state_of
from unembed.index.corpus.attending import attention_from, checked_heads, most_attended
from unembed.index.corpus.collected import Collected, CollectedAbout
from unembed.index.corpus.columns import Mask, TokenColumns
from unembed.index.corpus.compare import Matrices, Query, best_rows, query_of
from unembed.index.corpus.hits import CorpusHit, CorpusHits, CorpusToken
from unembed.index.corpus.listing import Listing
from unembed.index.corpus.lists import SiteLists
from unembed.index.corpus.narrowing import chosen_of, fits, token_of
from unembed.index.corpus.options import (
    CorpusFilter,
    CorpusSearchOptions,
    CorpusSentencesOptions,
    Of,
)
from unembed.index.corpus.rows import Rows
from unembed.index.corpus.sentences import CorpusSentence, CorpusSentences
from unembed.index.corpus.states import CONTEXT
from unembed.index.corpus.summary import CorpusSummary
from unembed.index.corpus.summing import summed_up
from unembed.index.weights import SameWeights
from unembed.options import given

if TYPE_CHECKING:
    from jaxtyping import Float

SEARCH = CorpusSearchOptions()
SENTENCES_OF = CorpusSentencesOptions()


class Corpus:
    """A corpus as one model reads it. Make one with `index_corpus` or `open_corpus`."""

    def __init__(
        self,
        model: Model,
        about: CorpusAbout,
        sites: Sequence[Site],
        rows: Rows,
        lists: Mapping[str, ListsAbout],
        collected: CollectedAbout | None,
    ) -> None:
        self.about, self.model = about, model
        self.sites = tuple(sites)
        self._rows = rows
        self._weights = SameWeights(model, about.fingerprint)
        self.columns = TokenColumns(rows)
        self.collected = Collected(rows, collected)
        self._listing = Listing(model, rows, self.columns, about)
        self._lists = SiteLists(rows, about.n_tokens, lists)
        self._matrices = Matrices(
            rows, about.n_tokens, model.settings.index_cache_bytes, self._lists
        )

    def __len__(self) -> int:
        return self.about.n_tokens

    def __repr__(self) -> str:
        return f"Corpus({self.about.summary()})"

    @property
    def version(self) -> Path:
        """The folder that was opened: another one is published by a build that replaces it."""
        return self._rows.version

    @property
    def bytes_in_memory(self) -> int:
        """What the vectors that were searched take."""
        return self._matrices.bytes

    # ------------------------------------------------------------ searching

    def search(
        self,
        prompt: Prompt | Run | None = None,
        position: int = -1,
        layer: int | None = None,
        *,
        options: CorpusSearchOptions = SEARCH,
        **changes: Any,
    ) -> CorpusHits:
        """Tokens whose state or context is nearest to that of a token of a prompt.

        Args:
            prompt: or a run, edited or not, that captured what is compared (`required_capture`);
                None: what the filter leaves, in the order of the texts, without a score.
            position: which token of it; a negative one counts from the end.
            layer: whose states are compared; absent: the last that is kept.
            options: by what, among which tokens, and how many; `changes` are single ones, as in
                `by="context", heads=(3,), pos=("VERB",), near=("bank",)`.

        The score is the cosine; of several heads the mean of theirs (`weighting`). It is exact in
        any case; the `recall` of the answer is None where every token was compared.

        Raises:
            InputError: a layer that is not kept, a head or label that there is not, a run of
                another model, a corpus of weights that were changed since.
            PromptError, TargetError: as `Model.run`, for a prompt or position.
        """
        asked = options.changed(**given(layer=layer), **changes)
        self.check_current()
        mask = self.columns.mask(asked.only(CorpusFilter))
        if prompt is None:
            return self.narrowed(self._listed(mask, asked), asked)
        site = self.site(asked)
        run = prompt
        if not isinstance(run, Run):
            run = self.model.run(run, capture=[site.name], logits="none")
        self._check_run(run)
        at = resolve_position(position, len(run.ids), "position")
        query = query_of(run[site.name][at], site, asked)
        wanted = asked.offset + asked.limit
        total = int(np.count_nonzero(mask))
        recall = self._recall(site, query, total, asked)
        rows, scores = best_rows(
            self._matrices.of(site), query, mask, wanted, by_lists=recall is not None
        )
        shown = slice(asked.offset, wanted)
        items = self._listing.hits(rows[shown], scores[shown], asked.offsets or ())
        found = CorpusHits(
            corpus=self.about.name,
            site=site.name,
            by=asked.by,
            heads=query.heads if site.site == CONTEXT else None,
            weighting=asked.weighting if site.site == CONTEXT else None,
            query=run.tokens[at],
            total=total,
            items=items,
            listed=len(items),
            recall=recall,
            offsets=asked.offsets or (),
        )
        return self.narrowed(found, asked)

    def _recall(
        self, site: Site, query: Query, total: int, asked: CorpusSearchOptions
    ) -> float | None:
        """What a search by lists of like tokens finds; None: every token is compared.

        It was measured for whole vectors, among all tokens of the texts: of single heads, of heads
        that count otherwise, or behind a filter, nothing is known.
        """
        small = self.about.n_tokens <= self.model.settings.exact_search_tokens
        other = len(query.heads) < site.heads or asked.weighting != "equal"
        if small or other or asked.exact or total < self.columns.n_words:
            return None
        return self._lists.recall(site, asked.offset + asked.limit)

    def narrowed(self, hits: CorpusHits, options: CorpusSearchOptions) -> CorpusHits:
        """Hits with the labels counted that options ask for, narrowed to the labels they choose.

        Raises InputError for a choice that means nothing, and as `summarise`.
        """
        chosen = chosen_of(options.narrow or (), options.summarise or "match")
        of = {options.summarise, *(one for one, _ in chosen)}
        said = {options.summarise: "summarise"}
        if "next" in of:
            self._check_next(said.get("next", "narrow"))
        if "attended" in of:
            self._site_of(hits, said.get("attended", "narrow"))
            hits = self.with_attended(hits)
        labels = None
        if options.summarise is not None:
            labels = summed_up(self.columns, hits.items, options.summarise, chosen)
        left = tuple(hit for hit in hits.items if fits(hit, chosen))
        return replace(hits, items=left, labels=labels)

    def required_capture(
        self, *, options: CorpusSearchOptions = SEARCH, **changes: Any
    ) -> tuple[str, ...]:
        """What a run must have captured for `search` with the same options."""
        return (self.site(options.changed(**changes)).name,)

    def site(self, options: CorpusSearchOptions) -> Site:
        """What a search compares; raises InputError where it is not kept."""
        wanted = CONTEXT if options.by == "context" else state_of(self.sites)
        fitting = [site for site in self.sites if site.site == wanted]
        if options.layer is not None:
            fitting = [site for site in fitting if site.layer == options.layer]
        if not fitting:
            kept = ", ".join(site.name for site in self.sites)
            where = "" if options.layer is None else f" of layer {options.layer}"
            raise InputError(
                f"the corpus {self.about.name!r} keeps no {options.by}{where}: it has {kept}",
                field="by" if options.layer is None else "layer",
                value=options.by if options.layer is None else options.layer,
                legal=kept,
                fix="add it: index_corpus with the same files and name, and this layer",
            )
        return fitting[-1]

    def _listed(self, mask: Mask, asked: CorpusSearchOptions) -> CorpusHits:
        rows = np.flatnonzero(mask)
        shown = rows[asked.offset : asked.offset + asked.limit]
        offsets = asked.offsets or ()
        items = self._listing.hits(shown, None, offsets)
        return CorpusHits(
            corpus=self.about.name,
            site=None,
            by=None,
            heads=None,
            weighting=None,
            query=None,
            total=len(rows),
            items=items,
            listed=len(items),
            offsets=offsets,
        )

    def check_current(self) -> None:
        """Raise InputError where the model's weights were changed since."""
        if not self._weights.hold():
            raise InputError(
                f"this corpus is of {self.about.fingerprint}, and the weights (or the tokenizer) "
                f"of {self.model.name} were changed since: it is {self.model.fingerprint} now",
                field="model",
                value=self.model.fingerprint,
                legal=f"a corpus of fingerprint {self.about.fingerprint}",
                fix="build it again, in another folder or with restart=True",
            )

    def _check_run(self, run: Run) -> None:
        own = self.about.fingerprint
        if run.model is not self.model and run.model.fingerprint != own:
            raise InputError(
                f"the run is one of {run.model.name}, {run.model.fingerprint}; this corpus is of "
                f"{self.about.model}, {own}: states of two models cannot be compared",
                field="prompt",
                value=run.model.fingerprint,
                legal=f"a run of the model of fingerprint {own}",
                fix="run the prompt with the model of the corpus",
            )

    # ------------------------------------------------------------ what they have in common

    def summarise(self, hits: CorpusHits, of: Of = "match") -> CorpusSummary:
        """Labels of what was found, each beside its base rate in the corpus, with lift.

        Args:
            of: "match", the tokens that were found; "next", those after them, of a model that
                reads from left to right; "attended", those that they attend to most in the layer
                that was compared, by the mean of the heads that were (all, for hidden states),
                special tokens left out. That is computed anew, in a run for each hit.

        Raises InputError where there is nothing to sum up, or no label.
        """
        if of not in get_args(Of):
            legal = '"match", "next" or "attended"'
            raise InputError(f"of is {of!r}; it must be {legal}", field="of", value=of, legal=legal)
        if of == "attended":
            hits = self.with_attended(hits)
        if of == "next":
            self._check_next("of")
        if not any(token_of(hit, of) for hit in hits.items):
            message = "there is no token to sum up"
            raise InputError(message, field="hits", value=0, legal="at least one")
        return summed_up(self.columns, hits.items, of, {})

    def attention(
        self, hit: CorpusHit, layer: int, heads: Sequence[int] | None = None
    ) -> Float[Tensor, " key"]:
        """Attention from a hit to each token of its sentence, the mean of heads of a layer.

        Computed anew. Raises TargetError for a layer, InputError for a head that there is not or
        weights that were changed since, CapabilityError where the layer has none.
        """
        self.check_current()
        tokens = self.tokens(hit.sentence)
        return attention_from(self.model, tokens, hit.match.position, layer, heads)

    def with_attended(self, hits: CorpusHits, cancel: Cancel | None = None) -> CorpusHits:
        """Hits with the token that each attends to most, no special ones; see `summarise`.

        `cancel` is checked before every layer of every run.
        """
        if all(hit.attended is not None for hit in hits.items):
            return hits
        self.check_current()
        layer = self._site_of(hits, "hits").layer
        found = []
        for hit in hits.items:
            tokens = self.tokens(hit.sentence)
            row = attention_from(self.model, tokens, hit.match.position, layer, hits.heads, cancel)
            found.append(replace(hit, attended=most_attended(tokens, row)))
        return replace(hits, items=tuple(found))

    def _site_of(self, hits: CorpusHits, field: str) -> Site:
        site = next((one for one in self.sites if one.name == hits.site), None)
        if site is None:
            raise InputError(
                "these hits have no layer whose attention could be summed up: they were found "
                "without a prompt",
                field=field,
                legal="hits of a search with a prompt",
            )
        return site

    def _check_next(self, field: str) -> None:
        if self.model.kind != "causal":
            raise InputError(
                f"{self.model.name} does not read from left to right: no token is its next one",
                field=field,
                value="next",
                legal='"match" or "attended"',
            )

    # ------------------------------------------------------------ looking

    def tokens(self, sentence: int) -> tuple[CorpusToken, ...]:
        """The tokens of one sentence, as the model read them, with their labels."""
        return self._listing.sentence(sentence)

    def sentences(
        self,
        rows: Sequence[int],
        layer: int | None = None,
        *,
        options: CorpusSentencesOptions = SENTENCES_OF,
        cancel: Cancel | None = None,
        **changes: Any,
    ) -> CorpusSentences:
        """The sentence of each of these tokens; with a layer, what the token attends to in it.

        Args:
            rows: numbers of tokens in the corpus, as `CorpusHit.row` has them.
            layer: whose attention is computed, in a run for each row; absent: none.
            options: `changes` are single ones, as in `heads=(3,)`: the mean of these.

        Raises InputError for a row or head that there is not, or weights that were changed since;
        TargetError for a layer that there is not, CapabilityError for one without heads.
        """
        asked = options.changed(**given(layer=layer), **changes)
        self.check_current()
        rows = self._checked_rows(rows)
        heads = None
        if asked.layer is not None:
            heads = checked_heads(self.model, asked.layer, asked.heads)
        starts, numbers = self._listing.starts, self._listing.sentence_of(rows)
        tokens = self._listing.sentences(sorted(set(numbers)))
        found = []
        for row, number in zip(rows, numbers, strict=True):
            own, at, attention = tokens[number], row - int(starts[number]), None
            if asked.layer is not None:
                row_of = attention_from(self.model, own, at, asked.layer, heads, cancel)
                attention = tuple(row_of.tolist())
            text = self.text(number)
            found.append(CorpusSentence(row, number, at, text, own, attention))
        return CorpusSentences(self.about.name, asked.layer, heads, tuple(found))

    def _checked_rows(self, rows: Sequence[int]) -> list[int]:
        for row in rows:
            if not isinstance(row, SupportsIndex) or not 0 <= int(row) < self.about.n_tokens:
                legal = f"0-{self.about.n_tokens - 1}"
                raise InputError(
                    f"row {row!r} is not in {self.about.name!r}: it has {legal}",
                    field="rows",
                    value=row,
                    legal=legal,
                )
        return [int(row) for row in rows]

    def text(self, sentence: int) -> str:
        """One sentence."""
        return self._listing.text(sentence)

    def token_ids(self) -> Iterator[tuple[int, ...]]:
        """The ids of each sentence that has tokens, in order, as the model read them."""
        for _, ids in self._rows.ids(0):
            yield ids

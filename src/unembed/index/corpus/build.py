"""Building a corpus: files to sentences to tokens to vectors, resumable, published in one step.

A stretch of text is tagged in another process while the model reads the one before. What is kept
first is the text; vectors follow, so that layers can be added to a corpus that is there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from unembed.analyses.tools.checks import chosen
from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.errors import InputError
from unembed.index.build import versions_of
from unembed.index.corpus.about import CorpusPlan, ListsAbout, Site, checked_name, facts_of
from unembed.index.corpus.adding import Base, base_of, same_sites
from unembed.index.corpus.corpus import Corpus, open_folder
from unembed.index.corpus.estimate import CorpusEstimate, estimate, expected_tokens
from unembed.index.corpus.folder import CorpusFolder, check_same
from unembed.index.corpus.lists import make_lists
from unembed.index.corpus.options import CorpusOptions
from unembed.index.corpus.pieces import Piece, pieces, sources
from unembed.index.corpus.reading import check_readable
from unembed.index.corpus.rows import SENTENCES, TOKENS, Rows
from unembed.index.corpus.states import add_states, sites_for
from unembed.index.corpus.stretches import read_stretch, token_rows
from unembed.index.corpus.tagging import Tagger, tagger
from unembed.index.store import to_numpy
from unembed.models.progress import Progress
from unembed.options import given

DEFAULTS = CorpusOptions()
STRETCH_CHARS = 60_000  # tagged and appended at once: some 15,000 tokens
BATCH_BYTES = 256 * 1024 * 1024  # of states that are held before they are appended


def index_corpus(
    model: Model,
    files: Sequence[Path | str] | Path | str,
    name: str,
    layers: Sequence[int] | None = None,
    *,
    options: CorpusOptions = DEFAULTS,
    folder: Path | str | None = None,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> Corpus:
    """Read files as a model reads them, and keep its states for every token.

    A build that was interrupted goes on where it stopped; to a corpus that is there, layers are
    added without reading the files again, and with `add` files. Until it is whole, what was there
    before stays.

    Args:
        files: texts (UTF-8), .jsonl, .parquet, .conllu, or folders of data sets.
        name: of the corpus: its folder.
        layers: whose states are kept, 0-based; absent: all.
        options: how texts become sentences, and what is kept; `changes` are single ones, as in
            `spacy="en_core_web_sm", kept="context"`. With `add`, files that the corpus of this name
            does not have are added to it, read and kept as the others were: give the same options.
            Its layers may be left out.
        folder: where to keep it, instead of the cache; the name is a folder below.
        cancel: checked before every layer; what was finished is kept.
        progress: called with (rate in words, tokens done, tokens expected in all).

    Raises:
        InputError: a file that cannot be read, a layer or column that there is not, a spaCy
            pipeline that is not installed, or another corpus of this name.
        IndexMissingError: `add`, and there is no corpus of this name.
        CapabilityError: an encoder-decoder, or a tokenizer that does not say places.
        LoadError: the disk is full or cannot be written, or spaCy's process ended.
        CancelledError: `cancel` was set.
    """
    asked = chosen(options, given(layers=layers) | changes, {})
    builder = _Builder(model, files, name, asked, folder, cancel)
    with builder.folder.locked(progress):
        builder.build(progress)
    return open_folder(model, builder.folder)


def estimate_corpus(
    model: Model,
    files: Sequence[Path | str] | Path | str,
    layers: Sequence[int] | None = None,
    *,
    options: CorpusOptions = DEFAULTS,
    cancel: Cancel | None = None,
    **changes: Any,
) -> CorpusEstimate:
    """What `index_corpus` of the same would take, from samples of the files; takes seconds.

    Raises as `index_corpus` does.
    """
    asked = chosen(options, given(layers=layers) | changes, {})
    check_readable(model)
    paths, _ = sources(_listed(files))
    sites = sites_for(model, asked.layers, asked.kept, asked.state)
    with closing(tagger(asked.spacy)) as words:
        return estimate(model, paths, sites, asked, words, cancel)


def _listed(files: Sequence[Path | str] | Path | str) -> list[Path | str]:
    return [files] if isinstance(files, str | Path) else list(files)


class _Builder:
    """One build; whoever calls `build` holds the lock of its folder."""

    def __init__(
        self,
        model: Model,
        files: Sequence[Path | str] | Path | str,
        name: str,
        options: CorpusOptions,
        folder: Path | str | None,
        cancel: Cancel | None,
    ) -> None:
        check_readable(model)
        if options.add and options.restart:
            raise InputError(
                "add keeps what is there, and restart builds it anew: one of the two",
                field="add",
                value=True,
                legal="without restart",
                fix="leave restart out; or build with all of the files and restart",
            )
        self.model, self.options, self.name, self.cancel = model, options, name, cancel
        self.paths, self.sources = sources(_listed(files))
        self.folder = CorpusFolder.of(model, checked_name(name), folder)
        self.sites = sites_for(model, options.layers, options.kept, options.state)
        self.longest = min(options.max_tokens, model.max_positions)
        self.special = {int(one) for one in getattr(model.tokenizer, "all_special_ids", ())}

    def build(self, progress: Progress | None) -> None:
        """Build what is not there yet, and publish it."""
        with closing(tagger(self.options.spacy)) as words:
            plan, base = self._with_base(self._plan(words.name))
            version = None if base is not None else self._published(plan)
            there = () if version is None else self.folder.sites(version)
            lists = {} if version is None else self.folder.lists(version)
            if version is not None and set(self.sites) <= set(there) and self._listed(version):
                return
            expected = expected_tokens(self.model, self.paths, self.options)
            self._check_room(expected, version is None)
            rows = Rows(self.folder, version or self._draft(plan, base))
            rows.mend()
            watch = _Watch(progress, expected + (base.n_tokens if base else 0), self.cancel)
            self._catch_up(rows, watch)
            if version is None:
                self._read_on(rows, words, watch, base.n_pieces if base else 0)
        self._publish(rows, plan, there, lists, progress)

    def _plan(self, spacy: str) -> CorpusPlan:
        options = self.options
        return CorpusPlan(
            fingerprint=self.model.fingerprint,
            model=self.model.name,
            name=self.name,
            files=self.sources,
            split=options.split,
            max_tokens=self.longest,
            spacy=spacy,
            column=options.column,
        )

    def _with_base(self, plan: CorpusPlan) -> tuple[CorpusPlan, Base | None]:
        """The plan, and the corpus that files are added to; None: to none, or they are there."""
        if not self.options.add:
            return plan, None
        base = base_of(self.model, self.folder, plan)
        options = self.options
        layers = options.layers or sorted({site.layer for site in base.sites})
        asked = sites_for(self.model, layers, options.kept, options.state)
        self.sites = same_sites(base, asked, self.name)
        self.paths = [
            path
            for path, source in zip(self.paths, self.sources, strict=True)
            if source not in base.plan.files
        ]
        return base.grown(plan), base if self.paths else None

    def _draft(self, plan: CorpusPlan, base: Base | None) -> Path:
        if base is None:
            return self.folder.draft(plan)
        return self.folder.draft(plan, base.version, base.tables)

    def _published(self, plan: CorpusPlan) -> Path | None:
        """The version that is there with these rows; raises InputError where it has others."""
        if self.options.restart:
            self.folder.forget_broken_pointer()
            self.folder.drop_drafts()
            return None
        version = self.folder.published()
        if version is None:
            return None
        old, about = self.folder.read(version)
        check_same(self.model, old, self.folder)
        if old != plan:
            raise InputError(
                f"there is a corpus {self.name!r} already, of other files or split otherwise: "
                f"{about.n_sentences:,} {about.split} of {', '.join(about.files)}, labels by "
                f"{about.spacy or 'nobody'}",
                field="name",
                value=self.name,
                fix="choose another name; add=True (--add) adds files to it, restart=True "
                "(--restart) replaces it",
            )
        return version

    def _check_room(self, tokens: int, anew: bool) -> None:
        """Raise LoadError where the disk has no room for what is expected."""
        each = sum(site.bytes_each for site in self.sites)
        self.folder.check_room(tokens * each + (self._plan("").expected_bytes if anew else 0))

    # ------------------------------------------------------------ stages

    def _catch_up(self, rows: Rows, watch: _Watch) -> None:
        """Vectors of sentences that are kept already: of a layer that is new, or after a kill."""
        by_rows: dict[int, list[Site]] = {}
        for site in self.sites:
            by_rows.setdefault(rows.n_vectors(site), []).append(site)
        for first, sites in sorted(by_rows.items()):
            if first < rows.n_tokens:
                watch.begin_at(first)
                self._add_states(rows, rows.ids(first), sites, watch)
        watch.begin_at(rows.n_tokens)

    def _add_states(
        self,
        rows: Rows,
        sentences: Iterator[tuple[int, tuple[int, ...]]],
        sites: Sequence[Site],
        watch: _Watch,
    ) -> None:
        """Vectors of sentences that follow one another, as many at once as memory holds."""
        most = max(1024, BATCH_BYTES // (4 * sum(site.width for site in sites)))
        batch: list[tuple[int, ...]] = []
        first, held = 0, 0
        for start, ids in sentences:
            if batch and held + len(ids) > most:
                add_states(self.model, rows, sites, first, batch, self.cancel, watch.add)
                batch, held = [], 0
            first = start if not batch else first
            batch.append(ids)
            held += len(ids)
        if batch:
            add_states(self.model, rows, sites, first, batch, self.cancel, watch.add)

    def _read_on(self, rows: Rows, words: Tagger, watch: _Watch, n_before: int) -> None:
        """Read the files from the first piece that is not kept: text first, then its vectors.

        `n_before` pieces are of files that were there, and are not looked at.
        """
        lines = self.options.split == "lines"
        stretches = self._stretches(rows.n_pieces, lines, n_before)
        whole = self.options.split != "sentences"
        ahead = next(stretches, None)
        if ahead is not None:
            words.submit([piece for _, piece in ahead], whole)
        while ahead is not None:
            numbered, found = ahead, words.result()
            ahead = next(stretches, None)
            if ahead is not None:
                words.submit([piece for _, piece in ahead], whole)
            stretch = read_stretch(self.model, numbered, found, self.longest)
            first = rows.n_tokens
            if stretch.sentences:
                rows.add_sentences(stretch, self.special)
                self._add_states(rows, token_rows(stretch, first), self.sites, watch)

    def _stretches(self, first: int, lines: bool, number: int) -> Iterator[list[tuple[int, Piece]]]:
        """Pieces with their running numbers, from number `first` on, some at a time.

        `number` is that of the first piece of the files.
        """
        held: list[tuple[int, Piece]] = []
        size = 0
        for path in self.paths:
            for piece in pieces(path, column=self.options.column, lines=lines):
                if self.cancel is not None:
                    self.cancel.check()
                if number >= first:
                    held.append((number, piece))
                    size += len(piece.text)
                number += 1
                if size >= STRETCH_CHARS:
                    yield held
                    held, size = [], 0
        if held:
            yield held

    def _listed(self, version: Path) -> bool:
        """Whether a version that is published has all the lists that it is to have."""
        about = self.folder.read(version)[1]
        small = about.n_tokens <= self.model.settings.exact_search_tokens
        return small or set(about.sites) <= set(self.folder.lists(version))

    def _publish(
        self,
        rows: Rows,
        plan: CorpusPlan,
        there: tuple[Site, ...],
        lists: dict[str, ListsAbout],
        progress: Progress | None,
    ) -> None:
        """Say what is whole now; `there` and `lists` were before."""
        sites = (*there, *(one for one in self.sites if one not in there))
        if not rows.n_tokens:
            raise InputError(
                f"there is no sentence in {', '.join(path.name for path in self.paths)} that "
                f"{self.model.name} reads",
                field="files",
                value=[path.name for path in self.paths],
                legal="files with text",
            )
        # not what is published already: readers have it open, and know its files by their sizes
        added = [site.name for site in sites if site not in there]
        for name in added if there else (SENTENCES, TOKENS, *added):
            rows.optimise(name)
        lists |= self._make_lists(rows, [one for one in sites if one.name not in lists], progress)
        facts = facts_of(sites, rows.counts(), versions_of(self.model), lists)
        self.folder.publish(rows.version, plan, facts)

    def _make_lists(
        self, rows: Rows, sites: Sequence[Site], progress: Progress | None
    ) -> dict[str, ListsAbout]:
        """Lists of like tokens, by site; none of a corpus whose every token is compared."""
        if rows.n_tokens <= self.model.settings.exact_search_tokens:
            return {}
        words = to_numpy(rows.column(TOKENS, "special")) == 0
        made = {}
        for order, site in enumerate(sites):
            if progress is not None:
                progress(f"lists of like tokens, {site.name}", order, len(sites))
            made[site.name] = make_lists(rows, site, words, self.cancel)
        return made


class _Watch:
    """How far a build is, for the one who watches: tokens, and how many a second."""

    def __init__(self, progress: Progress | None, expected: int, cancel: Cancel | None) -> None:
        self._progress, self._expected, self._cancel = progress, expected, cancel
        self._done = self._kept = 0
        self._since = time.monotonic()

    def begin_at(self, tokens: int) -> None:
        """Tokens that are kept from before count as done, and for no rate."""
        self._kept = tokens
        self._done = 0
        self._since = time.monotonic()

    def add(self, tokens: int) -> None:
        """So many more are whole. Raises CancelledError."""
        self._done += tokens
        if self._cancel is not None:
            self._cancel.check()
        if self._progress is not None:
            done = self._kept + self._done
            rate = self._done / max(1e-6, time.monotonic() - self._since)
            self._progress(f"{rate:,.0f} tokens a second", done, max(done, self._expected))

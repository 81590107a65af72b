"""Building a corpus: files to sentences to tokens to vectors, resumable, published in one step.

A stretch of text is tagged in another process while the model reads the one before. What is kept
first is the text; vectors follow, so that layers can be added to a corpus that is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from unembed.analyses.tools.checks import chosen
from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.errors import InputError
from unembed.index.bucket import checked_tables
from unembed.index.build import versions_of
from unembed.index.corpus import cluster
from unembed.index.corpus.about import (
    BYTES_BESIDE,
    CorpusPlan,
    ListsAbout,
    Site,
    checked_name,
    facts_of,
)
from unembed.index.corpus.adding import Base, base_of, same_sites
from unembed.index.corpus.apart import begin_from, check_writable, place_of
from unembed.index.corpus.collecting import check_kept, collect, kinds_of, tables_missing
from unembed.index.corpus.corpus import Corpus
from unembed.index.corpus.estimate import CorpusEstimate, estimate, expected_rows
from unembed.index.corpus.files import sources
from unembed.index.corpus.folder import CorpusFolder, check_same
from unembed.index.corpus.lists import make_lists
from unembed.index.corpus.opening import open_folder
from unembed.index.corpus.options import CorpusOptions, Engine, EngineOptions, TablesOptions
from unembed.index.corpus.reading import check_readable
from unembed.index.corpus.rows import SENTENCES, TOKENS, Rows
from unembed.index.corpus.stages import Stages, Watch, Work
from unembed.index.corpus.states import sites_for
from unembed.index.corpus.tagging import Tagger, tagger
from unembed.index.fragments import can_tidy, tidy
from unembed.index.memory import handed_back
from unembed.index.store import to_numpy
from unembed.index.versions import bytes_of
from unembed.models.progress import Progress
from unembed.options import given

DEFAULTS = CorpusOptions()
STRETCH_CHARS = 60_000  # tagged and appended at once: some 15,000 tokens


def index_corpus(
    model: Model,
    files: Sequence[Path | str] | Path | str,
    name: str,
    layers: Sequence[int] | None = None,
    *,
    options: CorpusOptions = DEFAULTS,
    folder: Path | str | None = None,
    engine: Engine = "local",
    workers: int | None = None,
    tables: str | None = None,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> Corpus:
    """Read files as a model reads them, and keep its states for every token.

    A build that was interrupted goes on where it stopped; to a corpus that is there, layers are
    added without reading the files again, and with `add` files. Until it is whole, what was there
    before stays.

    Args:
        files: texts (UTF-8), .jsonl, .csv, .parquet, .conllu, data sets, or folders of these.
        name: of the corpus: its folder.
        layers: whose states are kept, 0-based; absent: all.
        options: how texts become sentences, and what is kept; `changes` are single ones, as in
            `spacy="en_core_web_sm", kept="context"`. With `add`, files that the corpus of this name
            does not have are added to it, read and kept as the others were: give the same options.
            Its layers may be left out.
        folder: where to keep it, instead of the cache; the name is a folder below.
        engine: "local", or "ray": the same rows, made by processes of Ray; see `EngineOptions`.
        workers: of Ray that hold the model; absent: one for each GPU, or for each 4 cores.
        tables: a URI below which the vectors stand, "s3://bucket/folder"; see `TablesOptions`.
        cancel: checked before every layer; what was finished is kept.
        progress: called with (rate in words, tokens done, tokens expected in all).

    Raises:
        InputError: a file that cannot be read, a layer or column that there is not, a spaCy
            pipeline that is not installed, or another corpus of this name.
        IndexMissingError: `add`, and there is no corpus of this name.
        CapabilityError: an encoder-decoder, a tokenizer that does not say places, or examples of
            heads whose writes are not their own.
        LoadError: the disk is full or cannot be written, a bucket cannot be reached, or a process
            that reads or computes ended.
        CancelledError: `cancel` was set.
    """
    asked = chosen(options, given(layers=layers) | changes, {})
    on = EngineOptions(engine=engine, workers=workers)
    apart = TablesOptions(tables=tables).tables
    builder = _Builder(model, files, name, asked, folder, cancel, on, apart)
    with builder.folder.locked(progress):
        builder.build(progress)
    return open_folder(model, builder.folder)


def estimate_corpus(
    model: Model,
    files: Sequence[Path | str] | Path | str,
    layers: Sequence[int] | None = None,
    *,
    options: CorpusOptions = DEFAULTS,
    engine: Engine = "local",
    workers: int | None = None,
    cancel: Cancel | None = None,
    **changes: Any,
) -> CorpusEstimate:
    """What `index_corpus` of the same would take, from samples of the files; takes seconds.

    Samples are built in this process; for Ray its times are divided by the cores that read texts
    and by the processes that hold the model, as if each was as fast as this one.

    Raises as `index_corpus` does.
    """
    on = EngineOptions(engine=engine, workers=workers)
    asked = chosen(options, given(layers=layers) | changes, {})
    check_readable(model)
    paths, _ = sources(_listed(files))
    sites = sites_for(model, asked.layers, asked.kept, asked.state)
    check_kept(model, sorted({site.layer for site in sites}), asked.examples)
    places = cluster.places(on.workers) if on.engine == "ray" else None
    with closing(tagger(asked.spacy)) as words:
        return estimate(model, paths, sites, asked, words, STRETCH_CHARS, cancel, places)


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
        on: EngineOptions,
        tables: str | None,
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
        self.on = on
        self.tables = None if tables is None else checked_tables(tables)
        self.paths, self.sources = sources(_listed(files))
        self.folder = CorpusFolder.of(model, checked_name(name), folder)
        self.sites = sites_for(model, options.layers, options.kept, options.state)

    def build(self, progress: Progress | None) -> None:
        """Build what is not there yet, and publish it."""
        self._build(progress)
        if self.options.examples != "none":
            self._collect(progress)

    def _build(self, progress: Progress | None) -> None:
        with closing(tagger(self.options.spacy)) as words:
            plan, base = self._with_base(self._plan(words.name))
            check_kept(self.model, self._layers(self.sites), self.options.examples)
            version = None if base is not None else self._published(plan)
            place = place_of(self.folder, plan, base, version, self.tables)
            there = () if version is None else self.folder.sites(version)
            lists = {} if version is None else self.folder.lists(version)
            if version is not None and set(self.sites) <= set(there) and self._listed(version):
                self.folder.drop_replaced()
                return
            expected = expected_rows(self.model, self.paths, self.options)
            plan = replace(plan, expected_tokens=expected)
            check_writable(self.folder, version, place)
            self._check_room(expected, version, place, self._begun(plan, base, version, place))
            before = version or self.folder.draft_of(plan, base.version if base else None, place)
            rows = Rows(self.folder, version or self._draft(plan, base, place), writer=True)
            rows.mend()
            begun = () if before is None else self._tables_begun(rows, there)
            if rows.bucket is not None:
                for site in self.sites:  # what may not be written there is said before hours pass
                    rows.begin_vectors(site)
            watch = Watch(progress, expected + (base.n_tokens if base else 0), self.cancel)
            n_before = (base.n_pieces if base else 0) if version is None else None
            self._run(rows, words, watch, n_before)
        self._publish(rows, plan, there, lists, progress, begun)

    def _tables_begun(self, rows: Rows, there: Sequence[Site]) -> tuple[str, ...]:
        """Tables of a build that was interrupted: files may lie there that were not committed."""
        new = [site.name for site in self.sites if site not in there]
        return tuple(filter(rows.has, [*(() if there else (SENTENCES, TOKENS)), *new]))

    def _run(self, rows: Rows, words: Tagger, watch: Watch, n_before: int | None) -> None:
        """The stages, where they are to run."""
        if self.on.engine == "local":
            Stages(self._work(), words, watch).build(rows, n_before)
            return
        with cluster.running():
            stages = cluster.ClusterStages(self._work(), words.name, watch, self.on.workers)
            stages.build(rows, n_before)

    def _work(self) -> Work:
        return Work(self.model, self.options, self.paths, self.sites, STRETCH_CHARS, self.cancel)

    def _plan(self, spacy: str) -> CorpusPlan:
        options = self.options
        return CorpusPlan(
            fingerprint=self.model.fingerprint,
            model=self.model.name,
            name=self.name,
            files=self.sources,
            split=options.split,
            max_tokens=self._work().longest,
            spacy=spacy,
            column=options.column,
            metadata=options.metadata or (),
        )

    def _collect(self, progress: Progress | None) -> None:
        """Keep examples of the layers' nodes with what is published."""
        corpus = open_folder(self.model, self.folder)
        layers = self._layers(corpus.sites)
        missing = tables_missing(corpus, layers, kinds_of(self.options.examples))
        if missing:
            said = collect(corpus, missing, self.cancel, progress).to_dict()
            self._say(corpus.version, corpus.sites, self.folder.lists(corpus.version), said)

    def _layers(self, sites: Sequence[Site]) -> Sequence[int]:
        """Those asked for, or of all these sites."""
        return self.options.layers or sorted({site.layer for site in sites})

    def _say(
        self, version: Path, sites: Sequence[Site], lists: dict[str, ListsAbout], examples: Any
    ) -> None:
        """Say anew what a version that is published holds."""
        rows = Rows(self.folder, version)
        self._say_of(rows, self.folder.read(version)[0], tuple(sites), lists, examples)

    def _say_of(
        self,
        rows: Rows,
        plan: CorpusPlan,
        sites: tuple[Site, ...],
        lists: dict[str, ListsAbout],
        examples: Any,
    ) -> None:
        apart = rows.sizes_apart(sites)
        tables = None if rows.bucket is None else rows.bucket.prefix
        versions = versions_of(self.model)
        facts = facts_of(sites, rows.counts(), versions, lists, examples, apart, tables)
        self.folder.publish(rows.version, plan, facts)

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

    def _draft(self, plan: CorpusPlan, base: Base | None, place: str | None) -> Path:
        if base is None:
            return self.folder.draft(plan, tables=place)
        begin = partial(begin_from, self.folder, base)
        return self.folder.draft(plan, base.version, begin, place)

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

    def _check_room(self, tokens: int, version: Path | None, place: str | None, there: int) -> None:
        """Raise LoadError where the disk has no room for what is expected: vectors, unless they
        stand in a `place` of their own, and of a corpus that is built anew the rest. So many bytes
        of it are there.
        """
        each = sum(site.bytes_each for site in self.sites) if place is None else 0
        beside = BYTES_BESIDE if version is None else 0
        self.folder.check_room(max(0, tokens * (each + beside) - there))

    def _begun(
        self, plan: CorpusPlan, base: Base | None, version: Path | None, place: str | None
    ) -> int:
        """Bytes on the disk of what is to be built: by a build that was stopped, or before."""
        if version is not None:
            return bytes_of(version, [site.name for site in self.sites])
        draft = self.folder.draft_of(plan, base.version if base else None, place)
        if draft is None:
            return 0
        tables = (SENTENCES, TOKENS, *(site.name for site in self.sites))
        return bytes_of(draft, tables) - (bytes_of(base.version, tables) if base else 0)

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
        begun: Sequence[str],
    ) -> None:
        """Say what is whole now; `there` and `lists` were before, and tables that were begun."""
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
        with handed_back():
            for name in () if there else (SENTENCES, TOKENS):
                self._finish(rows, name, name in begun, packed=True)
            for name in added:
                self._finish(rows, name, name in begun, packed=self.on.engine == "local")
        lists |= self._make_lists(rows, [one for one in sites if one.name not in lists], progress)
        kept = self.folder.collected(rows.version) if there else None
        examples = None if kept is None else kept.to_dict()
        self._say_of(rows, plan, sites, lists, examples)

    def _finish(self, rows: Rows, name: str, begun: bool, *, packed: bool) -> None:
        """Make a table ready for readers; from fragments that are large, as those of Ray, no larger
        ones are made, which would write everything again.
        """
        tidied = not packed or (begun and can_tidy())
        if packed:
            rows.pack(name, always=begun and not tidied)
        if tidied:
            with rows.writing():
                tidy(rows.place(name))

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

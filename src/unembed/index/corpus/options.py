"""What can be chosen about a corpus, and about each question to one.

Knows no torch and no model.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt, StrictStr

from unembed.options import Count, Name, Number, Options, Positive, option

Split = Literal["sentences", "lines", "windows"]
State = Literal["resid_post", "resid_pre"]
Kept = Literal["both", "hidden", "context"]
Engine = Literal["local", "ray"]
By = Literal["hidden", "context"]
Weighting = Literal["equal", "query"]
Examples = Literal["none", "neurons", "heads", "both"]
Of = Literal["match", "next", "attended"]

# Lists of JSON and of Python become tuples, so that options can be keys of a cache.
_Numbers = Annotated[tuple[Count, ...], Field(strict=False, min_length=1, max_length=4096)]
_Offsets = Annotated[
    tuple[Annotated[StrictInt, Field(ge=-64, le=64)], ...],
    Field(strict=False, min_length=1, max_length=16),
]
_Text = Annotated[StrictStr, Field(min_length=1, max_length=200)]
_Labels = Annotated[tuple[_Text, ...], Field(strict=False, min_length=1, max_length=100)]
_Uri = Annotated[StrictStr, Field(min_length=1, max_length=1000)]
LONGEST = 4096


class CorpusOptions(Options):
    """How files become a corpus, and what of a model is kept of every token."""

    layers: _Numbers | None = option(None, "Whose states are kept, 0-based; absent: all.")
    kept: Kept = option(
        "both",
        '"hidden": the residual stream; "context": z, what each head read, before W_O; or both.',
    )
    state: State = option(
        "resid_post", "The residual stream behind each of the layers, or before it."
    )
    split: Split = option(
        "sentences",
        '"sentences": those of spaCy, or without it up to a full stop; "lines": each line is one; '
        '"windows": stretches of `max_tokens`.',
    )
    max_tokens: Annotated[StrictInt, Field(ge=8, le=LONGEST)] = option(
        128, "Longest sentence in tokens: longer ones are cut between words."
    )
    spacy: Name | None = option(
        None,
        'A spaCy pipeline for part of speech, dependency, entity and lemma: "en_core_web_sm", or '
        '"blank:de" for words alone; absent: words are runs of letters, without labels.',
    )
    column: Name = option("text", "Where the text is in JSONL, CSV, Parquet and data sets.")
    metadata: _Labels | None = option(
        None,
        "Fields of records that are kept beside their texts, to filter by: author, meta.source; of "
        "CoNLL-U its comments, newdoc id.",
    )
    examples: Examples = option(
        "none",
        '"neurons", "heads" or "both": keep examples of every one of the layers beside the corpus, '
        'from one more pass over it; "none": a pass is made when examples are asked for.',
    )
    restart: bool = option(False, "Build anew what is there, or half done.")
    add: bool = option(
        False, "Add the files to the corpus of this name; those that it has are not read again."
    )


class TablesOptions(Options):
    """Where the vectors of a corpus stand. It decides no row of it."""

    tables: _Uri | None = option(
        None,
        'A URI below which tables of vectors are written, "s3://bucket/folder" (gs://, az://); '
        "absent: in the corpus' folder, or where those are of what is gone on with. Credentials "
        "and endpoint are read from the environment.",
    )


class EngineOptions(Options):
    """Where a corpus is built. It decides no row of it."""

    engine: Engine = option(
        "local",
        '"local": in this process; "ray": in processes of Ray, of a cluster where RAY_ADDRESS '
        "names one, or started for the build.",
    )
    workers: Positive | None = option(
        None,
        "Processes of Ray that hold the model; absent: one for each GPU, or for each 4 cores.",
    )


class CorpusFilter(Options):
    """Which tokens: each label that is given must be one of those listed."""

    word: _Labels | None = option(None, "The word that the token is part of, whatever its case.")
    lemma: _Labels | None = option(None, "The dictionary form of that word, whatever its case.")
    pos: _Labels | None = option(None, 'Part of speech: "VERB" of Universal Dependencies.')
    tag: _Labels | None = option(None, 'The finer tag: "VBD".')
    dep: _Labels | None = option(None, 'Relation to the word it depends on: "nsubj".')
    entity: _Labels | None = option(None, 'Kind of named entity: "PERSON".')
    near: _Labels | None = option(None, "One of these words is within `reach` tokens.")
    reach: Positive = option(5, "How far `near` is, in tokens of the same sentence.")
    file: _Labels | None = option(None, "Only of these files, by name.")
    metadata: _Labels | None = option(
        None,
        'Only of records with these fields, of those that are kept: "author=Austen"; of one field '
        "one must fit, several fields must all.",
    )


class CorpusSearchOptions(CorpusFilter):
    """What tokens are compared by, and which of them are listed."""

    layer: Count | None = option(None, "Whose states are compared; absent: the last that is kept.")
    by: By = option(
        "hidden", "The residual stream of the layer, or its context: what its heads read (z)."
    )
    heads: _Numbers | None = option(None, "Whose context counts, 0-based; absent: all.")
    weighting: Weighting = option(
        "equal",
        'How heads count: "equal": the mean of their cosines; "query": each by the length of the '
        "query's own context, and not divided by it, as exBERT has it.",
    )
    summarise: Of | None = option(
        None,
        'Count labels of what is listed, beside their base rates: of the "match", of the "next" '
        'token, or of the one "attended" to most.',
    )
    narrow: _Labels | None = option(
        None,
        'Of what is listed, only what has these labels: "match.pos=VERB", "next.tag=NN", '
        '"attended.offset=-1"; each column is then counted under the others\' labels.',
    )
    exact: bool = option(
        False, "Compare every token, of a large corpus too, where else lists of like ones are used."
    )
    offsets: _Offsets | None = option(
        None, "Beside each, the tokens so far from it in its sentence: -2, -1, 1; absent: none."
    )
    limit: Positive = option(50, "How many to list.", limit="max_hits")
    offset: Count = option(0, "How many to skip.")


class CorpusSentencesOptions(Options):
    """What is said of sentences beside their tokens."""

    layer: Count | None = option(
        None, "Whose attention from the token of each row is said, computed anew; absent: none."
    )
    heads: _Numbers | None = option(None, "Whose mean it is, 0-based; absent: of all.")


class ExamplesOptions(Options):
    """How many examples of a node are listed, and from where on it is active."""

    top: Positive = option(
        10, "Strongest tokens, at most one of each sentence.", limit="max_examples"
    )
    each: Count = option(
        2, "Tokens at each of the quantiles 0.99, 0.9, 0.75 and 0.5.", limit="max_examples"
    )
    random: Count = option(4, "Tokens drawn at random.", limit="max_examples")
    alike: Count = option(
        5,
        "Other neurons of the layer, or latents of the autoencoder, whose activation is most "
        "correlated with that of a neuron or latent.",
        limit="max_examples",
    )
    threshold: Number = option(0, "Active is whatever is above.")
    seed: Count = option(0, "Which tokens are drawn.")


class HeadRelationsOptions(Options):
    """Of which heads the relations are looked for, in how much, and which are listed."""

    layers: _Numbers | None = option(None, "Whose heads, 0-based; absent: all.")
    sentences: Annotated[StrictInt, Field(ge=1, le=100_000)] = option(
        300, "How many sentences are drawn."
    )
    seed: Count = option(0, "Which sentences are drawn.")
    min_count: Positive = option(
        30, "Relations that fewer tokens have in sight are left out: chance decides there."
    )
    relation: _Labels | None = option(None, 'Only these: "head", "child: det", "previous".')
    sort: Literal["gain", "share", "lift", "attention"] = option(
        "gain",
        'The largest first: "gain", the share less the larger of base and best distance; "share"; '
        '"lift"; "attention".',
    )
    limit: Positive = option(50, "How many to list.", limit="max_relations")

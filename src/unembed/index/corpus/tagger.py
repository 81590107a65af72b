"""A process of its own that runs spaCy beside the model: one line of JSON in, one out.

    python -m unembed.index.corpus.tagger en_core_web_sm

    first out  {"ready": "en_core_web_sm 3.8.0, spaCy 3.8.7"} or {"error": "why not", "fix": …}
    in         {"texts": ["One. Two."], "whole": false}
    out        {"error": "why not"} or
               [[{"start": 0, "end": 4, "words": [[0, 3, "NUM", "CD", "nsubj", "", "one", 1]]}]]

Of each text its sentences, or with `whole` the text as one; places of words are counted from the
start of the text, heads are places among the words of the sentence. Imports no torch.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

_AT_ONCE = 64  # texts that spaCy works on together


def main(name: str) -> None:
    """Answer lines until there are no more."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    questions = os.fdopen(os.dup(sys.stdin.fileno()), encoding="utf-8")
    nlp, said = _loaded(name)
    _send(answers, said)
    if nlp is None:
        return
    for line in questions:
        asked = json.loads(line)
        _send(answers, _answer(nlp, asked))


def _answer(nlp: Any, asked: dict[str, Any]) -> object:
    """The sentences of each text, or what a component of the pipeline raised."""
    try:
        docs = nlp.pipe(asked["texts"], batch_size=_AT_ONCE)
        return [list(_sentences(doc, whole=asked["whole"])) for doc in docs]
    except Exception as error:  # whatever a component can raise
        return {"error": f"{type(error).__name__}: {str(error).splitlines()[0][:300]}"}


def _send(answers: TextIO, data: object) -> None:
    answers.write(json.dumps(data) + "\n")
    answers.flush()


def _loaded(name: str) -> tuple[Any, dict[str, str]]:
    """The pipeline, and what is to be said of it; None and the reason where there is none."""
    try:
        import spacy
    except ImportError:
        return None, {"error": "spaCy is not installed", "fix": "pip install 'unembed[corpus]'"}
    kind, _, language = name.partition(":")
    try:
        nlp = spacy.blank(language) if kind == "blank" and language else spacy.load(name)
    except (OSError, ImportError, ValueError) as error:
        installed = ", ".join(spacy.util.get_installed_models()) or "none"
        return None, {
            "error": f"there is no spaCy pipeline {name!r}: {str(error).splitlines()[0]}",
            "legal": f"installed: {installed}; or blank:en for words without labels",
            "fix": _fix(name, kind),
        }
    if not any(nlp.has_pipe(part) for part in ("parser", "senter", "sentencizer")):
        nlp.add_pipe("sentencizer")
    version = nlp.meta.get("version", "")
    return nlp, {"ready": f"{name} {version}, spaCy {spacy.about.__version__}"}


def _fix(name: str, kind: str) -> str:
    if kind == "blank" or "/" in name or "\\" in name:  # nothing that could be downloaded
        return "name a pipeline that is installed, or leave spacy out"
    return f"python -m spacy download {name}, or leave spacy out"


def _sentences(doc: Any, *, whole: bool) -> Iterator[dict[str, Any]]:
    for span in [doc[:]] if whole else doc.sents:
        words = [token for token in span if not token.is_space]
        if words:
            place = {token.i: order for order, token in enumerate(words)}
            yield {
                "start": words[0].idx,
                "end": words[-1].idx + len(words[-1]),
                "words": [_word(token, place) for token in words],
            }


def _word(token: Any, place: dict[int, int]) -> list[Any]:
    return [
        token.idx,
        token.idx + len(token),
        token.pos_,
        token.tag_,
        token.dep_,
        token.ent_type_,
        token.lemma_,
        place.get(token.head.i, -1) if token.dep_ else -1,
    ]


if __name__ == "__main__":
    main(sys.argv[1])

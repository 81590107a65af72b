"""What tells models apart: every byte of every weight, the configuration, and the tokenizer.

A fingerprint says that two models give the same numbers for the same prompt, and that an index of
one is an index of the other. It depends on the values of all weights in the type that they are held
in (the type changes the numbers), on the configuration but for fields that change none, and on the
tokenizer. It does not depend on where the weights came from, on how they lay in files, on the
device or the attention kernel (those change the rounding only).

Reading every weight takes time, so it happens when a fingerprint is first asked for, or in a thread
that `Watched.begin` starts; what comes from files is remembered in the cache folder by path, size
and times of every file.

`Watched.now()` notices weights that were changed since: parameters replaced, converted, or written
to as torch counts it, and costs next to nothing. Writes through `.data` or a numpy view torch does
not count; `Watched.reread()` notices those, too, and reads every weight for it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from unembed.models.adapters import in_force
from unembed.models.weights import digest_of_weights, sums_of_weights

SCHEME = 2  # raise it when the same model would get another fingerprint
WORTH_KEEPING = 64 * 1024 * 1024  # bytes of files; fewer are hashed in a tenth of a second

# Fields of a configuration that change no number: where it came from, and how results are packed.
_NO_NUMBERS = frozenset({
    "_name_or_path", "transformers_version", "dtype", "torch_dtype", "architectures", "use_cache",
    "return_dict", "output_hidden_states", "output_attentions", "gradient_checkpointing",
    "id2label", "label2id", "problem_type", "chunk_size_feed_forward",
    "tokenizer_class", "_commit_hash",
})  # fmt: skip


class State:
    """A model as it was at one moment; hold it to know later which model that was.

    Two states of one model are the same object exactly where nothing was changed in between.
    """

    def __init__(
        self, stamp: _Stamp, compute: Callable[[State], str], sums: str | None = None
    ) -> None:
        self.stamp = stamp
        self.sums = sums  # of its weights; None: not added up
        self._compute = compute
        self._lock = threading.Lock()
        self._fingerprint: str | None = None

    @property
    def known(self) -> str | None:
        """The fingerprint where it was computed already."""
        return self._fingerprint

    @property
    def fingerprint(self) -> str:
        """Computed when it is first asked for: reads every weight.

        Where the weights were changed before anyone asked, it is "unknown-" and something that no
        other model has.
        """
        with self._lock:
            if self._fingerprint is None:
                self._fingerprint = self._compute(self)
            return self._fingerprint

    def doubt(self) -> None:
        """Its weights were written to, no one knows when: what was not said by now is unknown."""
        with self._lock:
            self._fingerprint = _unknown()


# A look at every weight that takes longer than SHORT, in seconds, is made again for a question that
# comes often only when RESTS times as long has gone by: it is then a twentieth of the work.
SHORT, RESTS = 0.02, 20


class Watched:
    """A module and its tokenizer, and what they are now.

    Args:
        kept: what is remembered of the files that the module was loaded from.
        lazy: weights are read when they are used, and must not be read in full for this.
    """

    def __init__(
        self, module: nn.Module, tokenizer: Any, kept: Kept | None = None, *, lazy: bool = False
    ) -> None:
        self._module = module
        self._tokenizer = tokenizer
        self._kept = kept
        self._lazy = lazy
        self._trusted = False
        self._looked: tuple[State, float, float] | None = None  # at what, until when, how long
        self._turn = threading.Lock()  # of those who ask often one looks
        self._lock = threading.Lock()
        # where the files' are not known yet, `begin` adds up in the background
        sums = self._sums() if kept is None else kept.sums
        self._state = State(_Stamp(module, tokenizer), self._fingerprint_of, sums)

    def now(self) -> State:
        """The present state: the last one, unless something was changed since."""
        stamp = _Stamp(self._module, self._tokenizer)
        with self._lock:
            if not self._state.stamp.same(stamp):
                self._change(stamp, self._sums())
            return self._state

    def reread(self, *, often: bool = False) -> State:
        """As `now`, and notices writes that torch does not count: adds up every weight.

        Not of a model that reads its weights late, nor after `trust`. Who asks `often` is content
        with the last look, where looking is long and that was not long ago: see `RESTS`.
        """
        state = self.now()
        if self._lazy or self._trusted or (often and self._is_fresh(state)):
            return state
        if not often:
            return self._look(state)
        if not self._turn.acquire(blocking=False):
            return state
        try:
            return self._look(state)
        finally:
            self._turn.release()

    def _look(self, state: State) -> State:
        if state.sums is None:
            _ = state.fingerprint  # adds up, too; a thread may be at it already
        started = time.thread_time()  # of this thread alone: others may be at work, too
        sums = self._sums()
        if sums == state.sums:
            took = time.thread_time() - started
            self._looked = state, time.monotonic() + RESTS * took, took
            return state
        with self._lock:  # not around `doubt`: who computes a fingerprint waits for this lock
            if self._state is state:
                self._change(state.stamp, sums)
        state.doubt()
        return self.now()

    def _is_fresh(self, state: State) -> bool:
        if self._looked is None:
            return False
        seen, until, took = self._looked
        return seen is state and took > SHORT and time.monotonic() < until

    def trust(self) -> None:
        """No code but this package's runs here, as from the command line: reread nothing."""
        self._trusted = True

    def begin(self) -> None:
        """Compute the fingerprint in a thread, unless it is known of the files, or soon done."""
        if self._kept is None or self._kept.is_complete:
            return
        state = self.now()
        threading.Thread(
            target=lambda: state.fingerprint, name="unembed-fingerprint", daemon=True
        ).start()

    def _change(self, stamp: _Stamp, sums: str | None) -> None:
        self._kept = None  # the files no longer say what the weights are
        self._state = State(stamp, self._fingerprint_of, sums)

    def _sums(self) -> str | None:
        return None if self._lazy else sums_of_weights(self._module)

    def _fingerprint_of(self, state: State) -> str:
        kept = self._kept
        if self.now() is not state:
            return _unknown()
        reads = kept is None or not kept.is_complete
        sums = state.sums or self._sums() if reads else state.sums
        found = fingerprint(self._module, self._tokenizer, kept)
        if self.now() is not state or (reads and self._sums() != sums):
            return _unknown()  # changed while it was read
        state.sums = sums
        if kept is not None:
            kept.sums = sums
            kept.save()
        return found


def _unknown() -> str:
    """What no other model has."""
    return f"unknown-{secrets.token_hex(8)}"


def fingerprint(module: nn.Module, tokenizer: Any = None, kept: Kept | None = None) -> str:
    """A short hash of a module and its tokenizer as they are; `kept` has digests of files."""
    weights = kept.weights if kept is not None else None
    if weights is None:
        weights = digest_of_weights(module)
    words = kept.tokenizer if kept is not None else None
    if words is None:
        words = digest_of_tokenizer(tokenizer)
    if kept is not None:
        kept.weights, kept.tokenizer = weights, words
    stated = [SCHEME, type(module).__name__, _numbers_of(module), weights, words]
    adapters = in_force(module)
    stated += [adapters] if adapters else []
    text = json.dumps(stated, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# ------------------------------------------------------------------ digests


def digest_of_tokenizer(tokenizer: Any) -> str:
    """A hash of what a tokenizer does: its vocabulary, its pipeline, its special tokens."""
    if tokenizer is None:
        return ""
    special = sorted((str(key), str(value)) for key, value in tokenizer.special_tokens_map.items())
    stated: list[Any] = [special, str(getattr(tokenizer, "chat_template", None))]
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        stated += [type(tokenizer).__name__, sorted(tokenizer.get_vocab().items())]
    else:
        # what stands before is set by whichever call padded or cut last; not parsed: 33 MB in Gemma
        _, _, pipeline = backend.to_str().partition('"added_tokens":')
        stated.append(pipeline)
    return hashlib.sha256(json.dumps(stated).encode()).hexdigest()


def _numbers_of(module: nn.Module) -> Any:
    """The configuration, but for what changes no number."""
    return _without(json.loads(module.config.to_json_string(use_diff=False)))  # type: ignore[union-attr,operator]


def _without(stated: Any) -> Any:
    if isinstance(stated, dict):
        return {key: _without(stated[key]) for key in stated if key not in _NO_NUMBERS}
    return stated


# ------------------------------------------------------------------ noticing changes


class _Stamp:
    """Cheap to take: what torch counts of every weight, and which tensors they are."""

    def __init__(self, module: nn.Module, tokenizer: Any) -> None:
        held = [weight for name in _holders(module) for weight in name]
        self._entries = [_entry(weight) for weight in held]
        self._alive = [weakref.ref(weight) for weight in held if not weight.is_meta]
        stated = _stated(getattr(module, "config", None))
        self._other = (stated, id(tokenizer), _size(tokenizer), in_force(module))

    def same(self, other: _Stamp) -> bool:
        """Whether nothing was changed from this one to `other`."""
        return (
            self._entries == other._entries
            and self._other == other._other
            and all(reference() is not None for reference in self._alive)  # else ids may recur
        )


def _holders(module: nn.Module) -> Iterator[list[Tensor]]:
    for child in module.modules():
        if child._parameters or child._buffers:
            passing = child._non_persistent_buffers_set
            lazily = _is_streamed(child)
            yield [
                weight
                for name, weight in (*child._parameters.items(), *child._buffers.items())
                if weight is not None and name not in passing and not lazily
            ]


def _is_streamed(child: nn.Module) -> bool:
    """Whether accelerate puts its weights in before every call and takes them out after it."""
    hook = child.__dict__.get("_hf_hook")  # getattr of what is missing is slow in a module
    return hook is not None and any(
        getattr(each, "weights_map", None) is not None for each in getattr(hook, "hooks", (hook,))
    )


def _entry(weight: Tensor) -> tuple[Any, ...]:
    version = 0 if weight.is_inference() else weight._version
    return id(weight), version, weight.data_ptr(), weight.dtype, weight.device, weight.shape


def _stated(config: Any) -> str:
    """The fields of a configuration; those that start with "_" change with how it is run."""
    fields = getattr(config, "__dict__", {})
    return ",".join(
        f"{key}={_stated(value) if hasattr(value, 'to_dict') else value}"
        for key, value in fields.items()
        if not key.startswith("_") and key not in _NO_NUMBERS
    )


def _size(tokenizer: Any) -> int:
    return 0 if tokenizer is None else len(tokenizer)


# ------------------------------------------------------------------ remembering what files hold


class Kept:
    """Digests of what some files hold, remembered by path, size and times of each.

    With another tokenizer than the files' own, `has_tokenizer` is False, and only the digest of the
    weights is remembered.
    """

    def __init__(self, folder: Path, key: str, has_tokenizer: bool) -> None:
        self.key = key  # of these files as they are now
        self._path = folder / f"{key}.json"
        self._has_tokenizer = has_tokenizer
        self.weights: str | None = None
        self.sums: str | None = None
        self.tokenizer: str | None = None
        with suppress(OSError, ValueError):
            read = json.loads(self._path.read_bytes())
            self.weights = _digest_in(read, "weights")
            self.sums = _digest_in(read, "sums")
            self.tokenizer = _digest_in(read, "tokenizer") if has_tokenizer else None
        self._read = (self.weights, self.sums, self.tokenizer)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to compute that takes long."""
        words = self.tokenizer is not None or not self._has_tokenizer
        return words and self.weights is not None and self.sums is not None

    def save(self) -> None:
        """In one step; a cache that cannot be written costs time only."""
        if self._read == (self.weights, self.sums, self.tokenizer):
            return
        stated = {"weights": self.weights, "sums": self.sums, "tokenizer": self.tokenizer}
        if not self._has_tokenizer:
            del stated["tokenizer"]
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle, draft = tempfile.mkstemp(prefix=".draft-", dir=self._path.parent)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(stated, file)
            os.replace(draft, self._path)


def _digest_in(read: Any, name: str) -> str | None:
    """What a file says, if it can be one of the digests made here."""
    found = read.get(name) if isinstance(read, dict) else None
    return found if isinstance(found, str) and re.fullmatch("[0-9a-f]{64}|", found) else None


def kept_for(
    cache: Path, files: list[Path], loaded_as: str, *, has_tokenizer: bool = True
) -> Kept | None:
    """What is remembered of these files, loaded in this way; None where it is not worth it."""
    try:
        described = [_described(path) for path in sorted(files)]
    except OSError:
        return None
    if sum(size for _, size, *_ in described) < WORTH_KEEPING:
        return None
    from transformers import __version__ as reader  # it decides which weights a file becomes

    stated = json.dumps([SCHEME, loaded_as, reader, described])
    key = hashlib.sha256(stated.encode()).hexdigest()[:32]
    return Kept(cache / "fingerprints", key, has_tokenizer)


def _described(path: Path) -> tuple[str, int, int, int, int]:
    found = path.stat()
    real = str(path.resolve())
    return real, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino

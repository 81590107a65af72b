"""Where the files of an autoencoder are: a folder, one file, or a repository of the hub.

Every file is named before it is fetched: folders of the hub hold gigabytes of examples beside the
weights. Tensors come from safetensors, from arrays of numpy, or from what `unpickle` converted.
"""

from __future__ import annotations

import json
import re
import tempfile
import zipfile
import zlib
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import numpy as np
import torch
import yaml
from safetensors import SafetensorError, safe_open
from torch import Tensor

from unembed.errors import LoadError, TooLargeError
from unembed.latents.memory import available, needed
from unembed.latents.unpickle import converted

PICKLES = (".pt", ".pth")
WEIGHTS = (".safetensors", ".npz", *PICKLES)
MIB = 1024 * 1024
Given = TypeVar("Given")


# what numpy and the archives below it raise of a file that is damaged
_NO_ARRAYS = (
    AttributeError, EOFError, KeyError, NotImplementedError, OSError, TypeError, ValueError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


class Files:
    """The files of one folder, by names relative to it.

    `main` is the one that was named, where it was one file.
    """

    source: str
    main: str | None = None
    limit: int  # bytes of tensors that may be read

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """All files, those of folders inside with a slash."""

    @abstractmethod
    def path(self, name: str) -> Path:
        """Where a file lies on this machine; it is fetched first if it has to be."""

    @abstractmethod
    def size(self, name: str) -> int:
        """Bytes of a file, before it is fetched; 0 where that is not known."""

    @property
    def candidates(self) -> tuple[str, ...]:
        """The files that may hold weights: the named one, or all."""
        return self.names if self.main is None else (self.main,)

    def has(self, name: str) -> bool:
        return name in self.names

    def config(self, name: str) -> Mapping[str, Any]:
        """A file of JSON or YAML. Raises LoadError where it is not a table."""
        path = self.path(name)
        try:
            text = path.read_text("utf-8")
            found = json.loads(text) if name.endswith(".json") else yaml.safe_load(text)
        except (ValueError, yaml.YAMLError, OSError, RecursionError) as error:
            raise self.refusal(f"{name} cannot be read: {first_line(error)}") from error
        if not isinstance(found, dict):
            raise self.refusal(f"{name} holds no table of settings")
        return found

    def first_config(self, *names: str) -> Mapping[str, Any]:
        """The first of these that there is; empty without one."""
        return next((self.config(name) for name in names if self.has(name)), {})

    def ask_memory(self, names: Sequence[str]) -> None:
        """Raise TooLargeError where these files together are more than may be read."""
        what = f"{len(names)} files"
        self._refuse_large(what, sum(self.size(name) for name in names))
        self._refuse_large(what, sum(needed(self.path(name)) for name in names))

    def tensors(self, name: str) -> Tensors:
        """What a file of weights holds."""
        self._refuse_large(name, self.size(name))
        path = self.path(name)
        self._refuse_large(name, needed(path))
        if name.endswith(".npz"):
            return self._of_arrays(path)
        if not name.endswith(PICKLES):
            return self._of_safetensors(path, name)
        with tempfile.TemporaryDirectory() as folder:
            to = Path(folder) / "converted.safetensors"
            converted(path, to)
            self._refuse_large(name, needed(to))  # what is packed in a pickle is larger
            return self._of_safetensors(to, name)

    def _refuse_large(self, name: str, size: int) -> None:
        """Raise TooLargeError for more than the limit, or than there is memory for."""
        there = available()
        if size > self.limit:
            most, fix = self.limit, "a narrower one, or a larger UNEMBED_MAX_SAE_BYTES"
            said = f"the limit is {most / MIB:,.0f} MiB (max_sae_bytes)"
        elif there is not None and size > there:
            most, fix = there, "a narrower one, or a machine with more memory"
            said = f"{most / MIB:,.0f} MiB of memory are left on this machine"
        else:
            return
        holds = "hold" if name.endswith(" files") else "holds"
        raise TooLargeError(
            f"{name} of {self.source} {holds} {size / MIB:,.0f} MiB; {said}",
            field="source",
            value=f"{size / MIB:,.0f} MiB",
            legal=f"{most / MIB:,.0f} MiB",
            fix=fix,
        )

    def _of_safetensors(self, path: Path, name: str) -> Tensors:
        try:
            with safe_open(path, framework="pt") as opened:
                values = json.loads((opened.metadata() or {}).get("values", "{}"))
                # copies: the file may go, or be one that was converted for this; it is no mapping
                keys = opened.keys()  # an open file is no dict: it cannot be gone through
                held = {key: opened.get_tensor(key).clone() for key in keys}
        except (SafetensorError, OSError, ValueError) as error:
            raise self.refusal(f"{name} cannot be read: {first_line(error)}") from error
        return Tensors(self, name, held, values)

    def _of_arrays(self, path: Path) -> Tensors:
        try:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as opened:
                held = {key: torch.from_numpy(np.array(opened[key])) for key in opened.files}
        except _NO_ARRAYS as error:
            raise self.refusal(f"{path.name} cannot be read: {first_line(error)}") from error
        return Tensors(self, path.name, held, {})

    def refusal(self, message: str, fix: str | None = None, legal: str | None = None) -> LoadError:
        """The error that says what of these files cannot be used."""
        return LoadError(
            f"{self.source} is refused: {message}",
            field="source",
            value=self.source,
            legal=legal,
            fix=fix,
        )


@dataclass(frozen=True)
class Tensors:
    """The tensors of one file, and the plain values beside them."""

    files: Files
    name: str
    held: Mapping[str, Tensor]
    values: Mapping[str, Any]

    def __contains__(self, name: str) -> bool:
        return name in self.held

    def get(self, name: str, *shape: int | None) -> Tensor:
        """A tensor in float32 at least. Raises LoadError unless it has this shape (None: any)."""
        found = self.held.get(name)
        if found is None:
            raise self.files.refusal(
                f"{self.name} has no {name}; it holds {', '.join(sorted(self.held)) or 'nothing'}"
            )
        fits = len(found.shape) == len(shape) and all(
            there in (None, here) for here, there in zip(found.shape, shape, strict=True)
        )
        if not fits:
            self._misshapen(name, found, shape)
        if found.is_floating_point() and not bool(found.isfinite().all()):
            raise self.files.refusal(f"{name} of {self.name} has entries that are not finite")
        return found.to(torch.promote_types(found.dtype, torch.float32))

    def maybe(self, name: str, *shape: int | None) -> Tensor | None:
        """The same; None where there is none of this name."""
        return self.get(name, *shape) if name in self.held else None

    def _misshapen(self, name: str, found: Tensor, shape: tuple[int | None, ...]) -> None:
        here, there = list(found.shape), ["any" if one is None else one for one in shape]
        turned = ", which is transposed" if here == there[::-1] else ""
        raise self.files.refusal(
            f"{name} of {self.name} has shape {here}{turned}; with the other tensors and this "
            f"layout it must be {there}",
            legal=str(there),
        )


class Folder(Files):
    """Files of a folder on this machine."""

    def __init__(self, folder: Path, limit: int, main: str | None = None) -> None:
        self.folder, self.limit, self.main = folder, limit, main
        self.source = str(folder / main if main else folder)

    @cached_property
    def names(self) -> tuple[str, ...]:
        # no deeper than any layout goes; what is inside is listed, not read
        found = [*self.folder.glob("*"), *self.folder.glob("*/*")]
        return tuple(
            sorted(one.relative_to(self.folder).as_posix() for one in found if one.is_file())
        )

    def size(self, name: str) -> int:
        return self.path(name).stat().st_size

    def path(self, name: str) -> Path:
        found = self.folder / name
        if not found.is_file():
            raise self.refusal(f"there is no {name} in it")
        return found


class Hub(Files):
    """Files of a folder of a repository, fetched one by one."""

    def __init__(
        self, repository: str, inside: str, limit: int, revision: str | None = None
    ) -> None:
        self.repository, self.revision, self.limit = repository, revision, limit
        path = PurePosixPath(inside)
        is_file = path.suffix in WEIGHTS and not re.search(r"v5_\d+k_layer_\d+\.pt$", inside)
        self.main = path.name if is_file else None
        self.inside = str(path.parent if is_file else path).strip("./")
        self.source = f"{repository}/{inside}".rstrip("/")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._sizes)

    def size(self, name: str) -> int:
        return self._sizes.get(name, 0)

    @cached_property
    def _sizes(self) -> Mapping[str, int]:
        """Bytes of every file, by name."""
        from huggingface_hub import HfApi

        def listed() -> Mapping[str, int]:
            found = HfApi().list_repo_tree(
                self.repository, self.inside or None, revision=self.revision
            )
            sizes = {one.path: one.size or 0 for one in found if hasattr(one, "size")}
            start = len(self.inside) + 1 if self.inside else 0
            return {path[start:]: sizes[path] for path in sorted(sizes)}

        return self._reached(listed)

    def path(self, name: str) -> Path:
        from huggingface_hub import hf_hub_download

        inside = f"{self.inside}/{name}" if self.inside else name
        return self._reached(
            lambda: Path(hf_hub_download(self.repository, inside, revision=self.revision))
        )

    def _reached(self, ask: Callable[[], Given]) -> Given:
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError

        try:
            return ask()
        except (OSError, HfHubHTTPError, HFValidationError, ValueError) as error:
            raise LoadError(
                f"{self.source} is no folder or file here, and could not be read from the hub: "
                f"{first_line(error)}",
                field="source",
                value=self.source,
                legal="a folder, a file, or owner/name/path of a repository of the hub",
                fix="download it where there is a network, and give the folder",
            ) from error


def files_of(source: str | Path, limit: int, revision: str | None = None) -> Files:
    """The files that a source names. Raises LoadError where there are none."""
    path = Path(source).expanduser()
    if path.is_dir():
        return Folder(path, limit)
    if path.is_file():
        return Folder(path.parent, limit, path.name)
    parts = str(source).removeprefix("hf://").split("/")
    if len(parts) < 2 or Path(source).is_absolute() or parts[0] in ("", ".", "..", "~"):
        raise LoadError(
            f"there is no file or folder {source}",
            field="source",
            value=str(source),
            legal="a folder, a file, or owner/name/path of a repository of the hub",
        )
    return Hub("/".join(parts[:2]), "/".join(parts[2:]), limit, revision)


def first_line(error: BaseException) -> str:
    """What an error says, in a line."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

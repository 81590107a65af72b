"""Files with something wrong in them are read as they are, or refused in words: nothing else."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

import unembed as ue
from unembed.errors import LoadError, UnembedError
from unembed.latents import files
from unembed.latents.unpickle import main

from .written import LAYOUTS, random_parts

MUTANTS = 120
SETTINGS = (".json", ".yaml", ".yml")


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> list[tuple[str, Path, Path]]:
    """Name, folder and what is read of it, of every layout."""
    found = []
    for layout in LAYOUTS:
        folder = tmp_path_factory.mktemp(layout.name)
        found.append((layout.name, folder, layout.write(random_parts(layout)).save(folder)))
    return found


@pytest.fixture(autouse=True)
def refused_here(monkeypatch):
    """As the process that reads a pickle does, without its seconds."""

    def converted(path, to):
        if main(str(path), str(to)):
            raise LoadError("not read", field="source")

    monkeypatch.setattr(files, "converted", converted)


def mutate(path: Path, draw: random.Random) -> str:
    """Spoil one file; says how."""
    content = bytearray(path.read_bytes())
    kinds = ["cut", "flip", "insert", "empty", "gone"]
    if path.suffix in SETTINGS:
        kinds += ["number", "word"] * 3
    kind = draw.choice(kinds)
    # where files say what is in them: a flip in a weight is a weight
    at = draw.randrange(min(len(content), 400))
    if kind == "gone":
        path.unlink()
        return kind
    if kind == "cut":
        del content[draw.randrange(len(content)) :]
    elif kind == "flip":
        content[at] ^= 1 << draw.randrange(8)
    elif kind == "insert":
        content[at:at] = draw.randbytes(draw.randrange(1, 9))
    elif kind == "empty":
        content.clear()
    else:
        old = b"0123456789" if kind == "number" else b'"tfn'
        new = [b"-1", b"1e99", b"99999999999", b"NaN", b'"9"', b"[]", b"null", b"{}", b"true"]
        places = [order for order, one in enumerate(content) if one in old]
        if places:
            one = draw.choice(places)
            content[one : one + 1] = draw.choice(new)
    path.write_bytes(bytes(content))
    return kind


def test_mutants_are_read_or_refused_in_words(saved, tmp_path):
    draw = random.Random(0)
    refused: list[str] = []
    for number in range(MUTANTS):
        name, folder, source = saved[number % len(saved)]
        place = tmp_path / str(number)
        shutil.copytree(folder, place)
        path = draw.choice(sorted(one for one in place.rglob("*") if one.is_file()))
        said = mutate(path, draw)
        try:
            ue.load_sae(place / source.relative_to(folder), "L1.resid_post")
        except UnembedError as error:
            refused.append(error.message)
        except Exception as error:
            raise AssertionError(
                f"mutant {number} of {name}, {path.name} {said}: {type(error).__name__}: {error}"
            ) from error
    assert len(refused) > MUTANTS / 4
    assert all(refused)

"""Opening an index that was built: the one of this model, or a sentence that says what is there."""

from __future__ import annotations

import json
from pathlib import Path

from unembed.analyses.tools.projections import projection_of
from unembed.engine.model import Model
from unembed.errors import IndexMissingError, InputError, UnembedError
from unembed.index.about import IndexAbout, Plan
from unembed.index.folder import IndexFolder
from unembed.index.tables import Tables
from unembed.index.vector_index import VectorIndex


def open_index(
    model: Model, *, projection: str = "raw", folder: Path | str | None = None
) -> VectorIndex:
    """The index of a model that `build_index` made.

    Raises:
        IndexMissingError: none was built; the message names the command that does.
        InputError: an unknown projection, or `folder` holds the index of another model.
        CapabilityError: a model without this projection.
        LoadError: the index is damaged.
    """
    projection_of(model, projection)
    return open_folder(model, IndexFolder.of(model, projection, folder), projection)


def open_folder(model: Model, folder: IndexFolder, projection: str) -> VectorIndex:
    """The index that a folder holds; see `open_index`."""
    version = folder.published()
    if version is None:
        raise _missing(model, folder, projection)
    plan, about = folder.read(version)
    check_same(model, plan, folder)
    return VectorIndex(model, plan, about, Tables(folder, version))


def look(
    model: Model, *, projection: str = "raw", folder: Path | str | None = None
) -> IndexAbout | None:
    """What the index of a model says of itself, without opening it; None where there is none.

    Raises LoadError where it is damaged, InputError where it is of another model.
    """
    place = IndexFolder.of(model, projection, folder)
    version = place.published()
    if version is None:
        return None
    plan, about = place.read(version)
    check_same(model, plan, place)
    return about


def unfinished(
    model: Model, *, projection: str = "raw", folder: Path | str | None = None
) -> tuple[int, int] | None:
    """(vectors kept, vectors in all) of a build that was interrupted; None where there is none."""
    place = IndexFolder.of(model, projection, folder)
    try:
        for path, plan in place.drafts():
            kept = len(Tables(place, path).rows_kept())
            if kept:
                return kept, plan.n_vectors
    except UnembedError:
        return None
    return None


def check_same(model: Model, plan: Plan, folder: IndexFolder) -> None:
    """Raise InputError unless an index is of this model as it is now, to the last weight."""
    if plan.fingerprint == model.fingerprint:
        return
    what = "another model"
    if plan.model == model.name:
        what = "other weights, another tokenizer, or an earlier version of Unembed"
    raise InputError(
        f"the index in {folder.path} is of {what}: of {plan.model} with fingerprint "
        f"{plan.fingerprint}, and this is {model.name} with {model.fingerprint}",
        field="folder",
        value=str(folder.path),
        legal=f"an index of fingerprint {model.fingerprint}",
        fix="choose another folder, or build with restart=True, which replaces it",
    )


def _missing(model: Model, folder: IndexFolder, projection: str) -> IndexMissingError:
    flag = "" if projection == "raw" else f" --projection {projection}"
    others = _of_other_weights(model, folder)
    known = (
        f" (there is one of other weights of that name: {others}; one that an earlier version of "
        "Unembed made counts as such)"
        if others
        else ""
    )
    return IndexMissingError(
        f"{model.name} has no {projection} index yet{known}",
        field="projection",
        value=projection,
        fix=f"build it: unembed index vectors {model.name}{flag}",
    )


def _of_other_weights(model: Model, folder: IndexFolder) -> str:
    """Fingerprints of indexes beside this one that belong to a model of the same name."""
    found = []
    for pointer in sorted(folder.path.parent.parent.glob("*/*/current.json")):
        try:
            version = json.loads(pointer.read_bytes())["version"]
            plan = json.loads((pointer.parent / version / "about.json").read_bytes())["plan"]
            if plan["model"] == model.name and plan["fingerprint"] != model.fingerprint:
                found.append(str(plan["fingerprint"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return ", ".join(dict.fromkeys(found))

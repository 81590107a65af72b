"""The edits of a run, checked against the model and the prompt before anything runs."""

from __future__ import annotations

from collections.abc import Sequence

from unembed.engine.editing.applying import ResolvedEdit, resolve_edit
from unembed.engine.editing.edits import Edit, on_model
from unembed.engine.loaded import Loaded
from unembed.engine.names.taps import refuse
from unembed.engine.targets import Lengths
from unembed.errors import CapabilityError, EditError


def resolve_edits(
    model: Loaded, edits: Sequence[Edit], lengths: Lengths, within: str = "edits"
) -> tuple[ResolvedEdit, ...]:
    """Check every edit against the model and the prompt before anything runs.

    `within` is what errors call the list.
    """
    limit = model.settings.max_edits
    n_edits = sum(getattr(edit, "counted", True) for edit in edits)
    if n_edits > limit:  # before they are read: a list may be as long as a body allows
        raise EditError(
            f"{n_edits} edits; the limit is {limit} (max_edits)",
            field=within,
            value=n_edits,
            legal=f"at most {limit}",
        )
    resolved = []
    for order, edit in enumerate(edits):
        field = f"{within}[{order}]"
        if not isinstance(edit, Edit):
            raise EditError(
                f"{field} is a {type(edit).__name__}; make edits with zero, scale, set_to, add "
                "or patch",
                field=field,
                value=type(edit).__name__,
            )
        edit = on_model(edit, model, field)
        derived = None
        if edit.node.row.derived:
            derived = model.attached(model.node(edit.node, f"{field}.target"))
            if (why := derived.fixed.get(edit.node.layer or 0)) is not None:
                raise EditError(
                    f"{edit.target} is not edited: {why[0]}",
                    field=f"{field}.target",
                    value=edit.target,
                    legal="what writes to the stream once",
                    fix=why[1],
                )
        found = resolve_edit(edit, model.anatomy, model.name, lengths, field, derived)
        refuse(model.anatomy, found.target.site_key, model.name, f"{field}.target")
        if edit.operation == "mask":
            _check_masking(model, found, field)
        resolved.append(found)
    return tuple(resolved)


def _check_masking(model: Loaded, edit: ResolvedEdit, field: str) -> None:
    """Raise unless the model was trained to fill in its mask token, and positions are named."""
    able = model.capabilities()["mask"]
    if not able.available:
        raise CapabilityError(
            f"tokens of {model.name} cannot be masked: {able.reason}",
            field=f"{field}.operation",
            value="mask",
            legal="a masked model with its tokenizer",
        )
    if edit.positions is None:
        raise EditError(
            "say which tokens are masked",
            field=f"{field}.positions",
            legal="at least one position",
            fix="mask([3])",
        )


def masked(model: Loaded, ids: tuple[int, ...], edits: Sequence[ResolvedEdit]) -> tuple[int, ...]:
    """The tokens as the model gets them: with its mask token where an edit says so."""
    places = {
        place for one in edits if one.edit.operation == "mask" for place in one.positions or ()
    }
    if not places:
        return ids
    token = model.tokenizer.mask_token_id
    return tuple(token if place in places else own for place, own in enumerate(ids))

"""The logit lens as the app draws it: as a page of its own and in a notebook. Knows no model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from unembed.analyses.lens.result import LensResult
from unembed.figures.colours import Colours, choose
from unembed.figures.drawing import Drawing, colour_options
from unembed.figures.files import file_name
from unembed.figures.lens import kinds as lens_kinds
from unembed.figures.lens.figure import check_text, model_name
from unembed.figures.lens.kinds import CELLS, KINDS, check_kind
from unembed.figures.page import standalone
from unembed.figures.widget import show

if TYPE_CHECKING:
    from anywidget import AnyWidget

MOST_LISTED = 10  # tokens of a cell that the drawing lists


def html(
    result: LensResult,
    kind: str = "probability",
    *,
    path: str | Path | None = None,
    top_down: bool = False,
    text: str = "auto",
    title: str | None = None,
    colours: Colours | str | None = None,
) -> str:
    """One HTML page with every kind, which needs no network; see `plot` for the options.

    Args:
        kind: the kind that is shown first.
        path: a file to write the page to as well, in one step.
        colours: None: light or dark as the reader's system is.

    Raises:
        InputError: no such kind, text or colours; `path` cannot be written.
        CapabilityError: a source checkout in which the drawing module was not built.
    """
    return standalone(
        drawing(result, kind, top_down=top_down, text=text, title=title, colours=colours),
        title=_title(result, title),
        description=_description(result),
        provenance=_provenance(result),
        colours=_chosen(colours),
        path=path,
    )


def widget(
    result: LensResult,
    kind: str = "probability",
    *,
    top_down: bool = False,
    text: str = "auto",
    title: str | None = None,
    colours: Colours | str | None = None,
) -> AnyWidget:
    """The grid in a notebook, with the app's pointer and keyboard; see `html`.

    Raises:
        InputError: no such kind, text or colours; anywidget is not installed.
        CapabilityError: a source checkout in which the drawing module was not built.
    """
    return show(drawing(result, kind, top_down=top_down, text=text, title=title, colours=colours))


def drawing(
    result: LensResult,
    kind: str = "probability",
    *,
    top_down: bool = False,
    text: str = "auto",
    title: str | None = None,
    colours: Colours | str | None = None,
) -> Drawing:
    """What the drawing module is given of a lens; options and errors as `html`."""
    heading = _title(result, title)
    kinds = [
        {"kind": one, "name": CELLS[one].name, "meaning": lens_kinds.meaning(result, one)}
        for one in KINDS
    ]
    options = {
        "kinds": kinds,
        "kind": check_kind(kind),
        "text": check_text(text),
        "topDown": top_down,
        "vocabulary": lens_kinds.largest_rank(result),
        "title": heading,
        "model": model_name(result),
        "file": file_name(heading),
        **colour_options(_chosen(colours)),
    }
    data = result.to_dict()
    for name in ("top_ids", "top_logits", "top_probabilities"):
        data[name] = [[cell[:MOST_LISTED] for cell in row] for row in data[name]]
    return Drawing("lens", options, data)


def _title(result: LensResult, title: str | None) -> str:
    return title or f"Logit lens of {model_name(result)}"


def _chosen(colours: Colours | str | None) -> Colours | None:
    return None if colours is None else choose(colours)


# ------------------------------------------------------------------ words


def _description(result: LensResult) -> list[str]:
    """What is on the page, as paragraphs."""
    said = [
        "Every row is the residual stream at one depth of the model, every column a token of the "
        "prompt. Each cell reads that state as a prediction, as if nothing followed: it goes "
        f"through {_decoder(result.decoder)} and the unembedding. "
        "The last row is the model's own output.",
        _extent(result),
    ]
    if result.kl_floor is not None:
        said.append(
            f"For KL, probabilities below {result.kl_floor:.3g} count as {result.kl_floor:.3g}."
        )
    return said


def _decoder(decoder: str) -> str:
    if decoder == "final_norm":
        return "the model's final norm"
    if decoder.endswith(".mlp"):
        layer = decoder.removesuffix(".mlp").removeprefix("L")
        return f"the feed-forward of block {layer} and everything after it, the final norm"
    return f"block {decoder.removeprefix('L')} and everything after it, the final norm"


def _extent(result: LensResult) -> str:
    positions, whole, rows = result.positions, result.n_prompt, len(result.rows)
    first, last = positions[0], positions[-1]
    said = f"Shown: {rows} row{'s' * (rows != 1)}, "
    if len(positions) == whole:
        return said + (f"all {whole} tokens." if whole > 1 else "the only token.")
    if first == last:
        which = f"position {first}"
    elif last - first + 1 == len(positions):
        which = f"positions {first}–{last}"
    else:
        which = f"{len(positions)} positions"
    return f"{said}{which} of {whole} tokens; the model saw the whole prompt."


def _provenance(result: LensResult) -> dict[str, str]:
    ids = ", ".join(map(str, result.prompt_ids))
    return {
        **{name: value for name, value in result.provenance.items() if value},
        "decoder": result.decoder,
        "scored token": lens_kinds.scored(result),
        "token ids": ids,
    }

"""`load_sae`: an autoencoder or transcoder of any layout, in canonical form."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import parse_target
from unembed.engine.targets import SiteKey
from unembed.errors import InputError, TargetError
from unembed.latents.autoencoder import Autoencoder
from unembed.latents.check import decided
from unembed.latents.cross_layer import LayeredAutoencoder
from unembed.latents.files import Files, files_of
from unembed.latents.layouts import LAYOUTS
from unembed.latents.layouts.common import Asked
from unembed.latents.sae import Sae
from unembed.settings import Settings

ARROW = ">"  # from what a transcoder reads to what it writes


def load_sae(
    source: str | Path,
    site: str | None = None,
    *,
    model: Loaded | None = None,
    subtract_bias: bool | None = None,
    scale: float | None = None,
    revision: str | None = None,
    settings: Settings | None = None,
) -> Sae | LayeredAutoencoder:
    """Read a sparse autoencoder, a transcoder of one layer or of all (`CrossLayerTranscoder`), or a
    crosscoder (`Crosscoder`).

    Args:
        source: a folder, a file of weights, or a path in a repository of the hub, as in
            "google/gemma-scope-2-270m-pt/resid_post/layer_9_width_16k_l0_small". Of a folder with
            one for each layer, `site` says which.
        site: where it belongs, as in "L9.resid_post", or from what it reads to what it writes, as
            in "L9.mlp_in>L9.mlp_out"; of a cross-layer transcoder that of its first layer. Absent:
            what its files say. It goes before what they say.
        model: hold it against this model at once, as `model.attach` does in any case.
        subtract_bias, scale: whether b_dec is taken off before the encoder, and what activations
            are multiplied with, where its files do not say, or say wrong.
        revision: branch, tag or commit of a hub id.

    Raises:
        LoadError: no such files, a layout that is not known, or files that contradict themselves
            or, with `model`, the model; the message says what would fit.
        TooLargeError: more weights than `max_sae_bytes`.
    """
    settings = settings or (Settings.from_environment() if model is None else model.settings)
    files = files_of(source, settings.max_sae_bytes, revision)
    reads, writes = (None, None) if site is None else places(site)
    if scale is not None and not scale > 0:
        raise InputError("scale must be above 0", field="scale", value=scale, legal="above 0")
    found = _read(files, Asked(reads, writes, subtract_bias, scale))
    if isinstance(found, LayeredAutoencoder):
        _refuse_told(files, subtract_bias, scale)
        return found if model is None else found.decided(model)[0]
    found = _told(found, files, reads, writes, subtract_bias)
    if model is not None:
        found = decided(found, model)[0]
    return Sae(found.description, found.weights)


def places(site: str, field: str = "site") -> tuple[SiteKey, SiteKey]:
    """What is read and what is written, of "L9.resid_post" or "L9.mlp_in>L9.mlp_out"."""
    ends = [parse_target(end.strip(), field) for end in site.split(ARROW)]
    whole = all(end.kind in ("site", "embed") and not end.is_pairs for end in ends)
    numbers = any((end.head, end.neuron, end.position) != (None, None, None) for end in ends)
    if len(ends) > 2 or not whole or numbers:
        raise TargetError(
            f"{site!r} is no place of an autoencoder",
            field=field,
            value=site,
            legal='a whole site, as in "L9.resid_post", or two, as in "L9.mlp_in>L9.mlp_out"',
        )
    return ends[0].site_key, ends[-1].site_key


def _refuse_told(files: Files, subtract_bias: bool | None, scale: float | None) -> None:
    for field, value in (("subtract_bias", subtract_bias), ("scale", scale)):
        if value is not None:
            raise InputError(
                f"{files.source} has latents of several layers, of which {field} is not asked",
                field=field,
                value=value,
                legal="nothing",
                fix=f"leave {field} out",
            )


def _read(files: Files, asked: Asked) -> Autoencoder | LayeredAutoencoder:
    for layout in LAYOUTS:
        if layout.recognises(files):
            found = layout.read(files, asked)
            if found is not None:
                return found
    listed = ", ".join(files.candidates[:8]) or "nothing"
    raise files.refusal(
        f"its layout is not known; it has {listed}",
        legal=", ".join(layout.NAME for layout in LAYOUTS),
        fix="name the folder that holds the weights and the settings beside them",
    )


def _told(
    found: Autoencoder,
    files: Files,
    reads: SiteKey | None,
    writes: SiteKey | None,
    subtract_bias: bool | None,
) -> Autoencoder:
    """With what the caller says in place of what the files say, and a note of each difference."""
    says = found.description
    notes = list(says.notes)
    if reads is not None and writes is not None:
        if says.kind == "sae" and reads != writes:
            raise files.refusal("it is an autoencoder, which reads and writes one site")
        if says.kind == "transcoder" and reads == writes:
            raise files.refusal(
                "it is a transcoder: say what it reads and what it writes",
                fix=f'site="{reads.name}>L{reads.layer}.mlp_out"',
            )
        told = says.at(reads, writes)
        if says.where and told.where != says.where:
            notes.append(f"its files say {says.where}; {told.where} was asked for")
        says = told
    if subtract_bias is not None and subtract_bias != says.subtract_bias:
        word = "is" if subtract_bias else "is not"
        notes.append(f"b_dec {word} taken off, as was asked for, against what its layout does")
        says = replace(says, subtract_bias=subtract_bias)
    left = tuple(one for one in says.open if one != "subtract_bias" or subtract_bias is None)
    says = replace(says, source=files.source, notes=tuple(notes), open=left)
    return replace(found, description=says)

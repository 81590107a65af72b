"""What `unembed doctor` prints: the anatomy of a model, what works, the proof, the versions."""

from __future__ import annotations

import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from unembed.engine.model import Model
    from unembed.models.anatomy import Anatomy, BlockAnatomy

_PACKAGES = ("unembed", "torch", "transformers", "safetensors", "tokenizers")


def as_data(model: Model) -> dict[str, Any]:
    """The report as data."""
    from unembed.latents.sae import what_is_attached

    anatomy, report = model.anatomy, model.report
    return {
        "model": {
            "name": model.name,
            "family": model.family,
            "kind": model.kind,
            "fingerprint": model.fingerprint,
            "dtype": str(model.dtype).removeprefix("torch."),
            "device": str(model.device),
            "revision": model.identity.revision,
            "licence": model.licence,
            "longest prompt": model.max_positions,
        },
        "anatomy": {
            "layers": anatomy.n_layers,
            "encoder": _encoder(anatomy),
            "token mixers": _mixers(anatomy),
            "query heads": anatomy.n_heads,
            "key/value heads": anatomy.n_kv_heads,
            "residual width": anatomy.d_model,
            "head width": anatomy.d_head,
            "neurons per layer": anatomy.d_mlp,
            "vocabulary": model.vocab_size,
            "blocks": ", ".join(sorted({block.arrangement for block in anatomy.blocks})),
            "feed-forward": ", ".join(sorted({_feed_forward(block) for block in anatomy.blocks})),
        },
        "attached": [asdict(one) for one in what_is_attached(model)],
        "capabilities": [
            {"name": one.name, "available": one.available, "reason": one.reason}
            for one in model.capabilities().values()
        ],
        "self-check": {
            "tolerance": None if report is None else report.tolerance,
            "layers": None if report is None or report.layers is None else list(report.layers),
            "errors": {} if report is None else dict(report.errors),
        },
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in _PACKAGES},
    }


def _encoder(anatomy: Anatomy) -> str | None:
    """Of an encoder-decoder, what else it has and needs; the rest is its decoder's."""
    if anatomy.encoder is None:
        return None
    layers, heads = anatomy.encoder.n_layers, anatomy.encoder.n_heads
    return f"{layers} layers of {heads} heads, which read --source; all below is of the decoder"


def _mixers(anatomy: Anatomy) -> str:
    """Which layers have attention, and what the others have: "attention in 1, 3; Mamba in 0, 2"."""
    layers: dict[str, list[str]] = {}
    for block in anatomy.blocks:
        kind = "none" if block.mixer is None else block.mixer.kind
        layers.setdefault(kind, []).append(str(block.layer))
    if len(layers) == 1:
        return next(iter(layers))
    return "; ".join(f"{kind} in {', '.join(some)}" for kind, some in sorted(layers.items()))


def _feed_forward(block: BlockAnatomy) -> str:
    return "none" if block.feed_forward is None else block.feed_forward.kind


def print_report(console: Console, data: dict[str, Any]) -> None:
    """The report as tables."""
    for section in ("model", "anatomy"):
        console.print(_pairs(section.capitalize(), data[section]), "")
    table = _table("What can be asked of it", "name", "", "why not")
    for one in data["capabilities"]:
        mark = Text("yes", "green") if one["available"] else Text("no", "red")
        table.add_row(one["name"], mark, Text(one["reason"] or ""))
    console.print(table, "")
    check = data["self-check"]
    table = _table("Self-check", "equation", "largest relative error", "")
    for equation, error in check["errors"].items():
        holds = error <= check["tolerance"]
        mark = Text("holds", "green") if holds else Text("fails", "red")
        table.add_row(Text(equation), f"{error:.1e}", mark)
    table.caption = (
        f"{_checked(check['layers'])} "
        f"An equation holds up to {check['tolerance']:.0e} in this precision."
    )
    console.print(table, "")
    console.print(_pairs("Versions", data["versions"]))


def _checked(layers: list[int] | None) -> str:
    if layers is None:
        return "Every layer was checked."
    word = "Layer" if len(layers) == 1 else "Layers"
    return f"{word} {', '.join(map(str, layers))} checked; the others are built alike."


def _pairs(title: str, pairs: dict[str, Any]) -> Table:
    table = _table(title, "", "")
    for name, value in pairs.items():
        if value is not None:
            shown = f"{value:,}" if isinstance(value, int) else str(value)
            table.add_row(name, Text(shown))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column)
    return table

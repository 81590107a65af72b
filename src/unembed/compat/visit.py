"""Graph configurations of VISIT as options and colours of a flow graph. Knows no model.

A VISIT configuration is a JSON file with three kinds of keys: where a model has its parts, which
is found out here and not read; what is shown and how wide; and colours.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from unembed.analyses.flow.options import FlowOptions
from unembed.errors import InputError
from unembed.figures.colour_words import parse_colour
from unembed.figures.colours import Theme, luminance, parse
from unembed.figures.flow_palettes import Palette, load_palette

MOST_BYTES = 1_000_000

_ARCHITECTURE: Mapping[str, type] = {
    "config_name": str,
    "layer_format": str,
    "layer_mlp_format": str,
    "layer_attn_format": str,
    "ln1": str,
    "attn_q": str,
    "attn_k": str,
    "attn_v": str,
    "attn_o": str,
    "ln2": str,
    "mlp_ff1": str,
    "mlp_ff2": str,
    "n_layer": str,
    "transpose_attn_o": bool,
    "parallel_attn_mlp_architecture": bool,
}
# their name -> ours
_COUNTS = {
    "number_of_top_neurons": "top_neurons",
    "number_of_bottom_neurons": "bottom_neurons",
    "n_values_per_head": "values_per_head",
    "n_heads_to_add": "n_heads",
}
_NUMBERS = {
    "defualt_weight": "default_width",  # spelt like this in VISIT
    "default_weight": "default_width",
    "factor_weight_mlp_key_value_link": "neuron_factor",
    "factor_attn_score": "attention_factor",
    "factor_head_output": "head_factor",
    "factor_head_norm": "query_factor",
    "factor_for_memory_to_head_values": "memory_factor",
}
_FLAGS = {
    "include_mlp_bias": "mlp_bias",
    "include_attn_bias": "attn_bias",
    "compact_mlp_nodes": "merge_neurons",
    "compact_attn_k_v_nodes": "merge_values",
}
_MAPS = {
    "cmap_node_rank_target": "rank_stops",
    "cmap_attn_score": "attention_stops",
    "cmap_entropy": "entropy_stops",
}
_COLOURS = {
    "default_color": "plain",
    "color_for_abstract": "plain",
    "link_with_normalizer": "norm",
    "color_for_bias_vector": "bias",
    "positive_activation": "positive",
    "negative_activation": "negative",
    "color_attn_residual": "residual_attn",
    "color_mlp_residual": "residual_mlp",
}
_WITHOUT_EFFECT: Mapping[str, str] = {
    "round_digits": "numbers are rounded to what their size asks for",
    "font_size": "the figure has one size of text",
    "invisible_link_color": "what must not be seen is transparent",
}
_GROUND = "backgroud_color"  # spelt like this in VISIT
_GROUNDS = (_GROUND, "background_color")
LEGAL_KEYS = (
    *_ARCHITECTURE,
    *_COUNTS,
    *_NUMBERS,
    *_FLAGS,
    *_MAPS,
    *_COLOURS,
    *_WITHOUT_EFFECT,
    *_GROUNDS,
)


@dataclass(frozen=True)
class FlowConfig:
    """What a configuration says.

    `theme` is the ground that its background is nearer to, None where it has none; `notes` say
    which of its keys have no effect here, and why.
    """

    options: FlowOptions
    palette: Mapping[Theme, Palette]
    theme: Theme | None = None
    notes: tuple[str, ...] = ()


def read_flow_config(path: str | Path) -> FlowConfig:
    """A graph configuration of VISIT from its JSON file.

    Raises:
        InputError: the file cannot be read or is not JSON; a key is unknown, or its value is not
            what it must be. The error names the key.
    """
    file = Path(path).expanduser()
    try:
        if file.stat().st_size > MOST_BYTES:
            raise _refused(f"{file} is larger than {MOST_BYTES:,} bytes: no configuration is", path)
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = error.strerror or str(error)
        raise _refused(f"{file} cannot be read: {reason}", path) from error
    except UnicodeDecodeError as error:
        raise _refused(f"{file} is not UTF-8: byte {error.start} is wrong", path) from None
    try:
        data = json.loads(text, object_pairs_hook=_once)
    except (json.JSONDecodeError, RecursionError) as error:
        raise _refused(f"{file} is not JSON: {error}", path) from None
    return parse_flow_config(data)


def parse_flow_config(data: object) -> FlowConfig:
    """A graph configuration of VISIT from what its JSON holds; see `read_flow_config`."""
    if not isinstance(data, dict):
        raise InputError(
            f"a graph configuration is an object with keys and values, not {_kind(data)}",
            field="config",
            legal="{...}",
        )
    for key, value in data.items():
        _check_known(str(key))
        _check_architecture(str(key), value)
    return FlowConfig(
        options=_options(data),
        palette={theme: _palette(data, theme) for theme in get_args(Theme)},
        theme=_theme(data),
        notes=_notes(data),
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; raises InputError where it has a key twice, of which one would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        key = next(key for key in keys if keys.count(key) > 1)
        raise InputError(f"{key} is there twice", field=key, fix="leave one of them out")
    return found


def _check_known(key: str) -> None:
    if key in LEGAL_KEYS:
        return
    near = difflib.get_close_matches(key, LEGAL_KEYS, n=1)
    legal = ", ".join(LEGAL_KEYS)
    raise InputError(
        f"{key!r} is no key of a graph configuration; keys are {legal}",
        field=key,
        legal=legal,
        fix=f"write {near[0]}" if near else "leave it out",
    )


def _check_architecture(key: str, value: object) -> None:
    wanted = _ARCHITECTURE.get(key)
    if wanted is None or isinstance(value, wanted):
        return
    if key == "n_layer" and isinstance(value, int):
        return
    raise _wrong(key, value, "true or false" if wanted is bool else "a text")


# ------------------------------------------------------------------ options


def _options(data: Mapping[str, Any]) -> FlowOptions:
    changes: dict[str, Any] = {}
    _take(data, _COUNTS, changes, _count)
    _take(data, _NUMBERS, changes, _number)
    _take(data, _FLAGS, changes, _flag)
    try:
        return FlowOptions(**changes)
    except InputError as error:
        names = {**_COUNTS, **_NUMBERS}
        theirs = (key for key, ours in names.items() if key in data and ours == error.field)
        key = next(theirs, error.field or "")
        raise _wrong(key, error.value, error.legal or "another value") from None


def _take(
    data: Mapping[str, Any],
    names: Mapping[str, str],
    into: dict[str, Any],
    read: Callable[[str, object], Any],
) -> None:
    """Values by our names; raises InputError where two keys for one thing disagree."""
    for key, ours in names.items():
        if key not in data:
            continue
        value = read(key, data[key])
        if ours in into and into[ours] != value and ours != "plain":
            raise InputError(
                f"{key} is {data[key]!r}, but another key says {into[ours]!r} for the same",
                field=key,
                value=data[key],
                fix="leave one of them out",
            )
        into[ours] = value


def _count(key: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(key, value, "an integer")
    return max(0, value) if key == "n_heads_to_add" else value


def _number(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(key, value, "a number from 0")
    return value


def _flag(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong(key, value, "true or false")
    return value


# ------------------------------------------------------------------ colours


def _palette(data: Mapping[str, Any], theme: Theme) -> Palette:
    changes: dict[str, Any] = {}
    _take(data, _MAPS, changes, _stops)
    _take(data, _COLOURS, changes, lambda key, value: parse_colour(value, key))
    return replace(load_palette("visit", theme), **changes)


def _stops(key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise _wrong(key, value, "a list of colours")
    return tuple(parse_colour(one, f"{key}[{at}]")[:7] for at, one in enumerate(value))


def _theme(data: Mapping[str, Any]) -> Theme | None:
    for key in _GROUNDS:
        if key in data:
            return "dark" if luminance(parse(parse_colour(data[key], key)[:7])) < 0.5 else "light"
    return None


def _notes(data: Mapping[str, Any]) -> tuple[str, ...]:
    notes = []
    found = [key for key in data if key in _ARCHITECTURE]
    if found:
        notes.append(
            f"{', '.join(found)}: not read, as the parts of a model are found by its structure"
        )
    notes += [f"{key}: no effect, as {why}" for key, why in _WITHOUT_EFFECT.items() if key in data]
    notes += [
        f"{key}: the figure is on the nearer of a light and a dark ground"
        for key in _GROUNDS
        if key in data
    ]
    return tuple(notes)


# ------------------------------------------------------------------ errors


def _wrong(key: str, value: object, legal: str) -> InputError:
    return InputError(
        f"{key} is {json.dumps(value, ensure_ascii=False, default=str)[:80]}; it must be {legal}",
        field=key,
        value=value,
        legal=legal,
    )


def _refused(message: str, path: str | Path) -> InputError:
    return InputError(message, field="config", value=str(path), fix="name a JSON file of VISIT's")


def _kind(data: object) -> str:
    return {list: "a list", str: "a text", type(None): "null"}.get(type(data), "a number")

"""VISIT's configurations: what they say is done, what they cannot say is named."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from unembed.analyses.flow.options import FlowOptions
from unembed.compat.visit import LEGAL_KEYS, parse_flow_config, read_flow_config
from unembed.errors import InputError
from unembed.figures.colour_words import parse_colour
from unembed.figures.flow_palettes import load_palette

SIZES = {
    "number_of_top_neurons": 18,
    "number_of_bottom_neurons": 7,
    "n_values_per_head": 2,
    "n_heads_to_add": 10,
    "round_digits": 3,
    "defualt_weight": 7,
    "factor_weight_mlp_key_value_link": 1.5,
    "factor_attn_score": 10,
    "factor_head_output": 1.8,
    "factor_head_norm": 0.2,
    "factor_for_memory_to_head_values": 1.3,
    "compact_mlp_nodes": False,
    "compact_attn_k_v_nodes": False,
}
ARCHITECTURE = {
    "config_name": "gpt2",
    "layer_format": "transformer.h.{}",
    "layer_mlp_format": "transformer.h.{}.mlp",
    "layer_attn_format": "transformer.h.{}.attn",
    "ln1": "transformer.h.{}.ln_1",
    "attn_q": "transformer.h.{}.attn.c_attn",
    "attn_k": "transformer.h.{}.attn.c_attn",
    "attn_v": "transformer.h.{}.attn.c_attn",
    "attn_o": "transformer.h.{}.attn.c_proj",
    "ln2": "transformer.h.{}.ln_2",
    "mlp_ff1": "transformer.h.{}.mlp.c_fc",
    "mlp_ff2": "transformer.h.{}.mlp.c_proj",
    "n_layer": "n_layer",
    "include_mlp_bias": True,
    "include_attn_bias": True,
    "transpose_attn_o": False,
    "parallel_attn_mlp_architecture": False,
}
COLOURS = {
    "cmap_node_rank_target": ["lime", "greenyellow"]
    + 3 * ["yellow"]
    + 53 * ["dimgrey"]
    + 3 * ["orangered"]
    + 4 * ["red"]
    + 5 * ["darkred"],
    "cmap_attn_score": ["khaki", "yellow", "green"],
    "cmap_entropy": ["darkslategrey", "lightgrey", "lightgrey"],
    "backgroud_color": "black",
    "invisible_link_color": "black",
    "color_for_abstract": "white",
    "default_color": "white",
    "link_with_normalizer": "darkviolet",
    "color_for_bias_vector": "pink",
    "positive_activation": "blue",
    "negative_activation": "red",
    "color_attn_residual": "rgba(102,0,204,0.3)",
    "color_mlp_residual": "rgba(51,102,153,0.3)",
    "font_size": 12,
}
SECOND = {
    "cmap_node_rank_target": ["purple", "grey", "grey", "grey", "yellow"],
    "cmap_attn_score": ["purple", "grey", "grey", "grey", "yellow"],
    "link_with_normalizer": "darkcyan",
    "color_for_bias_vector": "darkcyan",
    "positive_activation": "green",
    "negative_activation": "red",
    "color_attn_residual": "blue",
    "color_mlp_residual": "lightblue",
}


@pytest.mark.parametrize("parts", [(), (ARCHITECTURE,), (ARCHITECTURE, SIZES, COLOURS)])
def test_visits_own_values_are_our_defaults(parts):
    data = {key: value for part in parts for key, value in part.items()}
    config = parse_flow_config(data)
    assert config.options == FlowOptions()
    assert config.palette["dark"] == load_palette("visit", "dark")
    assert config.theme == ("dark" if COLOURS in parts else None)


def test_the_second_palette_is_visits():
    config = parse_flow_config(ARCHITECTURE | SECOND)
    wanted = load_palette("visit-2", "dark")
    found = replace(
        config.palette["dark"],
        residual_attn=config.palette["dark"].residual_attn + "ff",
        residual_mlp=config.palette["dark"].residual_mlp + "ff",
    )
    assert found == wanted


def test_every_value_has_its_option():
    config = parse_flow_config(
        {
            "number_of_top_neurons": 20,
            "number_of_bottom_neurons": 0,
            "n_values_per_head": 1,
            "n_heads_to_add": -1,
            "default_weight": 5,
            "factor_weight_mlp_key_value_link": 2,
            "factor_attn_score": 3.5,
            "factor_head_output": 4,
            "factor_head_norm": 0.5,
            "factor_for_memory_to_head_values": 6,
            "compact_mlp_nodes": True,
            "compact_attn_k_v_nodes": True,
            "include_mlp_bias": False,
            "include_attn_bias": False,
        }
    )
    assert config.options == FlowOptions(
        top_neurons=20,
        bottom_neurons=0,
        values_per_head=1,
        n_heads=0,
        default_width=5,
        neuron_factor=2,
        attention_factor=3.5,
        head_factor=4,
        query_factor=0.5,
        memory_factor=6,
        merge_neurons=True,
        merge_values=True,
        mlp_bias=False,
        attn_bias=False,
    )
    assert config.notes == ()


def test_what_has_no_effect_is_said():
    notes = parse_flow_config(ARCHITECTURE | SIZES | COLOURS).notes
    said = "\n".join(notes)
    for key in ("attn_q", "transpose_attn_o", "round_digits", "font_size", "backgroud_color"):
        assert key in said
    assert "number_of_top_neurons" not in said


@pytest.mark.parametrize(
    ("data", "field", "words"),
    [
        ({"number_of_top_neuron": 3}, "number_of_top_neuron", "number_of_bottom_neurons"),
        ({"": 3}, "", "is no key"),
        ({"number_of_top_neurons": "18"}, "number_of_top_neurons", "an integer"),
        ({"number_of_top_neurons": True}, "number_of_top_neurons", "an integer"),
        ({"number_of_top_neurons": 1.5}, "number_of_top_neurons", "an integer"),
        ({"number_of_top_neurons": -1}, "number_of_top_neurons", "an integer from 0"),
        ({"n_values_per_head": 0}, "n_values_per_head", "an integer from 1"),
        ({"factor_attn_score": None}, "factor_attn_score", "a number from 0"),
        ({"factor_attn_score": float("nan")}, "factor_attn_score", "a number from 0"),
        ({"defualt_weight": -7}, "defualt_weight", "a number from 0"),
        ({"defualt_weight": 7, "default_weight": 8}, "default_weight", "another key says 7"),
        ({"compact_mlp_nodes": 1}, "compact_mlp_nodes", "true or false"),
        ({"transpose_attn_o": "yes"}, "transpose_attn_o", "true or false"),
        ({"ln1": ["a"]}, "ln1", "a text"),
        ({"cmap_entropy": "viridis"}, "cmap_entropy", "a list of colours"),
        ({"cmap_entropy": []}, "cmap_entropy", "a list of colours"),
        ({"cmap_entropy": ["red", "rouge"]}, "cmap_entropy[1]", "'rouge', which is no colour"),
        ({"positive_activation": 7}, "positive_activation", "no colour"),
        ({"backgroud_color": "blackish"}, "backgroud_color", "no colour"),
        ([], "config", "not a list"),
        (7, "config", "not a number"),
    ],
)
def test_a_mistake_names_its_key(data, field, words):
    with pytest.raises(InputError, match=re.escape(words)) as caught:
        parse_flow_config(data)
    assert caught.value.field == field


def test_an_unknown_key_is_told_the_nearest():
    with pytest.raises(InputError) as caught:
        parse_flow_config({"number_of_top_neuron": 3})
    assert caught.value.fix == "write number_of_top_neurons"
    assert caught.value.legal == ", ".join(LEGAL_KEYS)


def test_a_file_is_read_and_a_bad_one_named(tmp_path):
    path = tmp_path / "config.json"
    path.write_text("\ufeff" + json.dumps(ARCHITECTURE), encoding="utf-8")
    assert read_flow_config(path).options == FlowOptions()
    for text, words in [
        (b"{", "is not JSON: .*line 1"),
        (b"", "is not JSON"),
        (b"\xff\xfe{}", "is not UTF-8"),
        (b'{"ln1": "a", "ln1": "b"}', "ln1 is there twice"),
        (b"[" * 100_000, "is not JSON"),
        (b" " * 1_000_001, "larger than 1,000,000 bytes"),
    ]:
        path.write_bytes(text)
        with pytest.raises(InputError, match=words):
            read_flow_config(path)
    with pytest.raises(InputError, match=r"none\.json cannot be read: No such file") as caught:
        read_flow_config(tmp_path / "none.json")
    assert caught.value.field == "config"
    with pytest.raises(InputError, match="cannot be read"):
        read_flow_config(tmp_path)


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("DarkSlateGrey", "#2f4f4f"),
        (" grey ", "#808080"),
        ("#ABC", "#aabbcc"),
        ("#abcd", "#aabbccdd"),
        ("#00ff0080", "#00ff0080"),
        ("rgb(0, 128, 255)", "#0080ff"),
        ("rgba(102,0,204,0.3)", "#6600cc4d"),
        ("rgb(0% 50% 100% / 50%)", "#0080ff80"),
        ("RGBA(1,2,3,1)", "#010203"),
    ],
)
def test_colours_as_people_write_them(word, wanted):
    assert parse_colour(word, "c") == wanted


@pytest.mark.parametrize(
    "word",
    ["", "rouge", "#12", "#12345", "rgb(1,2)", "rgb(256,0,0)", "rgb(-1,0,0)", "rgba(0,0,0,2)",
     "rgb(a,b,c)", "rgb(1,2,3)x", "rgba(0,0,0,nan)", None, 7, ["red"]],
)  # fmt: skip
def test_what_is_no_colour_is_refused(word):
    with pytest.raises(InputError, match="no colour"):
        parse_colour(word, "c")

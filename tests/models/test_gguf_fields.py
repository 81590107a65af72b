"""The quick reader of a header gives what the gguf package's own reader and transformers give."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
import small_gguf
from transformers import modeling_gguf_pytorch_utils as transformers_reader

from unembed.models import gguf_fields
from unembed.models.gguf import quiet

ARRAYS = {
    "small": [1, -2, 3],
    "floats": [0.5, -1.25],
    "flags": [True, False, True],
    "words": ["", "▁the", "a\nb", "é∞"],
    "one": ["alone"],
}
SINGLE = {"u8": 200, "i64": -(2**40), "f64": 1.5, "text": "▁gguf", "yes": True}


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    """A file with a tokenizer, and a key of every type that a writer knows."""
    path = tmp_path_factory.mktemp("gguf") / "m.gguf"
    made = gguf.GGUFWriter(str(path), "llama")
    made.add_uint8("u8", SINGLE["u8"])
    made.add_key_value("i64", SINGLE["i64"], gguf.GGUFValueType.INT64)
    made.add_float64("f64", SINGLE["f64"])
    made.add_string("text", SINGLE["text"])
    made.add_bool("yes", SINGLE["yes"])
    for key, values in ARRAYS.items():
        made.add_array(key, values)
    made.add_array("tokens", small_gguf.TOKENS)
    made.add_tensor("weights", np.arange(64, dtype=np.float32).reshape(4, 16))
    made.write_header_to_file()
    made.write_kv_data_to_file()
    made.write_tensors_to_file()
    made.close()
    return path


def test_each_field_is_the_one_that_the_package_reads(path):
    quick, plain = gguf_fields.reader_class()(path), gguf.GGUFReader(path)
    assert list(quick.fields) == list(plain.fields)
    for name, field in plain.fields.items():
        found = quick.fields[name]
        assert (found.name, found.offset, found.data, found.types) == (
            name,
            field.offset,
            field.data,
            field.types,
        )
        assert found.contents() == field.contents()
        for one, other in zip(found.parts, field.parts, strict=True):
            np.testing.assert_array_equal(one, other, strict=True)
    assert quick.fields["words"].contents() == ARRAYS["words"]


def test_the_tensors_are_where_the_package_finds_them(path):
    [quick], [plain] = gguf_fields.reader_class()(path).tensors, gguf.GGUFReader(path).tensors
    assert (quick.name, quick.data_offset) == (plain.name, plain.data_offset)
    np.testing.assert_array_equal(quick.data, np.arange(64).reshape(4, 16))


def test_values_are_those_that_transformers_makes(path):
    for field in gguf.GGUFReader(path).fields.values():
        for part in (field.parts[at] for at in field.data):
            expected = transformers_reader._gguf_parse_value(part, field.types)
            found = gguf_fields.value_of(part, field.types)
            assert (type(found), found) == (type(expected), expected)


def test_a_file_of_the_other_byte_order_is_left_to_the_package(tmp_path):
    path = tmp_path / "big.gguf"
    made = gguf.GGUFWriter(str(path), "llama", endianess=gguf.GGUFEndian.BIG)
    made.add_array("words", ARRAYS["words"])
    made.write_header_to_file()
    made.write_kv_data_to_file()
    made.close()
    assert gguf_fields.reader_class()(path).fields["words"].contents() == ARRAYS["words"]


def test_afterwards_everybody_reads_as_before():
    before = gguf.GGUFReader, gguf.get_tensor_name_map, transformers_reader._gguf_parse_value
    with quiet(lambda *_: None):
        during = gguf.GGUFReader, gguf.get_tensor_name_map, transformers_reader._gguf_parse_value
    assert not set(during) & set(before)
    after = gguf.GGUFReader, gguf.get_tensor_name_map, transformers_reader._gguf_parse_value
    assert after == before

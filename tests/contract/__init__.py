"""The proof of the engine: every family, site and edit, against code that shares none of it.

Each property is proven once on every family and variant, in float64, where nothing hides in
rounding. In float32 every family is proven where a promise says so: the sites, the identities, an
edit at every place, logits to the bit; of the analyses, every cell of the lens and every number of
the flow graph. bfloat16 has the tests of what a type of its own can break. An operation on each of
many places is spread over the families, and whole on one of each make (`THOROUGH`).
"""

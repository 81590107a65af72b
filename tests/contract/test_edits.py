"""An edit at each editable place gives what hooks written by hand give on the plain model.

The expected logits come from the oracle, where an edit is a function of one site's value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

import unembed as ue
from unembed import Model, Run
from unembed.errors import CapabilityError, EditError, InputError

from .closeness import OTHER_PROMPT, PROMPT, assert_close, relative_error
from .oracle import Oracle
from .sites import GLOBAL_SITES, LAYER_SITES, NEURONS, all_sites, exists
from .wiring import NAMES, REPRESENTATIVES

# An edit goes through every layer above it, and another kernel computes them on the other side.
TOLERANCE = {torch.float32: 5e-5, torch.float64: 1e-9}
FP32_KERNEL = 5e-6

OPERATIONS = ("zero", "scale", "set_to", "add", "patch")
POSITIONS = (3, 7)
SOURCES = (8, 2)


@dataclass(frozen=True)
class Place:
    """What an edit names, which site of the oracle that is, and which part of it."""

    target: str
    site: str
    head: int | None = None
    neuron: int | None = None
    entry: int | None = None
    key: int | None = None
    query: int | None = None
    stage: str = "post"

    @property
    def pairs(self) -> bool:
        return self.site.endswith(("scores", "pattern"))

    def part(self, value: Tensor, positions: tuple[int, ...] | None) -> tuple[object, ...]:
        """The index of what is edited."""
        rows: object = list(range(len(PROMPT)) if positions is None else positions)
        rows = rows if self.query is None else self.query
        if self.pairs:
            head = slice(None) if self.head is None else self.head
            return head, rows, slice(None) if self.key is None else self.key
        if self.entry is not None:
            return rows, self.head, self.entry
        last = self.head if self.neuron is None else self.neuron
        return (rows,) if last is None else (rows, last)


def changed_by(
    place: Place,
    operation: str,
    value: object,
    positions: tuple[int, ...] | None,
    source: Tensor | None,
    source_positions: tuple[int, ...] | None,
) -> Callable[[Tensor], Tensor]:
    """The edit as a function of the whole site."""

    def change(site: Tensor) -> Tensor:
        index = place.part(site, positions)
        if operation == "patch":
            assert source is not None
            site[index] = source[place.part(source, source_positions or positions)].to(site.dtype)
        elif operation == "zero":
            site[index] = 0.0
        elif operation == "scale":
            site[index] = site[index] * value
        elif operation == "set_to":
            site[index] = torch.as_tensor(value, dtype=site.dtype)
        else:
            site[index] = site[index] + torch.as_tensor(value, dtype=site.dtype)
        return site

    return change


def places(oracle: Oracle, layer: int) -> list[Place]:
    """Everything of one layer, and the global sites, that can be edited."""
    sites = [site for site in LAYER_SITES if exists(oracle, layer, site)]
    at = f"L{layer}"
    found = [Place(f"{at}.{site}", f"{at}.{site}") for site in sites]
    found += [Place(site, site) for site in GLOBAL_SITES]
    found += [Place(f"{at}.attn", f"{at}.attn_out"), Place(f"{at}.mlp", f"{at}.mlp_out")]
    found += [Place(f"{at}.H2", f"{at}.z", head=2), Place(f"{at}.H1.q", f"{at}.q", head=1)]
    found += [Place(f"{at}.H0.{site}", f"{at}.{site}", head=0) for site in ("k", "v")]
    found += [Place(f"{at}.H3.{site}", f"{at}.{site}", head=3) for site in ("pattern", "scores")]
    width = _runs(oracle)[0][f"{at}.z"].shape[-1]
    found.append(Place(f"{at}.z{2 * width + 3}", f"{at}.z", head=2, entry=3))
    found.append(Place(f"{at}.H1@7<5", f"{at}.pattern", head=1, query=7, key=5))
    if exists(oracle, layer, "mlp_post"):
        argument = "mlp_gate" if oracle.wiring.gated else "mlp_pre"
        found.append(Place(f"{at}.N5", f"{at}.mlp_post", neuron=5))
        found.append(Place(f"{at}.N5", f"{at}.{argument}", neuron=5, stage="pre"))
    return found


def value_for(operation: str, place: Place, site: Tensor) -> object:
    """A number for scale, a vector where the place has room for one, a number elsewhere."""
    if operation in ("zero", "patch"):
        return None
    if operation == "scale":
        # Masked scores are -inf: a negative factor would make them win.
        return 0.5 if place.site.endswith("scores") else -1.7
    if place.neuron is not None or place.entry is not None or place.pairs or operation == "set_to":
        return 0.45
    generator = torch.Generator().manual_seed(3)
    return torch.randn(site.shape[-1], generator=generator, dtype=torch.float64).tolist()


def check(
    model: Model,
    oracle: Oracle,
    place: Place,
    operation: str,
    positions: tuple[int, ...] | None,
    source_positions: tuple[int, ...] | None = None,
) -> str | None:
    """None, or what is wrong."""
    plain, other = _runs(oracle)
    value = value_for(operation, place, plain[place.site])
    keywords: dict[str, object] = {} if place.query is not None else {"positions": positions}
    if place.stage == "pre":
        keywords["stage"] = "pre"
    if operation == "patch":
        edit = ue.patch(
            place.target, _other_run(model, oracle), source_positions=source_positions, **keywords
        )
    else:
        arguments = [] if value is None else [value]
        edit = getattr(ue, operation)(place.target, *arguments, **keywords)
    source = other[place.site] if operation == "patch" else None
    change = changed_by(place, operation, value, positions, source, source_positions)
    expected = oracle.run(PROMPT, {_oracle_name(place): change})["logits"]
    actual = model.run(PROMPT, edits=[edit]).logits
    error = relative_error(actual, expected)
    limit = TOLERANCE[oracle.dtype]
    limit = max(limit, FP32_KERNEL) if oracle.wiring.fp32_pattern else limit
    if error <= limit:
        return None
    return f"{operation} {place.target} {place.stage} at {positions}: {error:.1e}"


def _oracle_name(place: Place) -> str:
    return "L0.resid_pre" if place.site == "embed" else place.site


_other: dict[Model, Run] = {}


def _other_run(model: Model, oracle: Oracle) -> Run:
    if model not in _other:
        _other[model] = model.run(OTHER_PROMPT, capture=all_sites(oracle))
    return _other[model]


_seen: dict[Oracle, tuple[dict[str, Tensor], dict[str, Tensor]]] = {}


def _runs(oracle: Oracle) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    if oracle not in _seen:
        _seen[oracle] = oracle.run(PROMPT), oracle.run(OTHER_PROMPT)
    return _seen[oracle]


# Some of each make: both kinds of attention, grouped heads, post-norms, soft caps, shared layers.
THOROUGH = ("gpt2", "bloom", "gemma2", "albert")
# Each does one operation at a place; those that compute as a representative does, at every third.
SHARE = {name: len(OPERATIONS) * (1 if name in REPRESENTATIVES else 3) for name in NAMES}
SHARE |= dict.fromkeys(THOROUGH, 1)
IN_FP32 = (*THOROUGH, "gptj", "falcon", "mixtral", "granite")


@pytest.mark.parametrize("name", NAMES)
def test_operations_at_every_place_in_fp64(name, model_of, oracle_of):
    """All positions and two take turns, so do layers, and families at the same places."""
    model, oracle = model_of(name, torch.float64), oracle_of(name, torch.float64)
    wrong = []
    for turn, operation in enumerate(OPERATIONS):
        for count, place in enumerate(places(oracle, turn % oracle.n_layers)):
            if (count + turn + NAMES.index(name)) % SHARE[name]:
                continue
            if operation == "patch":
                sources = None if (place.pairs or place.query is not None) else SOURCES
                positions = POSITIONS if place.query is None else None
                wrong.append(check(model, oracle, place, operation, positions, sources))
            else:
                everywhere = (turn + count) % 2 or place.query is not None
                positions = None if everywhere else POSITIONS
                wrong.append(check(model, oracle, place, operation, positions))
    assert not [problem for problem in wrong if problem]


@pytest.mark.parametrize("name", IN_FP32)
def test_every_place_in_fp32(name, model_of, oracle_of):
    """Each place once, the layers taking turns."""
    model, oracle = model_of(name, torch.float32), oracle_of(name, torch.float32)
    wrong = [
        check(model, oracle, place, "scale", None if place.query is not None else POSITIONS)
        for layer in range(oracle.n_layers)
        for place in places(oracle, layer)[layer :: oracle.n_layers]
    ]
    assert not [problem for problem in wrong if problem]


@pytest.mark.parametrize(
    ("name", "dtype"),
    [*((name, torch.float64) for name in NAMES), *((name, torch.float32) for name in IN_FP32)],
)
def test_an_edited_run_captures_what_the_slow_model_has_after_the_edit(
    name, dtype, model_of, oracle_of
):
    """Several edits at once, of one site too, applied in the order given."""
    model, oracle = model_of(name, dtype), oracle_of(name, dtype)
    edits = [
        ue.scale("L0.H1", 3.0, positions=[4]),
        ue.add("L0.attn", 0.5),
        ue.scale("L0.attn_out", -1.5),
        ue.zero("L1.H0@6<2"),
        ue.scale("L1.v", 0.5, positions=[1, 5]),
    ]

    def z(value: Tensor) -> Tensor:
        value[4, 1] *= 3.0
        return value

    def pattern(value: Tensor) -> Tensor:
        value[0, 6, 2] = 0.0
        return value

    def v(value: Tensor) -> Tensor:
        value[[1, 5]] *= 0.5
        return value

    changes = {"L0.z": z, "L0.attn_out": lambda value: (value + 0.5) * -1.5}
    expected = oracle.run(PROMPT, changes | {"L1.pattern": pattern, "L1.v": v})
    sites = [name for name in expected if name != "logits" and not name.endswith("scores")]
    run = model.run(PROMPT, capture=sites, edits=edits)
    limit = TOLERANCE[dtype]
    limit = max(limit, FP32_KERNEL) if oracle.wiring.fp32_pattern else limit
    wrong = {
        site: error
        for site in (*sites, "logits")
        if (error := relative_error(run[site].double(), expected[site].double())) > limit
    }
    assert not wrong


@pytest.mark.parametrize("name", ["gpt2", "falcon", "granite", "albert", "phi3"])
def test_one_vector_for_each_position(name, model_of, oracle_of):
    """Rows of the value go with the positions as they are listed, also counted from the end."""
    model, oracle = model_of(name, torch.float64), oracle_of(name, torch.float64)
    for site in ("resid_pre", "mlp_post", "z", "attn_out", "q"):
        width = oracle.run(PROMPT)[f"L1.{site}"].shape[-1]
        rows = torch.randn(2, width, generator=torch.Generator().manual_seed(5)).double()

        def change(value: Tensor, rows: Tensor = rows) -> Tensor:
            shaped = rows if value.ndim == 2 else rows[:, None]
            value[[8, 2]] += shaped
            return value

        vectors = rows if site in ("resid_pre", "mlp_post", "attn_out") else rows[:, None]
        edit = ue.add(f"L1.{site}", vectors, positions=[-2, 2])
        expected = oracle.run(PROMPT, {f"L1.{site}": change})["logits"]
        assert_close(model.run(PROMPT, edits=[edit]).logits, expected, 1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_an_edit_changes_nothing_before_its_position(name, model_of):
    """In causal models; in masked ones every position may change."""
    model = model_of(name, torch.float64)
    if model.kind == "masked":
        return
    plain = model.run(PROMPT)
    edited = model.run(PROMPT, edits=[ue.zero("L1.attn", positions=[6])])
    if "mixtral" in name or "moe" in name:  # experts sum over other groups of tokens
        assert_close(edited.logits[:6], plain.logits[:6])
    else:
        assert torch.equal(edited.logits[:6], plain.logits[:6])
    assert not torch.equal(plain.logits[6], edited.logits[6])


@pytest.mark.parametrize("name", ["mixtral", "qwen3_moe", "qwen3_moe-dense-last"])
def test_single_neurons_of_experts_are_refused_and_those_of_dense_layers_work(
    name, model_of, oracle_of
):
    model, oracle = model_of(name, torch.float32), oracle_of(name, torch.float32)
    for layer in range(oracle.n_layers):
        if layer not in oracle.wiring.moe_layers:
            model.run(PROMPT, edits=[ue.zero(f"L{layer}.N3")])
            continue
        for edit in (ue.zero(f"L{layer}.N3"), ue.zero(f"L{layer}.N3", stage="pre")):
            with pytest.raises(CapabilityError, match="experts"):
                model.run(PROMPT, edits=[edit])
        for site in NEURONS:
            with pytest.raises(CapabilityError):
                model.run(PROMPT, edits=[ue.zero(f"L{layer}.{site}")])


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "bert"])
def test_a_patch_needs_the_site_and_the_positions(name, model_of):
    model = model_of(name, torch.float32)
    with pytest.raises(InputError, match=r"L1\.z"):
        model.run(PROMPT, edits=[ue.patch("L1.H0", model.run(OTHER_PROMPT))])
    shorter = model.run(OTHER_PROMPT[:5], capture=["L1.z"])
    with pytest.raises(EditError, match="positions"):
        model.run(PROMPT, edits=[ue.patch("L1.H0", shorter)])
    moved = ue.patch("L1.H0", shorter, positions=[9], source_positions=[4])
    assert model.run(PROMPT, edits=[moved]).logits is not None

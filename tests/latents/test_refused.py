"""What does not fit is refused in words that say what would, and the model has what it had."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import unembed as ue
from unembed.errors import LoadError, TargetError, TooLargeError, UnembedError
from unembed.latents import files

from .fitted import fitted
from .written import LAYOUTS

LAYOUT = next(layout for layout in LAYOUTS if layout.name == "saelens-topk")
PROMPT = (1, 72, 5, 33, 9, 72)


@pytest.fixture(scope="module")
def parts(model_of):
    """Parts of one that fits, one of another model, and one of another width."""
    own = fitted(LAYOUT, model_of("gpt2"))
    narrow = replace(own, enc=own.enc[:-2], dec=own.dec[:, :-2], b_dec=own.b_dec[:-2])
    others = {"another model": fitted(LAYOUT, model_of("gpt2", seed=3)), "another width": narrow}
    return {"own": own, **others}


# what is wrong -> the error, what it says, and its fix
CASES: dict[str, tuple[type[UnembedError], str, str | None]] = {
    "another model": (LoadError, "does not fit .*: it explains", "trained on this model"),
    "another width": (LoadError, "has 40 numbers at a position, it is for 38", "of this model"),
    "another site": (LoadError, "and .* at L1.resid_post", 'site="L1.resid_post"'),
    "another layer": (LoadError, "and .* at L1.resid_post", 'site="L1.resid_post"'),
    "no such layer": (LoadError, "L9.resid_post has no such site", "of this model"),
    "no such site": (TargetError, "nowhere", None),
    "two on one site": (LoadError, "attached already", "model.detach"),
    "cut": (LoadError, "sae_weights.safetensors cannot be read", None),
    "settings cut": (LoadError, "cfg.json cannot be read", None),
    "not finite": (LoadError, "not finite", None),
    "too large": (TooLargeError, "0 MiB of memory are left", "more memory"),
    "a hub id without a network": (LoadError, "no network here", "give the folder"),
}
SITES = {
    "another site": "L1.mlp_out",
    "another layer": "L2.resid_post",
    "no such layer": "L9.resid_post",
    "no such site": "L1.nowhere",
}


@pytest.fixture
def wrong(parts, tmp_path, monkeypatch, request):
    """Loads what the case is about."""
    case = request.param
    held = parts.get(case, parts["own"])
    if case == "not finite":
        held = replace(held, dec=torch.full_like(held.dec, float("nan")))
    path = LAYOUT.write(held).save(tmp_path / "wrong")
    if case == "cut":
        weights = path / "sae_weights.safetensors"
        weights.write_bytes(weights.read_bytes()[:-100])
    if case == "settings cut":
        (path / "cfg.json").write_text((path / "cfg.json").read_text("utf-8")[:-9], "utf-8")
    if case == "too large":
        monkeypatch.setattr(files, "available", lambda: 1000)
    if case == "a hub id without a network":
        monkeypatch.setattr("huggingface_hub.HfApi", Unreachable)
        path = "somebody/autoencoders/layer_1"
    return case, lambda: ue.load_sae(path, SITES.get(case))


class Unreachable:
    def list_repo_tree(self, *args, **named):
        raise OSError("no network here")


@pytest.fixture(scope="module")
def others(parts, model_of, tmp_path_factory):
    """One at L1.resid_post, attached before, and one at L0.mlp_out, given with what is wrong."""
    folder, second = tmp_path_factory.mktemp("right"), "L0.mlp_out"
    of_second = fitted(LAYOUT, model_of("gpt2"), place=second)
    first = ue.load_sae(LAYOUT.write(parts["own"]).save(folder / "first"))
    return first, ue.load_sae(LAYOUT.write(of_second).save(folder / "second"), second)


@pytest.mark.parametrize("wrong", CASES, indirect=True)
def test_what_is_refused_leaves_the_model_with_what_it_had(wrong, others, model_of):
    case, load_wrong = wrong
    plain, (first, second) = model_of("gpt2"), others
    model = ue.load(plain.module, tokenizer=plain.tokenizer)
    model.attach(first)
    before, run = dict(model.derived), model.run(PROMPT, ["L1.F7"])
    error, said, fix = CASES[case]
    with pytest.raises(error, match=said) as caught:
        model.attach(second, load_wrong())
    assert caught.value.field in ("source", "site")
    assert caught.value.value
    assert fix is None or fix in caught.value.fix
    assert model.derived == before
    after = model.run(PROMPT, ["L1.F7"])
    assert torch.equal(after.logits, run.logits)
    assert torch.equal(after["L1.F7"], run["L1.F7"])
    with pytest.raises(TargetError):
        model.node("L0.F1")

"""`unembed sae train` trains what was asked for, and says how it went."""

from __future__ import annotations

import json

import pytest

from unembed.cli import main
from unembed.latents.load import load_sae
from unembed.models.tiny import tiny_model, tiny_tokenizer

ASKED = [
    *("--latents", "16", "--k", "2", "--tokens", "64", "--batch", "32", "--buffer", "32"),
    *("--held-out", "20", "--context", "16", "--checkpoint", "32", "--activation", "batchtopk"),
]


def test_a_training_on_the_command_line(text, tmp_path, capsys):
    tiny_model("gpt2").save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    where = ["sae", "train", str(tmp_path / "model"), str(text), "--site", "L1.mlp_out"]
    out = ["--out", str(tmp_path / "sae")]
    main_(*where, *out, *ASKED, "--estimate", "--json")
    estimate = json.loads(capsys.readouterr().out)
    assert (estimate["n_tokens"], (tmp_path / "sae").exists()) == (64, False)
    main_(*where, *out, *ASKED)
    said = capsys.readouterr().out
    assert "with the site replaced" in said
    assert "jumprelu autoencoder of 16 latents at L1.mlp_out" in said
    assert load_sae(tmp_path / "sae").description.where == "L1.mlp_out"
    main_(*where, *out, *ASKED, "--json")  # whole already: told again
    found = json.loads(capsys.readouterr().out)
    assert [one["n_tokens"] for one in found["history"]] == [32, 64]
    with pytest.raises(SystemExit) as ended:
        main([*where, *out, *ASKED, "--k", "3"])
    assert ended.value.code == 2
    assert "--restart" in capsys.readouterr().err


def main_(*arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    assert ended.value.code == 0

"""Every limit and default, in one table.

A row is a name, a default and one sentence; environment variables (`UNEMBED_MAX_PROMPT_TOKENS`),
the command line's flags and docs/reference/settings.md come from it. Knows no model and no server.
"""

from __future__ import annotations

import os
from dataclasses import Field, dataclass, fields
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any

from unembed.errors import InputError

MIB = 1024 * 1024


def _row(default: int | float | str, sentence: str) -> Any:
    return dataclass_field(default=default, metadata={"sentence": sentence})


def _asked(default: int, sentence: str) -> Any:
    """A limit on what a request may ask for: clients are told it."""
    return dataclass_field(default=default, metadata={"sentence": sentence, "asked": True})


@dataclass(frozen=True)
class Settings:
    """The limits in force. `Settings.from_environment()` reads `UNEMBED_*`."""

    host: str = _row("127.0.0.1", "Address that the server binds.")
    port: int = _row(8420, "Port that the server binds; 0 takes a free one.")
    max_prompt_chars: int = _asked(200_000, "Longest prompt, in characters.")
    max_prompt_tokens: int = _asked(
        4096, "Longest prompt, in tokens; the model's own limit counts too."
    )
    max_edits: int = _asked(64, "Most edits in one request.")
    max_edit_positions: int = _asked(4096, "Most positions named by one edit.")
    max_edit_pairs: int = _asked(65_536, "Most pairs of query and key named by one edit.")
    max_edit_value: int = _asked(65_536, "Longest vector that one edit may carry, in numbers.")
    max_k: int = _asked(100, "Most tokens listed for one distribution.")
    max_sub_updates: int = _asked(50, "Most neurons, and heads, shown apart in each layer.")
    max_words: int = _asked(32, "Most words of one search of the vector index.")
    max_hits: int = _asked(200, "Most vectors, or clusters, listed in one answer.")
    max_examples: int = _asked(100, "Most examples of one group, of a node in a corpus.")
    max_explained_nodes: int = _asked(1000, "Most nodes that one question gives labels.")
    max_explained_tokens: int = _asked(
        100_000, "Most tokens of a corpus that labels are made from and tested on."
    )
    max_relations: int = _asked(2000, "Most heads and relations listed in one answer.")
    max_upload_bytes: int = _asked(
        2048 * MIB, "Most bytes of files that are kept at once for corpora built in the app."
    )
    max_saved_chars: int = _row(100_000, "Longest text kept in the workspace, in characters.")
    max_new_tokens: int = _asked(512, "Most tokens that one request may generate.")
    max_lens_cells: int = _asked(400_000, "Largest lens grid, in cells (rows x positions).")
    max_attention_numbers: int = _asked(
        16_777_216, "Largest attention result, in numbers (heads x queries x keys)."
    )
    max_attributed_nodes: int = _asked(
        100_000_000, "Largest attribution, in nodes at all positions."
    )
    max_attributed_rows: int = _asked(1000, "Most nodes that one attribution lists, or measures.")
    max_measured_nodes: int = _asked(
        20_000, "Most nodes of one attribution that are each measured by a run of its own."
    )
    max_patch_cells: int = _asked(20_000, "Largest patching grid, in cells; each is a run.")
    max_pairs: int = _asked(1000, "Most pairs of prompts of one question.")
    max_circuit_runs: int = _asked(
        200, "Most runs that one circuit is measured by, each with some of the edges."
    )
    max_circuit_names: int = _asked(
        2000, "Most edges and nodes put into a circuit, or taken out of it, by name."
    )
    max_graph_latents: int = _asked(
        10_000, "Most latents that are nodes of one attribution graph before any is pruned."
    )
    max_flow_layers: int = _asked(8, "Most layers of one flow graph.")
    max_flow_vectors: int = _asked(4000, "Most vectors that one flow graph may read.")
    max_measured_cuts: int = _asked(8, "Most edits of one flow graph that are each run alone.")
    max_sae_bytes: int = _row(
        8192 * MIB, "Most memory that the weights of one autoencoder's file may take."
    )
    max_capture_bytes: int = _row(
        4096 * MIB, "Most memory that one run's captured activations may take."
    )
    max_logits_bytes: int = _row(
        2048 * MIB, "Most memory that the full logits of one run may take."
    )
    sweep_bytes: int = _row(256 * MIB, "Working memory of one batch of a sweep.")
    max_body_bytes: int = _row(4 * MIB, "Largest request body, in bytes.")
    max_json_depth: int = _row(32, "Deepest nesting of a JSON body.")
    max_read_seconds: float = _row(
        30.0, "Longest time that the head or the body of one request may take to arrive."
    )
    max_queue: int = _row(64, "Most requests waiting for the compute worker.")
    max_request_seconds: float = _row(600.0, "Longest time that one request may wait and compute.")
    cache_bytes: int = _row(1024 * MIB, "Memory for cached forward passes.")
    chunk_bytes: int = _row(16 * MIB, "Working memory of one vocabulary chunk of the unembedding.")
    index_cache_bytes: int = _row(
        2048 * MIB,
        "Memory for an index's value vectors, and for vectors of a corpus and their bounds, 2 "
        "bytes a number and a third as much; what does not fit is read from disk each time.",
    )
    storage_seconds: float = _row(
        2.0,
        "Longest silence of object storage that a reader of a corpus waits out before it asks "
        "again; after some seven of them it is told.",
    )
    exact_search_tokens: int = _row(
        500_000,
        "Tokens of a corpus up to which searches compare every one; a larger one gets lists of "
        "like tokens when it is built.",
    )
    max_linkage_bytes: int = _row(
        8192 * MIB, "Most memory that exact complete-linkage clustering may take."
    )
    threads: int = _row(0, "CPU threads for compute; 0 leaves torch's own choice.")
    cache_dir: str = _row("", "Folder for converted models; empty is the user's cache folder.")
    language_url: str = _row(
        "",
        "Server that may write and judge explanations, any that speaks as OpenAI's does, as "
        "http://127.0.0.1:8080/v1; empty is none.",
    )
    language_model: str = _row("", "What that server calls its model.")
    language_prompts: str = _row(
        "", "Folder of prompts for it, and for this model; empty is the package's own."
    )
    language_price_sent: float = _row(0.0, "Money for a million tokens sent to it.")
    language_price_answered: float = _row(0.0, "Money for a million tokens that it answers.")
    workspace_path: str = _row(
        "", "File of saved runs, names and notes; empty is workspace.sqlite3 in the cache folder."
    )

    @classmethod
    def asked(cls) -> dict[str, tuple[int, str]]:
        """Limits on what a request may ask for: default and sentence of each, by name."""
        rows = [row for row in fields(cls) if row.metadata.get("asked")]
        return {row.name: (_default(row), row.metadata["sentence"]) for row in rows}

    @classmethod
    def from_environment(cls, environment: dict[str, str] | None = None) -> Settings:
        """Defaults overridden by `UNEMBED_<NAME>` variables; raises InputError on a bad value."""
        environment = dict(os.environ) if environment is None else environment
        chosen: dict[str, int | float | str] = {}
        for row in fields(cls):
            variable = f"UNEMBED_{row.name.upper()}"
            text = environment.get(variable)
            if text is not None:
                chosen[row.name] = _parse(variable, text, type(row.default))
        return cls(**chosen)  # type: ignore[arg-type]  # each is of its row's own type

    def cache_folder(self) -> Path:
        """Where converted models are kept."""
        if self.cache_dir:
            return Path(self.cache_dir).expanduser()
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        return Path(base).expanduser() / "unembed"

    def language_price(self) -> tuple[float, float] | None:
        """Money for a million tokens sent, and answered; None where neither is named."""
        prices = (self.language_price_sent, self.language_price_answered)
        return prices if any(prices) else None

    def workspace_file(self) -> Path:
        """Where saved runs, names and notes are kept."""
        if self.workspace_path:
            return Path(self.workspace_path).expanduser()
        return self.cache_folder() / "workspace.sqlite3"


def _parse(variable: str, text: str, kind: type) -> int | float | str:
    if kind is str:
        return text
    try:
        number = kind(text.replace("_", ""))
    except ValueError:
        number = None
    if number is None or not 0 <= number < float("inf"):
        raise InputError(
            f"{variable} is {text!r}; it must be a number that is zero or more",
            field=variable,
            value=text,
            legal="a number that is zero or more",
        )
    return number  # type: ignore[no-any-return]  # of `kind`, which is a number's


def table() -> list[tuple[str, int | float | str, str]]:
    """Rows of (name, default, sentence), in order."""
    return [(row.name, _default(row), row.metadata["sentence"]) for row in fields(Settings)]


def _default(row: Field[Any]) -> Any:
    """Every row has one, which dataclasses does not promise."""
    return row.default

"""What attention costs: all patterns of a short text, one head of a long one, all heads shrunk.

    python bench/attention.py [--strict] [--quick] [--threads N]

GPT-2 small's shape with random weights: 12 layers of 12 heads. Patterns against the plain forward
pass of the same 64 tokens; a head of 1,024 tokens, from a run that is there to the bytes that the
app draws; thumbnails of all heads by the extra memory that they take, measured in processes of
their own.
"""

from __future__ import annotations

import sys
from functools import partial

import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

import unembed as ue
from _harness import Figure, extra_bytes, in_fresh_process, parser, ratio, report, seconds
from unembed.analyses.attention.result import AttentionComparison
from unembed.models.tiny import tiny_tokenizer
from unembed.questions import attention
from unembed.questions.requests import AttentionRequest
from unembed.server.responses import array_bytes
from unembed.session import Session
from unembed.settings import Settings

SHORT, LONG = 64, 1024
LAYER, HEAD = 5, 3
MEMORY = {1024: 400, 2048: 1500}  # tokens: MB that thumbnails of all heads may take
TRIES = 5


def loaded(n_positions: int) -> ue.Model:
    """GPT-2 small's shape with random weights, for texts of some length."""
    torch.manual_seed(0)
    module = GPT2LMHeadModel(GPT2Config(n_positions=n_positions)).eval()
    return ue.load(module, tokenizer=tiny_tokenizer(module.config.vocab_size))


def tokens(model: ue.Model, n_positions: int) -> list[int]:
    """A text of random tokens."""
    return torch.randint(5, model.vocab_size, (n_positions,)).tolist()


def patterns(model: ue.Model, budget: float) -> list[Figure]:
    """All patterns of a short text, against the model's own forward pass."""
    ids = tokens(model, SHORT)
    row = torch.tensor([ids])

    @torch.no_grad()
    def plain() -> Tensor:
        return model.module(row, use_cache=False).logits

    layers = range(model.anatomy.n_layers)
    return [
        ratio(
            f"run with logits and all patterns, {SHORT} tokens / plain forward",
            partial(model.run, ids, ["pattern"]),
            plain,
            1.15,
            budget,
        ),
        ratio(
            f"ue.attention of all heads, from the prompt, {SHORT} tokens / plain forward",
            partial(ue.attention, model, layers, prompt=ids),
            plain,
            1.15,
            budget,
        ),
    ]


def first_picture(model: ue.Model) -> list[Figure]:
    """A head of a long text, from a run that is there to what the app draws."""
    ids = tokens(model, LONG)
    figures = []
    for measure in ("attention", "moved"):
        asked = {"heads": [HEAD], "measure": measure}
        run = model.run(ids, ue.attention_capture(model, [LAYER], **asked), logits="none")

        def drawn(run: ue.Run = run, asked: dict[str, object] = asked) -> bytes:
            found = ue.attention(run, [LAYER], **asked)
            return array_bytes("attention", AttentionComparison(found))

        drawn()
        best = min(seconds(drawn) for _ in range(TRIES))
        name = f"one head of {LONG:,} tokens, measure {measure}: seconds from run to bytes"
        figures.append(Figure(name, best, 1.0, f"the best of {TRIES}", " s"))
    return figures


def another_head(model: ue.Model) -> Figure:
    """One more head of a long text, of a server that has shown others of that layer."""
    session = Session(model, Settings())
    try:
        prompt = tokens(model, LONG)

        def asked(head: int) -> bytes:
            body = AttentionRequest(prompt=prompt, layers=[LAYER], heads=[head])
            job = session.submit(lambda job: attention.answer(session, job, body))
            return array_bytes("attention", job.future.result())

        asked(0)
        best = min(seconds(partial(asked, head)) for head in range(1, TRIES + 1))
    finally:
        session.close()
    name = f"another head of {LONG:,} tokens, asked of the server: seconds"
    return Figure(name, best, 1.0, f"the best of {TRIES}; layers before it are not run again", " s")


def memory(n_positions: int) -> Figure:
    """Extra memory of the thumbnails of all heads."""
    used = int(in_fresh_process(["--memory-of", str(n_positions)]).split()[-1])
    whole = 12 * 12 * n_positions**2 * 4
    return Figure(
        f"thumbnails of 144 heads, {n_positions:,} tokens: extra memory",
        used / 1e6,
        MEMORY[n_positions],
        f"all patterns are {whole / 1e6:,.0f} MB, those of a layer {whole / 12e6:,.0f} MB",
        " MB",
    )


def main() -> int:
    flags = parser("Attention beside the plain forward pass.")
    flags.add_argument("--memory-of", type=int, choices=list(MEMORY))
    chosen = flags.parse_args()
    torch.set_num_threads(chosen.threads)
    if chosen.memory_of:
        model = loaded(chosen.memory_of)
        ids = tokens(model, chosen.memory_of)
        ue.head_thumbnails(model, ids[:SHORT])
        print(extra_bytes(partial(ue.head_thumbnails, model, ids)))
        return 0
    model = loaded(LONG)
    figures = [*patterns(model, 10.0 if chosen.quick else 60.0), *first_picture(model)]
    figures.append(another_head(model))
    del model
    figures += [memory(n_positions) for n_positions in MEMORY]
    title = f"Attention: float32, threads: {torch.get_num_threads()}"
    return report(title, figures, strict=chosen.strict)


if __name__ == "__main__":
    sys.exit(main())

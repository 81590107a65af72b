"""A fixed text that autoencoders are held against, and a model's activations on it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unembed.engine.loaded import Loaded
from unembed.engine.names.taps import size_of, why_not
from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.forward import request_of, run
from unembed.engine.targets import Lengths, SiteKey

WINDOWS = 4
WINDOW = 128  # tokens, the first of which is left out: its activations are like no others
TEXT = """\
The harbour was quiet when the last ferry came in. Two men tied the ropes, and a woman with a \
blue suitcase asked them where she could find a room for the night. "Try the old hotel behind \
the market," one of them said. "It is not cheap, but the breakfast is good." She thanked him and \
walked up the hill, counting the street lamps as she went: seven, eight, nine. In 1987 her \
grandfather had taken the same path, with a letter in his pocket that he never sent.

Water boils at 100 degrees Celsius at sea level, but on a mountain of 3,000 metres it boils at \
about 90 degrees, because the pressure of the air is lower there. Cooks who live in such places \
know that beans take longer, and that bread rises faster. The capital of France is Paris; the \
capital of Japan is Tokyo. A year has 365 days, except when it has 366. If a train leaves at \
nine and travels for two and a half hours, it arrives at half past eleven.

def area(width, height):
    if width < 0 or height < 0:
        raise ValueError("a side cannot be negative")
    return width * height

The committee will meet on Tuesday to discuss the budget, which has grown by 12 per cent since \
last spring. Its chair, Dr Maria Lopez, said that most of the increase was due to energy prices \
and to the new library. Critics disagree. They point out that three schools were closed in the \
same period, and that nobody has explained why the bridge cost twice as much as planned. "We \
were promised an answer in June," said Tom Baker, who runs a small bakery near the river, "and \
we are still waiting."

Once upon a time there was a fox who could not sleep. Every night she heard the stars talk to \
each other, and every morning she forgot what they had said. So she asked the owl to write it \
down. The owl agreed, on one condition: the fox had to bring him a mouse for every page. By \
winter the book was thick, the mice were few, and the fox had learned to read.
"""


def activations(model: Loaded, keys: Sequence[SiteKey]) -> dict[SiteKey, Tensor]:
    """Each site's activations on the text [token, width], without those of first tokens."""
    found: dict[SiteKey, list[Tensor]] = {key: [] for key in keys}
    for ids in windows(model):
        read = Read(ids, source=ids if model.has_encoder else ())
        request = request_of(read, [key.name for key in keys])
        seen = run(model, request)
        for key in keys:
            part = seen.activations[key][1:].flatten(1)
            found[key].append(part.to(torch.promote_types(part.dtype, torch.float32)))
    return {key: torch.cat(parts) for key, parts in found.items()}


def windows(model: Loaded) -> list[tuple[int, ...]]:
    """The text in pieces that the model can read; without a tokenizer, ids spread over all."""
    length = min(WINDOW, model.max_positions)
    if model.tokenizer is None:
        n = WINDOWS * length
        ids = [(7919 * step + 13) % model.vocab_size for step in range(n)]
        return [tuple(ids[start : start + length]) for start in range(0, n, length)]
    start = model.tokenizer("").input_ids[:1]
    start = start if start and start[0] == model.tokenizer.bos_token_id else []
    own = model.tokenizer(TEXT, add_special_tokens=False).input_ids
    step = length - len(start)
    pieces = [(*start, *own[at : at + step]) for at in range(0, len(own), step)]
    return [piece for piece in pieces[:WINDOWS] if len(piece) > 1]


def width(model: Loaded, key: SiteKey) -> int:
    """How many numbers the site has at a position; 0 where this model does not have it."""
    n_layers = model.anatomy.n_layers
    if key.encoder or (key.layer is not None and not 0 <= key.layer < n_layers):
        return 0
    return 0 if why_not(model.anatomy, key) else size_of(model.anatomy, key, Lengths(1))

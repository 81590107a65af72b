"""How good an autoencoder is, on sequences that nothing was learnt from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from unembed.engine.editing.edits import Edit, by_analysis, set_to
from unembed.engine.passes.forward import Request, run
from unembed.latents.autoencoder import Autoencoder
from unembed.training.activations import Activations
from unembed.training.result import Losses, Measured

AT_ONCE = 1024  # rows that are encoded together


class HeldOut:
    """The activations of sequences that are held out, kept, and the losses that do not change."""

    def __init__(self, activations: Activations, sequences: Sequence[int]) -> None:
        self._of = activations
        self._rows = dict(activations.each(sequences))
        self.y = torch.cat([y for _, y in self._rows.values()])

    def __len__(self) -> int:
        return len(self.y)

    def measured(self, sae: Autoencoder, tokens: int, dead: int) -> Measured:
        """How it does after so many tokens, of which so many latents are dead."""
        left, active = 0.0, 0
        written: dict[int, Tensor] = {}
        for number, (x, y) in self._rows.items():
            values = sae.encode(x)
            written[number] = sae.decode(values, x)
            left += float((y - written[number]).double().square().sum())
            active += int((values != 0).sum())
        whole = float((self.y - self.y.mean(0)).double().square().sum())
        return Measured(
            n_tokens=tokens,
            explained=1 - left / whole if whole else float("-inf"),
            active=active / len(self),
            dead=dead,
            losses=self._losses(written),
        )

    def _losses(self, written: dict[int, Tensor]) -> Losses | None:
        """None of a model that does not predict what comes next."""
        if self._of.model.kind != "causal":
            return None
        clean, zero, mean = self._ablated
        return Losses(clean, self._loss(lambda number: written[number]), zero, mean)

    @cached_property
    def _ablated(self) -> tuple[float, float, float]:
        """(with nothing changed, ablated to zero, to the mean)."""
        mean = self.y.mean(0)
        return (
            self._loss(None),
            self._loss(lambda number: torch.zeros_like(self._rows[number][1])),
            self._loss(lambda number: mean.expand_as(self._rows[number][1])),
        )

    def _loss(self, in_place: Callable[[int], Tensor] | None) -> float:
        """The mean over all tokens that follow another, with the site's rows replaced."""
        total, n = 0.0, 0
        for number in self._rows:
            ids = self._of.texts.sequence(number)
            edits = [] if in_place is None else self._spliced(number, in_place(number))
            logits = run(self._of.model, Request(ids, (), tuple(edits)), self._of.cancel).logits
            if logits is None:
                return float("nan")
            self._of.between()
            next_ids = torch.tensor(ids[1:], device=logits.device)
            found = logits[:-1].to(torch.promote_types(logits.dtype, torch.float32))
            total += float(cross_entropy(found, next_ids, reduction="sum"))
            n += len(next_ids)
        return total / n

    def _spliced(self, number: int, rows: Tensor) -> list[Edit]:
        places = self._of.texts.places(number).tolist()
        if not places:
            return []
        name = self._of.writes.name
        return [by_analysis(set_to(name, rows, positions=places))]

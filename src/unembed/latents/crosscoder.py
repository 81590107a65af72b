"""Crosscoders: latents that stand for states of the stream at several layers at once.

Formulas: Lindsey et al. 2024. Of the i-th site, whose latents read it alone,

    f_i = activation(x_i W_enc_i + b_enc_i)
    y_o = sum over i of f_i W_dec_i,o + b_dec_o

The sites contain one another: what is written at one of them is in all later ones. So a change of
latents is no write that the model goes on from, but a patch of every site that they stand for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from unembed.engine.editing.edits import Edit, set_to
from unembed.engine.names.sites import resolve_position
from unembed.engine.passes.run import Run
from unembed.engine.targets import site
from unembed.errors import TargetError
from unembed.latents.cross_layer import LayeredAutoencoder
from unembed.latents.sae import sae_of
from unembed.latents.several import sides


class Crosscoder(LayeredAutoencoder):
    """A crosscoder; make one with `unembed.load_sae`. Its latents are named by the layer that they
    read, "L5.F7"."""

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites that it reads and stands for, as `changed` needs them captured."""
        return tuple(one.description.ends[0].name for one in self.layers)

    @torch.no_grad()
    def changed(
        self, run: Run, values: Mapping[str, float], *, positions: Sequence[int] | None = None
    ) -> tuple[Edit, ...]:
        """Edits that set every site to what it was in a run, but for latents at other values.

        Latents are read from that run and held; what the crosscoder does not explain of each site
        is kept. A site is set as a whole, whatever the pass has made of it.

        Args:
            run: of the same prompt, with `sites` captured.
            values: of latents by name; 0 takes away what one writes to every site.
            positions: where; absent: everywhere.

        Raises:
            TargetError: no latent of this crosscoder, or a site that the run has not.
        """
        states = {
            key: run[key.name].detach() for one in self.layers for key in one.description.ends
        }
        changes = {key: torch.zeros_like(state) for key, state in states.items()}
        n = len(run.ids)
        at = (
            [resolve_position(one, n) for one in range(n)]
            if positions is None
            else [resolve_position(one, n) for one in positions]
        )
        for name, value in values.items():
            latent = run.model.node(name)
            one = sae_of(run.model, latent)
            reads = one.description.reads
            if one not in self.layers or reads is None:
                raise TargetError(
                    f"{name} is no latent of this crosscoder", field="values", value=name,
                    legal=f"latents of {', '.join(self.sites)}",
                )  # fmt: skip
            x = states[reads]
            own = one.like(x)
            number = latent.index or 0
            less = value - own.encode(x)[at, number]
            for key, row in sides(own, own.directions[None, number]).items():
                changes[key][at] += less[:, None] * row
        return tuple(
            set_to(site(key.site, key.layer), (state + changes[key])[at], positions=at)
            for key, state in states.items()
        )

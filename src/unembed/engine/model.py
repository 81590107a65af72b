"""A model: what was loaded, with the ways to run it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from torch import Tensor, nn

from unembed.engine.cancel import Cancel
from unembed.engine.checks.report import Report
from unembed.engine.editing.edits import Edit
from unembed.engine.loaded import Loaded, Prompt, Text
from unembed.engine.passes import forward, generation
from unembed.engine.passes.generation import DEFAULTS, Generation
from unembed.engine.passes.options import GenerationOptions
from unembed.engine.passes.run import Run
from unembed.engine.provenance import Identity
from unembed.engine.targets import Name
from unembed.models.anatomy import Anatomy
from unembed.models.progress import Progress
from unembed.options import given
from unembed.settings import Settings


class Model(Loaded):
    """A loaded model. Make one with `unembed.load`.

    Runs on one module never overlap: threads wait for each other.
    """

    def __init__(
        self,
        module: nn.Module,
        tokenizer: Any,
        anatomy: Anatomy,
        identity: Identity,
        settings: Settings,
        max_positions: int,
        volatile: frozenset[str] = frozenset(),
        report: Report | None = None,
    ) -> None:
        super().__init__(module, tokenizer, anatomy, identity, settings, max_positions, volatile)
        self.report = report

    def run(
        self,
        prompt: Prompt | None = None,
        capture: Sequence[Name] = (),
        edits: Sequence[Edit] = (),
        *,
        source: Text | None = None,
        pair: str | None = None,
        logits: Literal["all", "last", "none"] = "all",
        stop_after: Name | None = None,
        start: tuple[int, Tensor] | None = None,
        grad: bool = False,
        cancel: Cancel | None = None,
        progress: Progress | None = None,
    ) -> Run:
        """One forward pass.

        Args:
            prompt: text, messages, token ids, or what a tokenizer returns; see `tokenize`.
            capture: sites to keep: "resid_post" in every layer, "L3.pattern", "L3.H2.pattern@5".
            edits: changes made on the way, in order.
            source: what the encoder of an encoder-decoder reads; the prompt is then its decoder's,
                and may be left out.
            pair: a second text, for an encoder that reads two together.
            logits: at every position, at the last one, or none; with "none" the pass ends at the
                last captured site.
            stop_after: a site to end the pass after, as in "L5.resid_post".
            start: (layer, residual [pos, d_model]): enter that layer with this residual instead
                of computing the layers before it.
            grad: keep the graph, so that gradients can be taken, of sites that were captured whole:
                a part of one ("L3.H2.pattern@5") is cut out each time that it is asked for.
            cancel: checked before every layer.
            progress: called with (stage, layers done, layers) before every layer.

        Raises:
            PromptError, TargetError, EditError: bad input; nothing was run.
            CapabilityError: a site that this model does not have.
            TooLargeError: captures or logits above the limits in `settings`.
            CancelledError: `cancel` was set.
        """
        read = self.read_prompt(prompt, source, pair)
        request = forward.request_of(
            read, capture, edits, logits, stop_after=stop_after, start=start, grad=grad
        )
        run = forward.run(self, request, cancel, progress)
        return replace(run, notes=read.notes) if read.notes else run

    def generate(
        self,
        prompt: Prompt | None = None,
        max_new_tokens: int | None = None,
        edits: Sequence[Edit] = (),
        *,
        source: Text | None = None,
        options: GenerationOptions = DEFAULTS,
        use_cache: bool = True,
        cancel: Cancel | None = None,
        progress: Progress | None = None,
        **changes: Any,
    ) -> Generation:
        """Continue a text; greedy at temperature 0. Edits act on every step. See `generation`.

        Args:
            source: what the encoder of an encoder-decoder reads, as in `run`.
            options: how many tokens, and how they are drawn; `max_new_tokens` and `changes` are
                single ones, as in `temperature=0.7, seed=3`.

        Raises:
            PromptError, EditError, InputError: bad input; nothing was run.
            CapabilityError: a model that does not generate.
        """
        read = self.read_prompt(prompt, source)
        return generation.generate(
            self,
            read.ids,
            options.changed(**given(max_new_tokens=max_new_tokens), **changes),
            tuple(edits),
            use_cache=use_cache,
            cancel=cancel,
            progress=progress,
            source=read.source,
        )

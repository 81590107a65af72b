"""The hooks of one run: they read what was asked for, do the edits, and are gone afterwards.

An `Instrument` belongs to one run. `installed()` puts its hooks on the model and takes them off
whatever happens; `exclusive` makes sure that no other run is on the model meanwhile. A module
without anything to read or edit gets no hook.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from unembed.engine.cancel import Cancel
from unembed.engine.editing.applying import Late, ResolvedEdit
from unembed.engine.names.taps import attention_of, taps
from unembed.engine.nodes import CROSS, KERNEL_SITES, Z_SITES
from unembed.engine.passes.capture import Wanted
from unembed.engine.passes.outputs import Pass
from unembed.engine.passes.tapping import InputHook, OutputHook, Visit
from unembed.engine.targets import Lengths, SiteKey
from unembed.errors import InputError
from unembed.models import kernels
from unembed.models.anatomy import Anatomy, Tap
from unembed.models.patching import first_tensor, forward_replaced, with_tensor
from unembed.models.progress import Progress


@dataclass(frozen=True)
class Row:
    """One sequence of a pass: what is kept of it, and what is edited in it."""

    captures: Mapping[SiteKey, Wanted] = field(default_factory=dict)
    edits: Sequence[ResolvedEdit] = ()


class Core(NamedTuple):
    """Whose attention a module computes; `prefix` is what its sites' names start with."""

    layer: int
    encoder: bool = False
    prefix: str = ""


@dataclass(eq=False)
class Instrument(Pass):
    """The hooks of one pass over rows. Activations are [row, pos, ...], padded at the end.

    Args:
        rows: what to do in each; every row keeps the same sites.
        awaited: what `found` shall hold of all rows together: sites that every row keeps, and
            modules, whose outputs are meant. The pass ends with the last of them.
        start: (layer, residual [row, pos, d_model]) to enter that layer with, skipping those
            before.
        show: given what is captured of the one row there is, instead of it being kept.
    """

    module: nn.Module
    anatomy: Anatomy
    rows: Sequence[Row]
    cancel: Cancel | None = None
    progress: Progress | None = None
    stop: SiteKey | None = None
    start: tuple[int, Tensor] | None = None
    volatile: frozenset[str] = frozenset()
    awaited: Sequence[Hashable] = ()
    show: Callable[[SiteKey, Tensor], None] | None = None
    captured: dict[SiteKey, list[Tensor]] = field(default_factory=dict)
    offset: int = field(default=0, init=False)
    lengths: Sequence[Lengths] = field(default=(), init=False)  # in this pass, of each row
    width: Lengths = field(default=Lengths(0), init=False)  # with padding

    def __post_init__(self) -> None:
        super().__init__(self.awaited)
        self._layer = -1
        self._versions: dict[SiteKey, int] = {}
        self.parts: dict[SiteKey, list[Tensor]] = {}  # of sums, whose last part is yet to come
        self._onward: dict[SiteKey, Tensor] = {}  # with gradients: what is computed from captures
        self._edits: dict[SiteKey, dict[int, list[ResolvedEdit | Late]]] = {}
        for order, row in enumerate(self.rows):
            for edit in row.edits:
                self._edits.setdefault(edit.target.site_key, {}).setdefault(order, []).append(edit)
                for late in edit.lates:
                    of_site = self._edits.setdefault(late.site_key, {})
                    of_site.setdefault(order, []).append(late)
        blocks = self.anatomy.blocks
        names = [block.module for block in blocks]
        self._shared = len(set(names)) < len(names)  # ALBERT: a module is several layers
        self._cores = {} if self._shared else dict(self._all_cores())

    def _all_cores(self) -> Iterator[tuple[int, Core]]:
        """Whose attention each module that calls a kernel computes, by its id."""
        encoder = () if self.anatomy.encoder is None else self.anatomy.encoder.blocks
        for is_encoder, blocks in ((False, self.anatomy.blocks), (True, encoder)):
            for block in blocks:
                if block.why_no_heads is None:
                    core = Core(block.layer, is_encoder)
                    yield id(self._get(block.attention.core)), core
                if block.cross is not None:
                    yield id(self._get(block.cross.core)), Core(block.layer, prefix=CROSS)

    # ------------------------------------------------------------ installing

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Hooks on, and off again on every way out."""
        with ExitStack() as stack:
            self._follow_blocks(stack)
            self._tap_modules(stack)
            self._observe_attention(stack)
            stack.enter_context(super().installed())
            yield

    @property
    def captures(self) -> Mapping[SiteKey, Wanted]:
        """What is kept of the first row; of the others the same sites."""
        return self.rows[0].captures

    def begin(self, lengths: Sequence[Lengths], offset: int = 0) -> None:
        """A new forward pass starts, over this many tokens of each row, the first at `offset`."""
        self._layer = -1
        self.lengths = lengths
        self.width = Lengths(max(one.prompt for one in lengths), max(one.source for one in lengths))
        self.offset = offset

    def _get(self, name: str) -> nn.Module:
        return self.module.get_submodule(name)

    def _site_keys(self) -> list[SiteKey]:
        return list(
            dict.fromkeys([*self.captures, *self._edits, *([self.stop] if self.stop else [])])
        )

    def _follow_blocks(self, stack: ExitStack) -> None:
        """Count layers where something depends on the count."""
        start = 0 if self.start is None else self.start[0]
        counts = self._shared and bool(self._site_keys())
        follow = counts or self.cancel is not None or self.progress is not None
        if not follow and self.start is None:
            return
        for name in dict.fromkeys(block.module for block in self.anatomy.blocks):
            module = self._get(name)
            handle = module.register_forward_pre_hook(self._enter_block, with_kwargs=True)
            stack.callback(handle.remove)
            if start:
                stack.enter_context(self._skippable(module))
        encoder = self.anatomy.encoder
        if self.cancel is not None and encoder is not None:
            for block in encoder.blocks:
                module = self._get(block.module)
                stack.callback(module.register_forward_pre_hook(self._check_cancelled).remove)

    def _check_cancelled(self, _module: nn.Module, _args: Any) -> None:
        if self.active and self.cancel is not None:
            self.cancel.check()

    def _enter_block(self, _module: nn.Module, args: Any, kwargs: Any) -> Any:
        if not self.active:
            return None
        self._layer += 1
        if self.cancel is not None:
            self.cancel.check()
        if self.progress is not None:
            self.progress("forward pass", self._layer, self.anatomy.n_layers)
        if self.start is not None and self._layer == self.start[0]:
            given = first_tensor(args, kwargs)
            return with_tensor(args, kwargs, self.start[1].to(given).reshape(given.shape))
        return None

    @contextmanager
    def _skippable(self, module: nn.Module) -> Iterator[None]:
        """Let blocks before the start return what they are given.

        Not those that hand on more than the stream: what comes later may read it.
        """
        forward = module.forward
        first = self.anatomy.blocks[0]
        n_outputs = first.n_outputs

        def skip_or_run(*args: Any, **kwargs: Any) -> Any:
            if self._before_start and not first.hands_on:
                given = first_tensor(args, kwargs)
                # as many outputs as the model unpacks
                return (given, *[None] * (n_outputs - 1)) if n_outputs else given
            return forward(*args, **kwargs)

        with forward_replaced(module, skip_or_run):
            yield

    @property
    def _before_start(self) -> bool:
        """Whether the decoder is in a layer that this pass does not enter."""
        return self.start is not None and self._layer < self.start[0]

    def _tap_modules(self, stack: ExitStack) -> None:
        """One hook for each side of each module where something is read or edited."""
        found: dict[tuple[str, str], list[Visit]] = defaultdict(list)
        for site_key in self._site_keys():
            if site_key.site not in KERNEL_SITES and site_key.site != "logits":
                for order, tap in enumerate(taps(self.anatomy, site_key)):
                    found[tap.module, tap.side].append(Visit(site_key, tap, order == 0))
                    self._keep_parts(stack, site_key, tap)
        for (name, side), visits in found.items():
            module = self._get(name)
            if side == "input":
                hook = InputHook(self, visits)
                handle = module.register_forward_pre_hook(hook, with_kwargs=True)
            else:
                handle = module.register_forward_hook(OutputHook(self, visits))
            stack.callback(handle.remove)

    def _keep_parts(self, stack: ExitStack, site_key: SiteKey, tap: Tap) -> None:
        """Of a sum: what the modules that are called before the last gave."""

        def keep(_module: nn.Module, _args: Any, output: Any) -> None:
            if self.here(site_key):
                given = output[0] if isinstance(output, tuple | list) else output
                self.parts[site_key] = [*self.parts.get(site_key, ()), given]

        for name in tap.also:
            stack.callback(self._get(name).register_forward_hook(keep).remove)

    def _observe_attention(self, stack: ExitStack) -> None:
        cores: dict[bool, dict[int, nn.Module]] = {True: {}, False: {}}
        for site_key in self._site_keys():
            if site_key.site in KERNEL_SITES:
                attention = attention_of(self.anatomy, site_key)
                core = self._get(attention.core)
                cores[attention.own_code][id(core)] = core
        for own_code, modules in cores.items():
            if modules:
                watched = kernels.observed(self.module, list(modules.values()), own_code, self)
                stack.enter_context(watched)

    # ------------------------------------------------------------ during the pass

    def here(self, site_key: SiteKey) -> bool:
        """Whether this site is meant now; a module that several layers share serves each."""
        if not self.active:
            return False
        layer = 0 if site_key.site == "embed" else site_key.layer
        if self._before_start and site_key.layer is not None and not site_key.encoder:
            return False
        return not self._shared or layer is None or layer == max(self._layer, 0)

    def see(self, site_key: SiteKey, value: Tensor, capture: bool = True) -> Tensor:
        """Edit an activation ([row, pos, ...], or [row, head, query, key]), keep it, perhaps stop.

        Returns `value` itself where nothing changed.
        """
        value = self._edited(site_key, value)
        if capture:
            if site_key in self.captures:
                value = self._keep(site_key, value)
            if site_key == self.stop:
                self.end()
        return value

    def _edited(self, site_key: SiteKey, value: Tensor) -> Tensor:
        changed = value
        for row, edits in self._edits.get(site_key, {}).items():
            before = after = self._own(site_key, value, row)
            for edit in edits:
                after = edit.apply(after, self._seen(row))
            if after is before:
                continue
            if len(self.rows) == 1:
                return after[None]  # no copy of what was made for this row alone
            changed = value.clone() if changed is value else changed
            self._own(site_key, changed, row).copy_(after)
        return changed

    def _seen(self, row: int) -> Lengths:
        """How many positions of a row the model has seen at the end of this pass."""
        here = self.lengths[row]
        return Lengths(self.offset + here.prompt, here.source)

    def _own(self, site_key: SiteKey, value: Tensor, row: int) -> Tensor:
        """A row's part of an activation, without the padding behind it (a view)."""
        own, here = value[row], self.lengths[row]
        if here == self.width:
            return own
        length = here.of(site_key)
        return own[:, :length, : here.keys_of(site_key)] if site_key.is_pairs else own[:length]

    def _keep(self, site_key: SiteKey, value: Tensor) -> Tensor:
        """Keep an activation; returns what the model goes on with.

        With gradients that is made from what was kept, so that they reach it.
        """
        if self.awaited:
            return self._keep_whole(site_key, value)
        if self.show is not None:
            alone = self._own(site_key, value.detach(), 0)
            self.show(site_key, self.captures[site_key].of(alone, site_key.site))
            return value
        is_volatile = site_key.site in self.volatile
        if torch.is_grad_enabled():
            own = [self._own(site_key, value, row).clone() for row in range(len(self.rows))]
            value = self._onward[site_key] = self._joined(site_key, value, own)
            value = value.clone() if is_volatile else value
        else:
            kept = value.detach()
            kept = kept.clone() if is_volatile else kept
            own = [self._own(site_key, kept, row) for row in range(len(self.rows))]
        wanted = [row.captures[site_key] for row in self.rows]
        kept_rows = [each.of(part, site_key[0]) for each, part in zip(wanted, own, strict=True)]
        self.captured[site_key] = kept_rows
        self._versions[site_key] = kept_rows[0]._version
        return value

    def _keep_whole(self, site_key: SiteKey, value: Tensor) -> Tensor:
        """Keep an activation of all rows together, of a site's first visit."""
        if site_key not in self.missing:
            return value
        onward: Tensor = self.keep(site_key, value)
        self._onward[site_key] = self.found[site_key]
        return onward

    def _joined(self, site_key: SiteKey, value: Tensor, own: Sequence[Tensor]) -> Tensor:
        """The activation made of each row's part, so that gradients reach the parts."""
        if len(own) == 1:
            return own[0][None]
        joined = value.clone()
        for row, part in enumerate(own):
            self._own(site_key, joined, row).copy_(part)
        return joined

    def onward(self, site_key: SiteKey) -> Tensor | None:
        """With gradients, what every map that reads a captured site must be given."""
        return self._onward.get(site_key) if torch.is_grad_enabled() else None

    def by_row(self, site_key: SiteKey, value: Tensor) -> Tensor:
        """[row * pos, width] as [row, pos, ...], with heads apart for z (a view)."""
        n_rows, width = len(self.rows), self.width.of(site_key)
        if n_rows > 1 and len(value) != n_rows * width:
            raise InputError(
                f"{site_key.site} has {len(value)} rows for a batch of {n_rows} x "
                f"{width} tokens: this model drops padding; give sequences of one "
                "length, or one at a time",
                field="names",
                value=site_key.site,
                legal="sequences without padding",
            )
        if site_key.site in Z_SITES:
            heads = attention_of(self.anatomy, site_key).n_heads
            return value.view(n_rows, len(value) // n_rows, heads, -1)
        return value.view(n_rows, len(value) // n_rows, -1)

    def overwritten(self) -> frozenset[str]:
        """Sites whose captured tensor the model changed in place afterwards (Falcon's sums)."""
        return frozenset(
            site_key.site
            for site_key, rows in self.captured.items()
            if rows[0]._version != self._versions[site_key]
        )

    # ------------------------------------------------------------ what `kernels` asks

    def on(self, core: nn.Module, site: str, value: Tensor) -> Tensor:
        if not self.wants(core, site):
            return value
        site_key = self._site_key(core, site)
        if site_key.is_pairs:
            return self.see(site_key, value)
        turned = value.transpose(1, 2)
        seen = self.see(site_key, turned)
        return value if seen is turned else seen.transpose(1, 2)

    def wants(self, core: nn.Module, site: str) -> bool:
        if not self.active:
            return False
        site_key = self._site_key(core, site)
        return site_key in self.captures or site_key in self._edits or site_key == self.stop

    def heads(self, core: nn.Module) -> Sequence[int] | None:
        return self._narrowed(core, "heads")

    def queries(self, core: nn.Module) -> Sequence[int] | None:
        return self._narrowed(core, "queries")

    def _narrowed(self, core: nn.Module, what: Literal["heads", "queries"]) -> Sequence[int] | None:
        """What every row wants of scores, sink and pattern; None, for all, where they differ."""
        site_keys = [self._site_key(core, site) for site in ("scores", "sink", "pattern")]
        if any(site_key in self._edits for site_key in site_keys):
            return None  # an edit of one head changes what all of them go on with
        captured = next((one for one in site_keys if one in self.captures), None)
        if captured is None:
            return None
        wanted = {getattr(row.captures[captured], what) for row in self.rows}
        return wanted.pop() if len(wanted) == 1 else None

    def _site_key(self, core: nn.Module, site: str) -> SiteKey:
        of = self._cores.get(id(core)) or Core(max(self._layer, 0))
        return SiteKey(of.prefix + site, of.layer, of.encoder)

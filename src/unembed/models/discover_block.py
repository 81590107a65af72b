"""Reading one block: its token mixer, its feed-forward, and how each joins the residual stream.

A block has both, or one of them. Attention whose heads are understood is read in full; any other
mixer, and attention that is put together in an unknown way, is one box: what goes in, what is
added. Nothing is believed of either but equations between the activations that were seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor

from unembed.models import discover_mlp
from unembed.models.anatomy import (
    ATTENTION,
    AttentionAnatomy,
    BlockAnatomy,
    MixerAnatomy,
    MlpAnatomy,
    PerLayerAnatomy,
    Tap,
)
from unembed.models.arrange import (
    Added,
    Arranged,
    Unit,
    arrange,
    arrange_crossed,
    arrange_single,
)
from unembed.models.arrange_sums import arrange_sums, may_have_more
from unembed.models.equations import inner_norm, is_half, post_norm, result, same
from unembed.models.maps import is_map
from unembed.models.trace import Call, KernelCall

ReadMixer = Callable[[Call, float], AttentionAnatomy | MixerAnatomy]
"""What reads a mixer, given the call whose result is added, and how many times it is."""


@dataclass(frozen=True)
class BlockReader:
    """One call of a block, with the calls inside it, and the attention kernel it called, if any."""

    layer: int
    block: Call
    stream: Tensor  # what enters the block [pos, d_model]
    inside: list[Call]
    kernel: KernelCall | None
    own_code: bool
    config: Any
    cross: KernelCall | None = None  # attention to an encoder, whose output then comes between

    def read(self) -> BlockAnatomy | None:
        """The block; None where what it adds to the stream is in no known order."""
        if self.cross is not None:
            return self._with_cross(self.cross)
        # a feed-forward before a mixer: shared experts could be read as one beside the others
        return (
            self._with_heads()
            or self._feed_forward()
            or self._two_branches()
            or self._mixer_alone()
        )

    def step(self) -> str:
        """Of a block that could not be read: the first step that is not understood."""
        output_map = self._output_map(self.kernel)
        if self.kernel is not None and output_map is None:
            return f"behind the attention of {self.kernel.call.name} no linear map to it was seen"
        first = output_map or next(iter(self._candidates()), None)
        if first is None:
            return "no module in it returns anything that could be added"
        added = [call for call in self._fitting() if call.end >= first.end]
        for call in added:
            total = self.stream + result(call)
            if any(same(later.input, total) for later in self.inside if later.start > call.start):
                return f"what follows the sum of it and the output of {call.name}"
        vector = next(filter(None, (self._vector_beside(call) for call in added)), None)
        return vector or f"no module reads the sum of it and the output of {first.name}"

    def _vector_beside(self, added: Call) -> str | None:
        """Where a vector of the block's own is in the first sum, which one, and how."""
        written = result(added)
        for name, parameter in self.block.module.named_parameters():
            vector = parameter.detach()
            if vector.shape != self.stream.shape[-1:] or vector.is_meta:
                continue
            ways = {
                "multiplies the stream": self.stream * vector + written,
                "multiplies that output": self.stream + written * vector,
                "is added, too": self.stream + written + vector,
            }
            for words, total in ways.items():
                if any(same(later.input, total) for later in self.inside):
                    whole = f"{self.block.name}.{name}"
                    return f"in its sum with the output of {added.name}, the vector {whole} {words}"
        return None

    # ------------------------------------------------------------ attention that is understood

    def _with_heads(self) -> BlockAnatomy | None:
        output_map = self._output_map(self.kernel)
        if self.kernel is None or output_map is None:
            return None
        units = self._units(output_map.end)
        if not units:
            single = arrange_single(self.block, self.inside, output_map, self.config)
            if single is None:
                return None
            return self._single(self._attention(output_map, single.branch, single.multiplier), None)
        return self._arranged(output_map.end, units, partial(self._attention, output_map))

    def _units(self, after: int) -> list[Unit]:
        return discover_mlp.find_units(self.inside, after, self.stream.shape[-1])

    def _arranged(
        self, after: int, units: list[Unit], read_mixer: ReadMixer, solved: bool = True
    ) -> BlockAnatomy | None:
        """All branches, the mixer's ending at `after`, if their sum is what leaves the block.

        `solved`: also with factors that are solved for.
        """
        if not units:
            return None
        arranged, unit = arrange(self.block, self.inside, after, units[0], self.config), units[0]
        doubtful = (
            arranged is not None
            and is_half(self.stream)
            and may_have_more(self.block, self.inside, arranged)
        )
        for one in units if solved and (arranged is None or doubtful) else ():
            found = arrange_sums(self.block, self.inside, after, one)
            if found is not None and (arranged is None or found.has_more):
                arranged, unit = found, one
                break
        if arranged is None:
            return None
        return BlockAnatomy(
            self.layer,
            self.block.name,
            arranged.arrangement,
            read_mixer(arranged.mixer.call, arranged.mixer.multiplier),
            discover_mlp.read(self.inside, unit, after, arranged.mlp),
            arranged.resid_mid,
            arranged.stream_norms,
            self.block.n_outputs,
            arranged.stream_factors,
            self._beside(arranged.beside),
            self._per_layer(arranged),
            self.block.hands_on,
        )

    def _beside(self, added: Added | None) -> MixerAnatomy | None:
        """A second mixer beside attention, as one box."""
        if added is None:
            return None
        kind = type(added.call.module).__name__
        words = f"{kind}, beside its attention, is not softmax attention"
        return MixerAnatomy(kind, (Tap(added.call.name, "input"),), added.tap, words)

    def _per_layer(self, arranged: Arranged) -> PerLayerAnatomy | None:
        if arranged.per_layer is None:
            return None
        inputs = tuple(Tap(call.name, "input") for call in arranged.per_layer_readers)
        return PerLayerAnatomy(inputs, arranged.per_layer.tap)

    def _with_cross(self, cross: KernelCall) -> BlockAnatomy | None:
        """Attention, attention to an encoder and a feed-forward, one after the other."""
        output_map, cross_map = self._output_map(self.kernel), self._output_map(cross)
        if output_map is None or cross_map is None:
            return None
        ends = (output_map.end, cross_map.end)
        for unit in self._units(cross_map.end):
            found = arrange_crossed(self.block, self.inside, ends, cross.call, unit, self.config)
            if found is not None:
                break
        else:
            return None
        own, other, mlp = found.attention, found.rest.mixer, found.rest.mlp
        behind = replace(self, kernel=cross, inside=self._behind(output_map))
        return BlockAnatomy(
            self.layer,
            self.block.name,
            found.rest.arrangement,
            self._attention(output_map, own.call, own.multiplier),
            discover_mlp.read(self.inside, unit, cross_map.end, mlp),
            found.resid_mid,
            found.stream_norms,
            self.block.n_outputs,
            stream_factors=(1.0, 1.0, 1.0),
            hands_on=self.block.hands_on,
            cross=behind._attention(cross_map, other.call, other.multiplier),
            resid_mid_cross=found.rest.resid_mid,
        )

    def _behind(self, output_map: Call) -> list[Call]:
        """The calls after it of what reads the decoder's own stream: keys are the source's."""
        n_positions = len(self.stream)
        return [
            call
            for call in self.inside
            if call.start > output_map.end
            and call.input is not None
            and len(call.input) == n_positions
        ]

    def _output_map(self, kernel: KernelCall | None) -> Call | None:
        if kernel is None or "q" not in kernel.seen:
            return None
        value = kernel.seen.get("v", kernel.seen["q"])
        mixed = kernel.seen["q"].shape[0] * value.shape[-1]
        for call in self.inside:
            if call.start > kernel.time and is_map(call.module) and call.output is not None:
                reads = call.input is not None and call.input.shape[-1] == mixed
                if reads and call.output.shape[-1] == self.stream.shape[-1]:
                    return call
        return None

    def _attention(self, output_map: Call, added: Call, multiplier: float) -> AttentionAnatomy:
        kernel = self.kernel
        if kernel is None:
            raise AssertionError("attention has a kernel")
        maps = [
            call
            for call in self.inside
            if is_map(call.module)
            # a gate's map may run after the kernel
            and (call.end < kernel.time or (call.within(kernel.call) and call is not output_map))
        ]
        # a norm before attention, or a mixer beside it, may have maps of its own
        maps = [call for call in maps if call.within(kernel.call)] or maps
        reads = tuple(call.name for call in maps if same(call.input, maps[0].input))
        after = (call for call in self.inside if call.start > kernel.time)
        norm = inner_norm(after, output_map)
        query, key = kernel.seen["q"], kernel.seen.get("k", kernel.seen["q"])
        return AttentionAnatomy(
            core=kernel.call.name,
            own_code=self.own_code,
            maps=reads,
            output_map=output_map.name,
            n_heads=query.shape[0],
            n_kv_heads=key.shape[0],
            d_head=kernel.seen.get("v", query).shape[-1],
            added=Tap(added.name, "output", multiplier),
            post_norm=post_norm(added, output_map.output),
            inner_norm=None if norm is None else norm.name,
            sink="sink" in kernel.seen,
            between=_between(kernel, maps, output_map, norm),
        )

    # ------------------------------------------------------------ a mixer as one box

    def _two_branches(self) -> BlockAnatomy | None:
        for mixer in self._candidates():
            units = self._units(mixer.end)
            found = self._arranged(
                mixer.end, units, partial(self._mixer, mixer), solved=not self._is_norm(mixer)
            )
            if found is not None:
                return found
        return None

    def _feed_forward(self) -> BlockAnatomy | None:
        feed_forward = self._feed_forward_alone()
        return None if feed_forward is None else self._single(None, feed_forward)

    def _mixer_alone(self) -> BlockAnatomy | None:
        for mixer in self._candidates():
            single = arrange_single(self.block, self.inside, mixer, self.config)
            if single is not None and self._ends_in(mixer, single.branch):
                return self._single(self._mixer(mixer, single.branch, single.multiplier), None)
        return None

    def _ends_in(self, mixer: Call, added: Call) -> bool:
        """Whether what is added is the mixer's output, or a norm of it; not the mixer of a norm."""
        if same(mixer.output, added.output):
            return self._reads_stream(mixer) or self.kernel is not None
        return post_norm(added, mixer.output) is not None and not self._is_norm(mixer)

    def _is_norm(self, call: Call) -> bool:
        """Whether it only scales what it is given: no matrix, nothing called inside."""
        return not call.children and all(weight.dim() < 2 for weight in call.module.parameters())

    def _feed_forward_alone(self) -> MlpAnatomy | None:
        """A feed-forward whose maps and activation function are seen to be all that it does."""
        unit = next(iter(self._units(self.block.start)), None)
        branch = None if unit is None else (unit.output_map or unit.experts)
        if self.kernel is not None or unit is None or branch is None:
            return None
        single = arrange_single(self.block, self.inside, branch, self.config)
        if single is None:
            return None
        added = Added(single.branch, single.multiplier)
        read = discover_mlp.read(self.inside, unit, self.block.start, added)
        # a convolution's weight has as many axes as experts' have: here their name must say so
        experts = unit.experts is not None and discover_mlp.names_experts(unit.experts.module)
        return read if experts or (unit.experts is None and read.reason is None) else None

    def _candidates(self) -> Iterator[Call]:
        """Modules that could be the token mixer: around attention first, and outermost."""
        fitting = self._fitting()
        kernel = self.kernel
        around = [call for call in fitting if kernel is not None and kernel.call.within(call)]
        yield from around
        yield from (call for call in fitting if call not in around)

    def _fitting(self) -> list[Call]:
        """Modules whose result has the shape of the stream."""
        return [
            call
            for call in self.inside
            if call.output is not None and call.output.shape == self.stream.shape
        ]

    def _mixer(self, mixer: Call, added: Call, multiplier: float) -> MixerAnatomy:
        tap = Tap(added.name, "output", multiplier)
        if is_map(mixer.module) or not self._reads_stream(mixer):
            holder = next(call for call in mixer.ancestors() if call.parent is self.block)
            return self._box(holder, self._read_before(mixer), tap)
        return self._box(mixer, (Tap(mixer.name, "input"),), tap)

    def _read_before(self, mixer: Call) -> tuple[Tap, ...]:
        """Where the stream, or a norm of it, is read for a mixer that is the end of a chain.

        The outermost modules before it that do; whether nothing else feeds it, the self-check says.
        """
        read: list[Call] = []
        for call in self.inside:
            within = any(call.within(other) for other in read)
            if call.end < mixer.start and not within and not self._is_norm(call):
                read += [call] if self._reads_stream(call) else []
        first = next(iter(read), None)
        if first is None or not all(same(call.input, first.input) for call in read):
            return ()
        return tuple(Tap(call.name, "input") for call in read)

    def _box(self, mixer: Call, inputs: tuple[Tap, ...], added: Tap) -> MixerAnatomy:
        kind = type(mixer.module).__name__
        if self.kernel is None:
            words = f"its token mixer is {kind}, which is not softmax attention"
            return MixerAnatomy(kind, inputs, added, words)
        if not self.kernel.call.within(mixer):
            words = f"its attention adds nothing to the residual stream by itself; {kind} does"
            return MixerAnatomy(kind, inputs, added, words)
        words = f"what {kind} does between its attention and what it adds is not understood"
        return MixerAnatomy(ATTENTION, inputs, added, words)

    def _reads_stream(self, call: Call) -> bool:
        """Whether a module is given the residual stream, or a norm of it, or a norm of that."""
        read: list[Tensor | None] = [self.stream]
        for each in self.inside:
            first = same(each.input, self.stream)
            if each.end < call.start and (first or self._is_norm(each)):
                read += [each.output] if any(same(each.input, one) for one in read) else []
        return any(same(call.input, one) for one in read)

    def _single(
        self, mixer: AttentionAnatomy | MixerAnatomy | None, feed_forward: MlpAnatomy | None
    ) -> BlockAnatomy:
        return BlockAnatomy(
            self.layer,
            self.block.name,
            "single",
            mixer,
            feed_forward,
            None,
            None,
            self.block.n_outputs,
            hands_on=self.block.hands_on,
        )


def _between(kernel: KernelCall, maps: list[Call], output_map: Call, norm: Call | None) -> str:
    """What is at work between an attention kernel and W_O, in words; empty where nothing is."""
    core = kernel.call
    others = [
        f"{call.name.removeprefix(f'{core.name}.')} ({type(call.module).__name__})"
        for call in core.children
        if kernel.time < call.start < output_map.start
        and call not in (*maps, norm)
        and not isinstance(call.module, discover_mlp.PASSES_THROUGH)
    ]
    said = [f"{type(core.module).__name__} calls its kernel {kernel.n_calls} times"]
    said = said if kernel.n_calls > 1 else []
    said += [f"{' and '.join(others)} stand{'s' * (len(others) == 1)} before W_O"] if others else []
    return ", and ".join(said)

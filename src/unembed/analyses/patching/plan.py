"""Which runs a patching grid asks for, where each may enter the model, and which need none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from math import ceil

import torch

from unembed.analyses.patching.options import BY_HEAD, Measured, PatchOptions
from unembed.analyses.tools.checks import checked_layers
from unembed.analyses.tools.objective import Objective
from unembed.analyses.tools.target import highest_label, likeliest, measured_at
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit, patch
from unembed.engine.loaded import Loaded, Prompt
from unembed.engine.names.sites import parse_target, resolve_position
from unembed.engine.names.taps import refuse, why_not
from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.forward import request_of, run
from unembed.engine.passes.run import Run
from unembed.engine.sweep import USEFUL_TOKENS
from unembed.engine.targets import SiteKey, Target, node, site
from unembed.errors import InputError, PromptError, TooLargeError

PACKED_TOKENS = 128  # in one row: more make products little faster, and scores are its square


@dataclass(frozen=True)
class Cell:
    """What one run puts in, and where its value stands."""

    place: tuple[int, int]
    target: Target
    position: int | None  # None: at all of the plan's

    def edits(self, source: Run, positions: Sequence[int]) -> tuple[Edit, ...]:
        """What it has from the run `source`, at its position or else at all of `positions`."""
        if self.position is None:
            return (patch(self.target, source, positions=positions),)
        return (patch(self.target.at(self.position), source),)


@dataclass(frozen=True, eq=False)
class Plan:
    """Which cells there are, in a grid of layers and columns."""

    model: Loaded
    clean: Read
    corrupted: Read
    layers: list[int]
    columns: list[int]
    positions: list[int]
    cells: list[Cell]
    capture: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Of the grid: layers, columns."""
        return len(self.layers), len(self.columns)

    @property
    def first_difference(self) -> int:
        """The first position with another token: a causal model sees no difference before it."""
        if self.model.kind != "causal" or self.clean.source != self.corrupted.source:
            return 0
        pairs = enumerate(zip(self.clean.ids, self.corrupted.ids, strict=True))
        return next((pos for pos, (one, other) in pairs if one != other), len(self.clean.ids))

    @property
    def streams(self) -> tuple[str, ...]:
        """The stream before the layers that are patched, where runs enter."""
        return tuple(f"L{layer}.resid_pre" for layer in self.layers)

    def start(self, cell: Cell) -> tuple[int, int]:
        """The layer and the position that a run of a cell may enter at."""
        first = max(self.first_difference, min(self.positions))
        return self.layers[cell.place[0]], first if cell.position is None else cell.position

    @property
    def at_positions(self) -> bool:
        """Whether what is patched is of single positions: a pattern is of two."""
        return not any(cell.target.is_pairs for cell in self.cells)

    def batches(self, cells: Sequence[Cell]) -> Iterator[list[int]]:
        """Cells of one layer whose runs enter together, as rows all as long as the longest: as few
        as make products efficient.
        """
        n_positions = len(self.clean.ids)
        batch: list[int] = []
        size = 0
        for one in self._in_order(cells):
            layer, first = self.start(cells[one])
            if batch and (size >= USEFUL_TOKENS or self.start(cells[batch[0]])[0] != layer):
                yield batch
                batch, size = [], 0
            own = self.start(cells[batch[0]])[1] if batch else first
            size += n_positions - own
            batch.append(one)
        if batch:
            yield batch

    def packs(self, cells: Sequence[Cell]) -> Iterator[list[int]]:
        """Cells of one layer whose runs stand behind each other, each as long as it is.

        The tokens of a layer are shared out evenly: a rest of few would take a layer's weights
        through the processor once more for nearly nothing.
        """
        n_positions = len(self.clean.ids)
        for _, group in groupby(self._in_order(cells), key=lambda one: self.start(cells[one])[0]):
            layer = list(group)
            sizes = [n_positions - self.start(cells[one])[1] for one in layer]
            n_packs = max(1, sum(sizes) // PACKED_TOKENS)
            ends = (n_packs * done / sum(sizes) for done in accumulate(sizes))
            numbers = [min(ceil(end), n_packs) for end in ends]
            for _, pack in groupby(zip(numbers, layer, strict=True), key=lambda one: one[0]):
                yield [one for _, one in pack]

    def _in_order(self, cells: Sequence[Cell]) -> list[int]:
        return sorted(range(len(cells)), key=lambda one: self.start(cells[one]))

    def differs(self, cell: Cell, objective: Objective, source: Run, into: Run) -> bool:
        """Whether the cell puts in anything that is not there already."""
        first, last = self.first_difference, len(self.clean.ids)
        if self.model.kind == "causal" and not self.clean.source:
            last = objective.position + 1  # nothing later is seen there
        at = self.positions if cell.position is None else [cell.position]
        at = [one for one in at if first <= one < last]
        if not at:
            return False
        values = [one.value_of(cell.target, every_position=True)[at] for one in (source, into)]
        return not torch.equal(*values)


def planned(model: Loaded, clean: Prompt, corrupted: Prompt, options: PatchOptions) -> Plan:
    """The grid of two prompts.

    Raises:
        PromptError: prompts that cannot be read, or have different numbers of tokens.
        InputError, TargetError: a layer or a position that there is not.
        CapabilityError: a site that the model does not have.
        TooLargeError: more cells than `max_patch_cells`.
    """
    read, other = model.read_prompt(clean), model.read_prompt(corrupted)
    n_positions = len(read.ids)
    check_lengths(n_positions, len(other.ids))
    positions = list(range(n_positions))
    if options.positions is not None:
        named = (resolve_position(one, n_positions, "positions") for one in options.positions)
        positions = sorted(set(named))
    layers = _layers(model, options)
    if options.site in BY_HEAD:
        columns, cells = _cells_of_heads(model, layers, options)
    else:
        columns = positions
        cells = [
            Cell((row, column), site(options.site, layer), position)
            for row, layer in enumerate(layers)
            for column, position in enumerate(positions)
        ]
    _check_size(len(cells), len(layers), len(columns), model.settings.max_patch_cells)
    capture = tuple(_key(options, layer).name for layer in layers)
    return Plan(model, read, other, layers, columns, positions, cells, capture)


def _cells_of_heads(
    model: Loaded, layers: Sequence[int], options: PatchOptions
) -> tuple[list[int], list[Cell]]:
    """The heads of the layer that has most, and a cell for each head of each layer."""
    counts = [model.block(layer).attention.n_heads for layer in layers]
    cells = [
        Cell((row, head), _head(options, layer, head), None)
        for row, (layer, n_heads) in enumerate(zip(layers, counts, strict=True))
        for head in range(n_heads)
    ]
    return list(range(max(counts))), cells


def _head(options: PatchOptions, layer: int, head: int) -> Target:
    if options.site == "patterns":
        return parse_target(f"L{layer}.H{head}.pattern")
    return node("head", layer, head)


def objective_of(
    model: Loaded, clean: Read, corrupted: Read, options: Measured, cancel: Cancel | None = None
) -> Objective:
    """What is measured, at its position: without a target, why each prompt says what it says.

    In a model that gives labels that is the score of the label that the clean prompt gets.
    Raises TargetError for what is no token or position, InputError without a target where both
    prompts are answered alike; CapabilityError without a lens.
    """
    n_positions = len(clean.ids)
    position = resolve_position(options.position, n_positions)
    target, distractor = options.target, options.distractor
    if target is None and model.labels is not None:
        return highest_label(run(model, request_of(clean, logits="all"), cancel), position)
    if target is None:
        model.require("lens")
        target, other = (likeliest(model, one, position, (), cancel) for one in (clean, corrupted))
        if distractor is None and other == target:
            raise _alike(model.token(target).label)
        distractor = other if distractor is None else distractor
    return measured_at(model, target, distractor, position, n_positions)


def _alike(label: str) -> InputError:
    return InputError(
        f"both prompts are answered with {label!r}, so that there is no difference of answers to "
        "measure; name a target",
        field="target",
        legal="a token, or an objective",
        fix='target=" Mary", distractor=" John"',
    )


def check_lengths(clean: int, corrupted: int) -> None:
    """Raise PromptError unless both prompts have as many tokens."""
    if corrupted != clean:
        raise PromptError(
            f"the clean prompt has {clean} tokens and the corrupted one {corrupted}: "
            "what stands at a position of one must have its place in the other",
            field="corrupted",
            value=corrupted,
            legal=f"{clean} tokens",
            fix="words of as many tokens, or ue.patch with source_positions",
        )


def _check_size(n_cells: int, n_layers: int, n_columns: int, limit: int) -> None:
    if n_cells > limit:
        raise TooLargeError(
            f"a grid of {n_layers} layers x {n_columns} is {n_cells:,} runs; the limit is "
            f"{limit:,} (max_patch_cells)",
            field="positions",
            value=n_cells,
            legal=f"at most {limit:,} cells",
            fix="name fewer layers or positions",
        )


def _layers(model: Loaded, options: PatchOptions) -> list[int]:
    """The layers of the rows: those named, or all that have the site."""
    if options.layers is not None:
        layers = checked_layers(model, options.layers)
        for layer in layers:
            refuse(model.anatomy, _key(options, layer), model.name, "layers")
        return layers
    every = range(model.anatomy.n_layers)
    layers = [layer for layer in every if why_not(model.anatomy, _key(options, layer)) is None]
    if not layers:
        refuse(model.anatomy, _key(options, 0), model.name, "site")
    return layers


def _key(options: PatchOptions, layer: int) -> SiteKey:
    by_head = {"heads": "z", "patterns": "pattern"}
    return SiteKey(by_head.get(options.site, options.site), layer)

"""What one position predicts: the next token, and what the residual stream says in every layer.

Every state of the position is read in one walk through the vocabulary. The final distribution is
read from what the model gave to its unembedding; in models whose states cannot be unembedded, from
the logits of the run, and then there are no layers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from unembed.analyses.predictions.options import PredictionsOptions
from unembed.analyses.predictions.result import (
    LayerReading,
    Predictions,
    PredictionSide,
    Reading,
    TokenChange,
)
from unembed.analyses.sub_updates.result import SubUpdates
from unembed.analyses.sub_updates.sub_updates import sub_updates, sub_updates_capture
from unembed.analyses.tools.checks import checked_top_k, chosen
from unembed.analyses.tools.objective import Objective
from unembed.analyses.tools.runs import run_of
from unembed.analyses.tools.scores import target_score
from unembed.analyses.tools.target import check_position, read_target
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit
from unembed.engine.loaded import Loaded, Prompt
from unembed.engine.model import Model
from unembed.engine.names.sites import resolve_position
from unembed.engine.names.taps import why_not
from unembed.engine.passes import forward
from unembed.engine.passes.run import Run, TokenProbability
from unembed.engine.reading.readout import Readout
from unembed.engine.reading.unembedding import read_logits
from unembed.engine.targets import SiteKey
from unembed.errors import InputError, TargetError
from unembed.models.progress import Progress
from unembed.options import given

if TYPE_CHECKING:
    from jaxtyping import Float


LAYER_PARTS = ("resid_pre", "resid_mid", "resid_mid_cross", "resid_post")
DEFAULTS = PredictionsOptions()


def has_lens(model: Loaded) -> bool:
    """Whether states of the residual stream can be unembedded."""
    return model.capabilities()["lens"].available


def predictions_capture(
    model: Loaded, sub_updates: int = 0, layers: bool = True
) -> tuple[str, ...]:
    """What a run must have captured for `layer_predictions` and `compare_predictions`.

    A model without a lens needs nothing captured, but its logits at the position.

    Args:
        sub_updates: as in the options: more than 0 needs more.
        layers: as in the options: without them, what the unembedding reads is enough.
    """
    if not has_lens(model):
        return ()
    more = sub_updates_capture(model) if sub_updates else ()
    return tuple(dict.fromkeys((*_state_names(model, layers), *more)))


def predictions(
    source: Model | Run,
    prompt: Prompt | None = None,
    *,
    options: PredictionsOptions = DEFAULTS,
    edits: Sequence[Edit] = (),
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> Predictions:
    """What one position predicts, in every layer; with edits, beside what it does with them.

    Args:
        source: a model, which is run on `prompt`; or a run that captured
            `predictions_capture(model)`, to whose own edits `edits` are added.
        prompt: text or token ids; None with a run.
        options: which position is read, how many tokens are listed, which ones are followed.
        changes: single options, as in `position=3, target=" Tokyo"`; in place of a target and a
            distractor also a `ue.Objective` of logits at the position.
        edits: changes made in a second run, on the same tokens.

    Raises:
        InputError: a model without a prompt, a run with one, an option out of range, an
            objective that is not of logits.
        TargetError: no such position or token; the run did not capture what is read.
        PromptError, EditError: bad input; nothing was run.
    """
    model = source.model if isinstance(source, Run) else source
    options = _chosen(model, options, changes)
    work: dict[str, Any] = {"cancel": cancel, "progress": progress}
    capture = predictions_capture(model, options.sub_updates, options.layers)
    logits = _logits(model)
    baseline = run_of(source, prompt, capture, logits=logits, **work)
    if not edits:
        return layer_predictions(baseline, options=options, **work)
    edited = run_of(baseline, None, capture, edits, logits=logits, **work)
    return compare_predictions(baseline, edited, options=options, **work)


def _chosen(
    model: Loaded, options: PredictionsOptions, changes: dict[str, Any]
) -> PredictionsOptions:
    return chosen(options, changes, {"top_k": partial(checked_top_k, model)})


def _logits(model: Loaded) -> forward.Logits:
    """A model without a lens is read from its logits."""
    return "none" if has_lens(model) else "all"


def layer_predictions(
    run: Run,
    position: int | None = None,
    *,
    options: PredictionsOptions = DEFAULTS,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> Predictions:
    """Read the next-token distribution and every layer of a run at one position.

    Raises TargetError for a position or token that does not exist, or a site that the run did not
    capture (see `predictions_capture`).
    """
    options = _chosen(run.model, options, given(position=position) | changes)
    reader = _Reader([run], options, cancel, progress)
    found = Predictions(**reader.about(), baseline=reader.side(0, reader.read()))
    return _with_sub_updates(found, [run], options, cancel, progress)


def compare_predictions(
    baseline: Run,
    edited: Run,
    position: int | None = None,
    *,
    options: PredictionsOptions = DEFAULTS,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> Predictions:
    """Both runs at one position, the tokens whose probability changed, and KL."""
    if len(baseline.ids) != len(edited.ids):
        raise InputError("the two runs have different numbers of tokens")
    options = _chosen(baseline.model, options, given(position=position) | changes)
    runs = [baseline, edited]
    reader = _Reader(runs, options, cancel, progress)
    readout = reader.read()
    found = Predictions(
        **reader.about(),
        baseline=reader.side(0, readout),
        edited=reader.side(1, readout),
        changes=reader.changes(readout),
        kl=float(readout.kl[reader.n_states - 1 + reader.n_states, 1]),
    )
    return _with_sub_updates(found, runs, options, cancel, progress)


def _with_sub_updates(
    found: Predictions,
    runs: Sequence[Run],
    options: PredictionsOptions,
    cancel: Cancel | None,
    progress: Progress | None,
) -> Predictions:
    """With what neurons and heads of each layer wrote, where it was asked for."""
    k, position = options.sub_updates, found.position
    if not k:
        return found
    target = explained(runs[0].model, options, position)

    def read(run: Run) -> SubUpdates:
        return sub_updates(run, position, k, target=target, cancel=cancel, progress=progress)

    return with_updates(found, runs, read)


def explained(model: Loaded, options: PredictionsOptions, position: int) -> Objective | None:
    """What sub-updates have direct effects on: the target's logit, less that of a distractor."""
    rated = read_target(model, options.target, options.distractor)
    return None if rated is None or rated.objective is None else rated.objective.at(position)


def with_updates(
    found: Predictions, runs: Sequence[Run], read: Callable[[Run], SubUpdates]
) -> Predictions:
    """Predictions of one run or two, with what `read` finds that each layer of them wrote.

    As they are where the states of the model cannot be unembedded.
    """
    if not has_lens(runs[0].model):
        return found
    found = replace(found, baseline=replace(found.baseline, updates=read(runs[0])))
    if found.edited is None:
        return found
    return replace(found, edited=replace(found.edited, updates=read(runs[1])))


def _state_names(model: Loaded, layers: bool) -> list[str]:
    """The states of one position: two to four for each layer, then the model's own output."""
    names = []
    for layer in range(model.anatomy.n_layers if layers else 0):
        for part in LAYER_PARTS:
            if why_not(model.anatomy, SiteKey(part, layer)) is None:
                names.append(f"L{layer}.{part}")
    return [*names, "final_norm"]


class _Reader:
    """One or two runs at a position. States go by run, then as `_state_names` has them."""

    def __init__(
        self,
        runs: Sequence[Run],
        options: PredictionsOptions,
        cancel: Cancel | None,
        progress: Progress | None,
    ) -> None:
        self.model = runs[0].model
        self.runs = runs
        self.position = resolve_position(options.position, len(runs[0].ids))
        self.top_k = checked_top_k(self.model, options.top_k)
        self.layers = options.layers and has_lens(self.model)
        self.names = _state_names(self.model, self.layers) if has_lens(self.model) else ["logits"]
        self.n_states = len(self.names)
        check_position(options.target, self.position, len(runs[0].ids))
        self._rated = read_target(self.model, options.target, options.distractor)
        self._cancel = cancel
        self._progress = progress

    def read(self, targets: Sequence[int] | None = None, k: int | None = None) -> Readout:
        """Every state; `targets` replaces the tokens of what was asked for."""
        rated = self._rated
        ids = (() if rated is None else rated.ids) if targets is None else targets
        states = torch.cat([self._states(run) for run in self.runs])
        n = len(states)
        index = torch.arange(n)
        last = index // self.n_states * self.n_states + self.n_states - 1
        same = index % self.n_states
        wanted = torch.tensor([list(ids)] * n, dtype=torch.long).reshape(n, -1)
        references = torch.stack([last, same], 1)
        k = self.top_k if k is None else k
        mean = rated is not None and rated.needs_mean
        if not has_lens(self.model):
            return read_logits(states, k=k, targets=wanted, references=references, mean=mean)
        return self.model.unembedding.read(
            states,
            k=k,
            targets=wanted,
            references=references,
            mean=mean,
            cancel=self._cancel,
            progress=self._progress,
        )

    @torch.no_grad()
    def _states(self, run: Run) -> Float[Tensor, "states d"]:
        if not has_lens(self.model):
            return _logits_at(run, self.position)
        final = run["final_norm"][self.position, None]
        inner = [run[name][self.position].to(final.device) for name in self.names[:-1]]
        if not inner:
            return final
        return torch.cat([self.model.final_norm(torch.stack(inner)), final])

    def about(self) -> dict[str, Any]:
        """What was read, and how it is rated."""
        rated = self._rated
        return {
            "tokens": self.runs[0].tokens,
            "source_tokens": self.runs[0].source_tokens,
            "position": self.position,
            "target": None if rated is None else rated.token,
            "distractor": None if rated is None else rated.other,
            "objective": None if rated is None else rated.words,
        }

    def side(self, which: int, readout: Readout) -> PredictionSide:
        start = which * self.n_states
        values = None if self._rated is None else self._rated.values(readout)
        readings = {
            name: self._reading(readout, values, start + index)
            for index, name in enumerate(self.names)
        }
        next_token = readings[self.names[-1]]
        if not self.layers:
            return PredictionSide(next_token, None)
        layers = tuple(
            LayerReading(
                layer,
                readings[f"L{layer}.resid_pre"],
                readings.get(f"L{layer}.resid_mid"),
                readings[f"L{layer}.resid_post"],
                readings.get(f"L{layer}.resid_mid_cross"),
            )
            for layer in range(self.model.anatomy.n_layers)
        )
        return PredictionSide(next_token, layers)

    def _reading(self, readout: Readout, values: Tensor | None, row: int) -> Reading:
        top = tuple(
            TokenProbability(self.model.token(token_id), probability, logit)
            for token_id, probability, logit in zip(
                readout.top_ids[row].tolist(),
                readout.top_probabilities[row].tolist(),
                readout.top_logits[row].tolist(),
                strict=True,
            )
        )
        rated = self._rated
        n = 0 if rated is None else len(rated.tokens)
        both = rated is not None and rated.others
        return Reading(
            top,
            entropy=float(readout.entropy[row]),
            kl_to_final=float(readout.kl[row, 0]),
            target=target_score(readout, row) if n else None,
            distractor=target_score(readout, row, n) if both else None,
            objective=None if values is None else float(values[row]),
        )

    def changes(self, readout: Readout) -> tuple[TokenChange, ...]:
        """The union of both top k: probabilities and ranks on both sides."""
        before, after = self.n_states - 1, 2 * self.n_states - 1
        union = torch.unique(readout.top_ids[[before, after]]).tolist()
        scores = self.read(union, k=1)  # the same product again, so the same bits
        changes = []
        for column, token_id in enumerate(union):
            old, new = target_score(scores, before, column), target_score(scores, after, column)
            token = self.model.token(token_id)
            changes.append(TokenChange(token, old.probability, new.probability, old.rank, new.rank))
        changes.sort(key=lambda c: -abs(c.edited_probability - c.baseline_probability))
        return tuple(changes)


def _logits_at(run: Run, position: int) -> Float[Tensor, "1 vocab"]:
    """The run's logits at a position; a run may hold the last position's only."""
    run.model.require("logits")
    logits = run.logits
    row = -1 if logits is None else position - (len(run.ids) - len(logits))
    if logits is None or row < 0:
        raise TargetError(
            f'this run has no logits at position {position}; run again with logits="all"',
            field="position",
            value=position,
        )
    return logits[row : row + 1]

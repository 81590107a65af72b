"""What states are rated by, read in one way for every analysis: a token, one token against another,
or an objective.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from unembed.analyses.tools.labelled import labels_of, top_label
from unembed.analyses.tools.objective import Objective
from unembed.analyses.tools.spelling import spelled
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit
from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import resolve_position
from unembed.engine.names.tokens import Token
from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.forward import request_of, run
from unembed.engine.passes.run import Run
from unembed.engine.reading.readout import Readout
from unembed.errors import InputError, TargetError
from unembed.options import Explained

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


TargetLike = str | int | Explained  # a token, or an objective, also as text
OF_LOGITS = "logit, logit_diff, log_prob, logit_minus_mean"


@dataclass(frozen=True)
class Rated:
    """What states are rated by: an objective of logits, and its tokens as this model has them.

    Without an objective a distractor alone is followed.
    """

    model: Loaded
    objective: Objective | None
    tokens: tuple[int, ...]
    others: tuple[int, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        """The targets with which states are read."""
        return self.tokens + self.others

    @property
    def is_one_logit(self) -> bool:
        """Whether the objective is no more than the logit of its token."""
        objective = self.objective
        return objective is not None and objective.kind == "logit" and len(self.tokens) == 1

    @property
    def needs_mean(self) -> bool:
        """Whether states are read with the mean of their logits."""
        return self.objective is not None and self.objective.kind == "logit_minus_mean"

    @property
    def token(self) -> Token | None:
        """The token whose probability, logit and rank are told: of several the first."""
        return self.model.token(self.tokens[0]) if self.tokens else None

    @property
    def other(self) -> Token | None:
        """What stands against it: of several tokens the first."""
        return self.model.token(self.others[0]) if self.others else None

    @property
    def words(self) -> str | None:
        """What the values are of: "logit of ' Tokyo' less that of ' Paris'"."""
        return None if self.objective is None else in_words(self.model, self.objective)

    def values(self, readout: Readout) -> Float[Tensor, " n"] | None:
        """The objective in each state that was read; None without one."""
        return None if self.objective is None else self.objective.of_readout(readout)


def read_target(
    model: Loaded, target: TargetLike | None, distractor: str | int | None = None
) -> Rated | None:
    """What a target means in this model, to an analysis that reads states as logits.

    Text that is one token, or an id, is the logit of that token; with a distractor, less that of
    the distractor. Text may spell an objective (`spelling`).

    Raises:
        TargetError: what is no token of this model.
        InputError: an objective that is not of logits, or a distractor beside one.
    """
    target = read_text(target)
    if isinstance(target, Explained):
        objective = _of_logits(target)
        if distractor is not None:
            raise InputError(
                "the objective says what stands against what; leave distractor out",
                field="distractor",
                value=distractor,
                legal="left out beside an objective",
                fix="target=ue.Objective.logit_diff(token, distractor)",
            )
    else:
        other = None if distractor is None else _one(model, distractor, "distractor")
        if target is None:
            return None if other is None else Rated(model, None, (), (other,))
        token = _one(model, target, "target")
        objective = Objective.logit(token) if other is None else Objective.logit_diff(token, other)
    tokens, others = objective.ids(model)
    return Rated(model, objective, tuple(tokens), tuple(others))


def read_text(target: TargetLike | None) -> TargetLike | None:
    """The objective that a text spells; all else as it is."""
    objective = spelled(target) if isinstance(target, str) else None
    return target if objective is None else objective


def explained_at(model: Loaded, target: TargetLike, position: int, n_positions: int) -> Objective:
    """A target as an objective at one position: a token is its logit there.

    Raises TargetError for what is no token, InputError for an objective at another position.
    """
    if isinstance(target, str) and (objective := spelled(target)) is not None:
        return _spelled_at(model, objective, position, n_positions)
    if not isinstance(target, Explained):
        return Objective.logit(_one(model, target, "target"), position=position)
    return placed(model, as_objective(target), position, n_positions)


def placed(
    model: Loaded, objective: Objective, position: int, n_positions: int | None = None
) -> Objective:
    """An objective at the position that is read; the label of a text as a whole has none.

    Raises InputError for one that says another position, which is looked at where their number is
    given. What an objective of such a label says itself is left, for its value to refuse.
    """
    if is_of_text(model, objective):
        return objective
    if n_positions is not None:
        check_position(objective, position, n_positions)
    return objective.at(position)


def likeliest(
    model: Loaded,
    read: Read,
    position: int,
    edits: Sequence[Edit] = (),
    cancel: Cancel | None = None,
) -> int:
    """The model's own most likely token there, without the logits of any other position.

    Takes a model with a lens, and a position counted from the start.
    """
    seen = run(model, request_of(read, ("final_norm",), edits, "none"), cancel)
    logits = model.unembedding.logits(seen["final_norm"][position, None])[0]
    return int(logits.argmax())


def is_of_text(model: Loaded, target: TargetLike | None) -> bool:
    """Whether it is the score of a label that a text has as a whole, and so at no position."""
    scored = isinstance(target, Objective) and target.scored is not None
    return scored and labels_of(model).of == "text"


def measured_position(model: Loaded, objective: Objective, n_positions: int) -> int | None:
    """Where an objective is measured, counted from the start; None of a text as a whole."""
    if is_of_text(model, objective):
        return None
    return resolve_position(objective.position, n_positions)


def highest_label(run: Run, position: int) -> Objective:
    """The score of the label that is highest there, or of the text as a whole, at no position.

    Raises CapabilityError for a model without labels.
    """
    at = position if labels_of(run.model).of == "token" else -1
    return Objective.label(top_label(run, at), position=at)


def measured_at(
    model: Loaded,
    target: TargetLike,
    distractor: str | int | None,
    position: int,
    n_positions: int,
) -> Objective:
    """What a run is measured by, at a position counted from the start.

    An objective made in Python says its position itself; it need not be of logits. The label of a
    text as a whole has none: `position` is then not that of what is measured.

    Raises:
        TargetError: what is no token of this model.
        InputError: a distractor beside an objective, or one that is the target itself.
    """
    if isinstance(target, Objective) and distractor is None:
        _check_named(model, target, n_positions)
        return target.at(resolve_position(target.position, n_positions))
    spoken = read_text(target)
    if isinstance(spoken, Objective) and distractor is None:
        _check_named(model, spoken, n_positions)
        return _spelled_at(model, spoken, position, n_positions)
    rated = read_target(model, spoken, distractor)
    if rated is None or rated.objective is None:
        raise AssertionError("a target is given")
    if rated.tokens == rated.others:
        raise _same(model, rated.tokens, "distractor")
    return rated.objective.at(position)


def _check_named(model: Loaded, objective: Objective, n_positions: int) -> None:
    """That the model has what an objective names; raises errors about `target`."""
    try:
        tokens, others = (tuple(sorted(some)) for some in objective.ids(model))
        node = None if objective.node is None else model.node(objective.node)
        if node is not None and node.key is not None:
            resolve_position(node.key, n_positions)
    except TargetError as error:
        error.field = "target"
        raise
    if objective.kind == "logit_diff" and tokens == others:
        raise _same(model, tokens, "target")


def _same(model: Loaded, tokens: tuple[int, ...], field: str) -> InputError:
    labels = ", ".join(repr(model.token(one).label) for one in tokens)
    return InputError(
        f"target and distractor are the same token, {labels}: their difference is 0 in every run",
        field=field,
        value=tokens[0],
        legal="another token than the target",
        fix='target=" Mary", distractor=" John"',
    )


def _spelled_at(model: Loaded, objective: Objective, position: int, n_positions: int) -> Objective:
    """An objective that a text spells: the name of its node may say the position that is read."""
    own = objective.position
    if own != -1 and resolve_position(own, n_positions, "target") != position:
        raise InputError(
            f"the {objective.words} is at a position of its own, and position {position} is read",
            field="target",
            value=own,
            legal=f"a node at position {position}, or a name without a position",
            fix=f"position={own}",
        )
    return placed(model, objective, position)


def in_words(model: Loaded, objective: Objective) -> str:
    """What an objective is, with the text of tokens and labels that were given as numbers."""
    if objective.scored is not None:
        labels = labels_of(model)
        return replace(objective, scored=labels.names[labels.index(objective.scored)]).words
    if model.tokenizer is None or not objective.is_of_logits:
        return objective.words
    tokens, others = (tuple(model.token(one).text for one in ids) for ids in objective.ids(model))
    return replace(objective, tokens=tokens, others=others).words


def check_position(target: TargetLike | None, position: int, n_positions: int) -> None:
    """Raise InputError for an objective at another position than the one that is read."""
    if not isinstance(target, Objective):
        return
    own = resolve_position(target.position, n_positions)
    if own != position:
        raise InputError(
            f"the objective is at position {own}, and position {position} is read",
            field="target",
            value=target.position,
            legal=str(position),
            fix=f"target=objective.at({position})",
        )


def text_tokens(model: Loaded, target: str | int) -> list[int]:
    """The tokens of a target that may be several. Raises TargetError for text that has none."""
    try:
        return [model.token_id(target)]
    except TargetError:
        if not isinstance(target, str) or model.tokenizer is None:
            raise
        found = model.tokenizer(target, add_special_tokens=False, verbose=False)["input_ids"]
        if not found:
            raise
        return [int(token) for token in found]


def _one(model: Loaded, token: str | int, field: str) -> int:
    try:
        return model.token_id(token)
    except TargetError as error:
        error.field = field
        raise


def _of_logits(target: Explained) -> Objective:
    objective = as_objective(target)
    if objective.is_of_logits:
        return objective
    raise InputError(
        f"target is the {objective.words}, which a state of the residual stream alone does not "
        "tell; states are read as logits, so use an objective of logits",
        field="target",
        value=objective.words,
        legal=OF_LOGITS,
        fix="objective.value(run) measures it in a run",
    )


def as_objective(target: Explained) -> Objective:
    """There is no other `Explained`; raises InputError for what someone made of it."""
    if isinstance(target, Objective):
        return target
    raise InputError(
        f"target is {target!r}; it must be a token, a token id or a ue.Objective",
        field="target",
        value=repr(target),
        legal="a token, a token id or a ue.Objective",
    )

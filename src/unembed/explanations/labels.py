"""Labels of a model's nodes, kept in the workspace: `Labels`.

A neuron is the model's, and its label is kept by the model's fingerprint; a latent is an
autoencoder's, and its label is kept by that of both, so that no label is shown of another latent
with the same name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from unembed import node_labels
from unembed.analyses.attribution_graph.result import AttributionGraph
from unembed.analyses.tools.writes import node_of
from unembed.engine.model import Model
from unembed.engine.targets import Target
from unembed.errors import InputError, TargetError
from unembed.explanations.result import Explanation, Explanations
from unembed.explanations.scores import Judged, Simulated
from unembed.latents.sae import owner_of, owners
from unembed.node_labels import Label, NeuronpediaRow, NodeLabelScore, Source, best_first
from unembed.workspace import Workspace

MOST = 1_000_000  # of one file


class Labels:
    """The labels of one model, and of the autoencoders attached to it.

    Args:
        workspace: where they are kept; None is the user's own.

    Methods that read and keep raise what `Workspace` does.
    """

    def __init__(self, model: Model, workspace: Workspace | None = None) -> None:
        self._model = model
        self._workspace = Workspace(settings=model.settings) if workspace is None else workspace

    def all(self) -> tuple[Label, ...]:
        """Every label, by node; of a node's labels the one that is shown comes first.

        That is the one by hand, then what a language model wrote, what a file brought, and what
        the search without a language model found.
        """
        return best_first(one for key in self._keys() for one in self._workspace.labels(key))

    def of(self, node: str) -> tuple[Label, ...]:
        """The labels of a node, the one that is shown first. Raises TargetError."""
        name = self._target(node).text
        return tuple(one for one in self.all() if one.node == name)

    def search(self, words: str) -> tuple[Label, ...]:
        """Labels that have all of these words, or parts of words."""
        return node_labels.matching(self.all(), words)

    def on(self, graph: AttributionGraph) -> AttributionGraph:
        """The same graph with what is kept of its nodes as their `words`."""
        return graph.said(shown(self.all()))

    def edit(self, node: str, text: str, by: str = "") -> Label:
        """Label a node by hand; the machine's labels stay beside it. Raises TargetError."""
        label = Label(self._target(node).text, text, "hand", by, made=_now())
        self.keep([label])
        return label

    def forget(self, node: str, source: Source = "hand") -> bool:
        """Forget a node's label of one source; whether there was one. Raises TargetError."""
        target = self._target(node)
        return self._workspace.delete_label(self._key(target), target.text, source)

    def keep(self, labels: Explanations | Iterable[Label]) -> int:
        """Keep labels of nodes of this model, or of an explanation; how many.

        Each takes the place of the node's former one of the same source. Raises TargetError,
        and keeps none, where one is of a node that this model does not have.
        """
        found = labels_of(labels) if isinstance(labels, Explanations) else tuple(labels)
        by_key: dict[str, list[Label]] = {}
        for one in found:
            target = self._target(one.node)
            by_key.setdefault(self._key(target), []).append(one)
        for key, some in by_key.items():
            self._workspace.keep_labels(key, some)
        return len(found)

    def exported(self) -> dict[str, Any]:
        """All of them as plain data, for a JSON file."""
        return node_labels.exported(self.all(), self._model.name, self._model.fingerprint)

    def for_neuronpedia(self, model_id: str, source: str = "unembed") -> list[NeuronpediaRow]:
        """The shown labels of neurons and latents, as rows of Neuronpedia's exports.

        Args:
            model_id: what the model is called there: "gpt2-small".
            source: what a set of latents is called behind its layer: "res-jb".
        """
        return node_labels.for_neuronpedia(shown(self.all()), model_id, source)

    def imported(self, data: object) -> int:
        """Keep the labels of a file in either layout; how many.

        Raises InputError, TargetError, and keeps none, where one is wrong, or of another model.
        """
        found = node_labels.imported(data, self._model.fingerprint)
        if len(found) > MOST:
            message = f"{len(found):,} labels; at most {MOST:,} are read at once"
            raise InputError(message, field="labels", value=len(found), legal=f"at most {MOST:,}")
        return self.keep(found)

    # ------------------------------------------------------------ whose

    def _target(self, node: str) -> Target:
        """Raises TargetError for what is no node of this model, or one at a position."""
        target = self._model.node(node, "node")
        if not target.row.derived:
            target = node_of(self._model, target)
        if target.position is not None:
            message = f"{node} is a node at one position, and a label is for all"
            raise TargetError(message, field="node", value=node, legal='"L12.N512"')
        return target

    def _key(self, target: Target) -> str:
        derived = target.row.derived
        return owner_of(self._model, target) if derived else self._model.fingerprint

    def _keys(self) -> tuple[str, ...]:
        return (self._model.fingerprint, *owners(self._model))


def shown(labels: Sequence[Label]) -> tuple[Label, ...]:
    """Of each node the label that is shown: the first, of labels in the order of `Labels.all`."""
    first: dict[str, Label] = {}
    for one in labels:
        first.setdefault(one.node, one)
    return tuple(first.values())


# ---------------------------------------------------------------- from explanations


def labels_of(found: Explanations) -> tuple[Label, ...]:
    """What an explanation says of each node, by the search and in a language model's words."""
    made = _now()
    several = (_of(item, found.corpus, made) for item in found.items)
    return tuple(one for some in several for one in some)


def _of(item: Explanation, corpus: str, made: str) -> list[Label]:
    labels = []
    if item.label is not None:
        nulls = [one.high for one in (item.shuffled, item.searched) if one is not None]
        held = item.held_out
        f1 = () if held is None else (NodeLabelScore("f1", held.f1, max(nulls, default=None)),)
        labels.append(Label(item.node, item.label, "search", "", corpus, made, item.supported, f1))
    written = item.written
    if written is not None and written.text is not None:
        judged = {
            "simulation": written.simulation,
            "detection": written.detection,
            "fuzzing": written.fuzzing,
        }
        scores = tuple(
            NodeLabelScore(kind, one.score, _chance(one))
            for kind, one in judged.items()
            if one is not None and one.score is not None
        )
        labels.append(
            Label(
                item.node, written.text, "model", written.by, corpus, made,
                written.supported, scores,
            )
        )  # fmt: skip
    return labels


def _chance(score: Simulated | Judged) -> float | None:
    nulls = [one.high for one in (score.null, score.searched) if one is not None]
    return max(nulls, default=None)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

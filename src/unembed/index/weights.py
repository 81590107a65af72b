"""Whether a model still has the weights that something on disk is of."""

from __future__ import annotations

from unembed.engine.model import Model


class SameWeights:
    """Of a model as it is now, whose fingerprint is that of what was stored."""

    def __init__(self, model: Model, fingerprint: str) -> None:
        self._model, self._fingerprint = model, fingerprint
        self._state = model.state

    def hold(self) -> bool:
        """Whether the weights are the same; of a large model a look some seconds ago will do."""
        state = self._model.reread(often=True)
        if state is self._state:
            return True
        state = self._model.reread()  # before a refusal as exact as can be
        if state is not self._state and state.fingerprint == self._fingerprint:
            self._state = state  # changed, and changed back
        return state is self._state

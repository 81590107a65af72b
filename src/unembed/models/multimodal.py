"""Models that take pictures or sound beside text: here only their language model is run.

A prompt is text, so that the model's own code leaves out whatever reads the rest. What is left to
know is which tokens have no meaning without it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_PLACEHOLDER = re.compile(r"(image|video|audio)_token_(?:id|index)")
_WORDS = {"image": "a picture", "video": "a video", "audio": "sound"}


def placeholders(config: Any) -> Mapping[int, str]:
    """What each token stands for that another input is put in the place of: "a picture"."""
    found: dict[int, str] = {}
    nested = [getattr(config, name, None) for name in getattr(config, "sub_configs", {})]
    for part in (config, *nested):
        for key, value in vars(part).items() if hasattr(part, "to_dict") else ():
            named = _PLACEHOLDER.fullmatch(key)
            if named is not None and isinstance(value, int):
                found[value] = _WORDS[named[1]]
    return found

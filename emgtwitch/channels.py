"""What a channel name tells: the side of the body and the muscle."""

import re

# A side is a whole word of the name: "calf_L", "GM left", "L-SOL", "EMG R GL".
_SIDES = {"l": "left", "left": "left", "r": "right", "right": "right"}
_MUSCLES = {
    "calf": "calf",
    "gm": "gastrocnemius medialis",
    "gl": "gastrocnemius lateralis",
    "gastrocnemius": "gastrocnemius",
    "gastroc": "gastrocnemius",
    "so": "soleus",
    "sol": "soleus",
    "soleus": "soleus",
    "ta": "tibialis anterior",
    "tib": "tibialis anterior",
    "pl": "peroneus longus",
}


def _words(name: str) -> list[str]:
    return re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())


def side_of(name: str) -> str | None:
    """Return ``"left"``, ``"right"`` or None, as the channel name tells."""
    found = {_SIDES[word] for word in _words(name) if word in _SIDES}
    return found.pop() if len(found) == 1 else None


def muscle_of(name: str) -> str | None:
    """Return the muscle that the channel name tells, or None."""
    words = _words(name)
    for muscle in sorted(_MUSCLES.values(), key=len, reverse=True):
        if muscle in " ".join(words):  # "left gastrocnemius medialis"
            return muscle
    for word in words:
        if word in _MUSCLES:
            return _MUSCLES[word]
    return None

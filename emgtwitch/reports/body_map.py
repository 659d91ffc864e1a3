"""A drawing of both legs: which muscles were recorded, and the roots that supply them."""

from collections.abc import Sequence
from dataclasses import dataclass

from emgtwitch.comparison.recordings import RecordingSummary
from emgtwitch.reports.overview import COLOURS
from emgtwitch.reports.pieces import Html, html, say

SOURCE = (
    "Roots as in Moore KL, Dalley AF, Agur AMR, Clinically Oriented Anatomy (Wolters Kluwer), "
    "tables of the muscles of thigh and leg. Textbooks differ by a root, and so do people."
)


@dataclass(frozen=True)
class _Place:
    """Roots of a muscle, and its outline on a left leg seen from behind, SVG path."""

    roots: str
    outline: str


# Left leg from behind, within 100 x 230, the outer side on the left.
_LEG = (
    "M30 0 C24 50 30 80 36 104 C24 124 26 152 36 178 C40 198 38 206 34 216 C36 226 56 226 60 218 "
    "C62 206 60 196 62 178 C74 152 74 126 64 104 C72 80 80 50 82 0 Z"
)
_PLACES = {
    "hamstrings": _Place("L5 to S2", "M40 12 C36 50 42 76 46 92 L58 92 C66 74 70 46 68 12 Z"),
    "gastrocnemius medialis": _Place(
        "S1, S2", "M51 106 C66 108 70 132 62 154 C58 158 53 156 51 152 Z"
    ),
    "gastrocnemius lateralis": _Place(
        "S1, S2", "M49 106 C34 108 30 130 38 150 C42 155 47 154 49 150 Z"
    ),
    "soleus": _Place(
        "S1, S2", "M37 152 C40 172 44 184 49 192 C55 184 59 172 62 156 C54 164 44 162 37 152 Z"
    ),
    "tibialis anterior": _Place(
        "L4, L5", "M26 116 C22 132 24 152 30 168 L33 168 C27 150 26 134 29 116 Z"
    ),
    "peroneus longus": _Place(
        "L5 to S2", "M30 112 C26 132 29 150 35 168 L37 166 C31 150 30 132 34 112 Z"
    ),
}
_WHOLE = {
    "gastrocnemius": ("gastrocnemius medialis", "gastrocnemius lateralis"),
    "calf": ("gastrocnemius medialis", "gastrocnemius lateralis"),
}


def roots_of(muscle: str) -> str:
    """Return the roots that supply a muscle, or an empty text if that is not in the table."""
    parts = _WHOLE.get(muscle, (muscle,))
    return _PLACES[parts[0]].roots if parts[0] in _PLACES else ""


def recorded_muscles(recordings: Sequence[RecordingSummary]) -> dict[str, set[str]]:
    """Return the muscles that were recorded, each with its sides."""
    found: dict[str, set[str]] = {}
    for recording in recordings:
        for channel in recording.channels:
            if channel.muscle and channel.side:
                found.setdefault(channel.muscle, set()).add(channel.side)
    return dict(sorted(found.items()))


def body_map(recordings: Sequence[RecordingSummary]) -> Html:
    """Return the drawing, with the muscles that it knows of those recorded.

    Parameters
    ----------
    recordings
        Whose channels tell muscle and side.
    """
    muscles = recorded_muscles(recordings)
    legs = []
    for side, shift in (("left", 0), ("right", 110)):
        mirror = (
            f"translate({shift},0)" if side == "left" else f"translate({shift + 100},0) scale(-1,1)"
        )
        mine = {part for name, sides in muscles.items() if side in sides for part in _parts(name)}
        shapes = [f'<path d="{_LEG}" fill="#F6F1EC" stroke="#777777"/>']
        shapes += [
            f'<path d="{place.outline}" stroke="#777777" stroke-width="0.7" '
            f'fill="{COLOURS[side] if name in mine else "#E7DED6"}"/>'
            for name, place in _PLACES.items()
        ]
        legs.append(f'<g transform="{mirror}">{"".join(shapes)}</g>')
        legs.append(f'<text x="{shift + 50}" y="246" text-anchor="middle">{side}</text>')
    told = "; ".join(
        f"{name}, {' and '.join(sorted(sides))}"
        + (f", supplied by {roots_of(name)}" if roots_of(name) else "")
        for name, sides in muscles.items()
    )
    alt = f"Both legs from behind. Recorded: {told or 'muscles not told'}"
    return Html(
        f'<svg class="legs" viewBox="0 0 210 252" role="img" aria-label="{html(alt)}">'
        f"<title>{say('Recorded muscles, legs seen from behind')}</title>{''.join(legs)}</svg>"
    )


def _parts(muscle: str) -> tuple[str, ...]:
    return _WHOLE.get(muscle, (muscle,))

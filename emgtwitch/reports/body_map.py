"""A drawing of both legs: which muscles were recorded, and the roots that supply them."""

from collections.abc import Sequence
from dataclasses import dataclass

from emgtwitch.comparison.recordings import RecordingSummary
from emgtwitch.reports.overview import COLOURS
from emgtwitch.reports.pieces import Html, html, say

SOURCE = (
    "Roots as in Moore KL, Dalley AF, Agur AMR, Clinically Oriented Anatomy (Wolters Kluwer), "
    "tables of the muscles of thigh and leg; the same in Medical Research Council, Aids to the "
    "Examination of the Peripheral Nervous System, but for the peroneus longus (L5, S1). Textbooks "
    "differ by a root, and so do people."
)


@dataclass(frozen=True)
class _Place:
    """Roots of a muscle, its outline on a left leg seen from behind, and where they are written."""

    roots: str
    outline: str
    label: tuple[int, int]


# Left leg from behind, within 100 x 230, the outer side on the left.
_LEG = (
    "M26 0 C22 46 28 78 31 100 C16 122 20 156 36 184 C41 200 40 208 34 220 C38 228 56 228 60 220 "
    "C60 206 59 198 61 184 C80 154 80 124 67 100 C74 78 82 46 84 0 Z"
)
_PLACES = {
    "hamstrings": _Place(
        "L5 to S2", "M40 12 C36 50 42 76 46 92 L58 92 C66 74 70 46 68 12 Z", (54, 40)
    ),
    "gastrocnemius medialis": _Place(
        "S1, S2", "M51 104 C68 106 75 130 65 154 C60 160 54 158 51 152 Z", (60, 128)
    ),
    "gastrocnemius lateralis": _Place(
        "S1, S2", "M49 104 C36 106 32 130 37 149 C41 155 46 154 49 149 Z", (42, 126)
    ),
    "soleus": _Place(
        "S1, S2",
        "M38 154 C40 172 44 186 49 196 C55 186 60 174 63 160 C56 165 46 163 38 154 Z",
        (50, 174),
    ),
    "tibialis anterior": _Place(
        "L4, L5", "M25.5 114 C21 132 23 150 30 166 C26 148 25.5 132 28 114 Z", (12, 116)
    ),
    "peroneus longus": _Place(
        "L5 to S2", "M31 110 C27 130 28 148 36 168 C33 150 31.5 130 35 110 Z", (12, 146)
    ),
}
_SHORT = {"S1, S2": ("S1", "S2"), "L4, L5": ("L4", "L5"), "L5 to S2": ("L5", "to S2")}
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
        for name in sorted(mine & _PLACES.keys()):
            x, y = _PLACES[name].label
            inside = x > 20
            legs += [
                f'<text x="{shift + (x if side == "left" else 100 - x)}" y="{y + 8 * line}" '
                f'font-size="7" fill="{"#FFFFFF" if inside else "#1b1b1b"}" text-anchor="middle">'
                f"{text}</text>"
                for line, text in enumerate(_SHORT[_PLACES[name].roots])
            ]
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

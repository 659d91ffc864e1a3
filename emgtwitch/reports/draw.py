"""How all figures of the report look, and a figure as the picture that goes into it."""

import warnings
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from emgtwitch.reports.overview import COLOURS, MARKERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN = 7.2  # of A4 between margins of 14 mm
_DPI = 160
_STYLE: dict[str, Any] = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "text.parse_math": False,  # a $ in a name is no formula
}
GREY = "#555555"
# In grey print both colours look alike: shape, fill and dashes tell the sides apart too.
SIDES: dict[str | None, dict[str, Any]] = {
    "left": {"color": COLOURS["left"], "marker": MARKERS["left"], "linestyle": "-"},
    "right": {"color": COLOURS["right"], "marker": MARKERS["right"], "linestyle": (0, (4, 2))},
    None: {"color": COLOURS[None], "marker": MARKERS[None], "linestyle": ":"},
}


def picture(
    height_in: float,
    draw: "Callable[[Figure], None]",
    margins_in: tuple[float, float, float, float] | None = None,
) -> bytes:
    """Return what `draw` puts into a figure as a WebP file.

    Parameters
    ----------
    height_in
        Height, inches.
    draw
        Draws into the figure that it is given.
    margins_in
        Left, right, top and bottom, inches; twice as quick as to have them found.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    style: Any = _STYLE
    layout: Any = None if margins_in else "constrained"
    with rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # a name in a script that the font lacks
        made = Figure(figsize=(WIDTH_IN, height_in), dpi=_DPI, layout=layout)
        if margins_in:
            left, right, top, bottom = margins_in
            made.subplots_adjust(
                left=left / WIDTH_IN,
                right=1 - right / WIDTH_IN,
                top=1 - top / height_in,
                bottom=bottom / height_in,
            )
        draw(made)
        file = BytesIO()
        made.savefig(file, format="webp", pil_kwargs={"quality": 80, "method": 2})
    return file.getvalue()


def ratio_axis(axis: Any, low: float, high: float) -> None:
    """Make an axis one of ratios, from 1/64 to 64 at most, with ticks at powers of two."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    axis.axes.set(**{f"{axis.axis_name}scale": "log", f"{axis.axis_name}lim": (low, high)})
    powers = [k for k in range(-6, 7) if low <= 2.0**k <= high]
    powers = powers[:: 2 if len(powers) > 7 else 1]
    axis.set_major_locator(FixedLocator([2.0**k for k in powers]))
    axis.set_major_formatter(FixedFormatter([f"1/{2**-k}" if k < 0 else str(2**k) for k in powers]))
    axis.set_minor_locator(NullLocator())


def ratio_limits(values: Sequence[float]) -> tuple[float, float]:
    """Return the least and the greatest ratio to show, 1 in between."""
    known = np.array([value for value in values if np.isfinite(value) and value > 0])
    around = np.append(known, [0.7, 1.4])
    return float(max(around.min() / 1.5, 1 / 64)), float(min(around.max() * 1.5, 64))


def number_axis(axis: Any, ticks: Sequence[float]) -> None:
    """Make an axis logarithmic, with these ticks as plain numbers."""
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_locator(FixedLocator(list(ticks)))
    axis.set_major_formatter(FixedFormatter([f"{tick:g}" for tick in ticks]))
    axis.set_minor_locator(NullLocator())


def nothing_to_show(ax: "Axes", why: str) -> None:
    """Say in an empty panel why it is empty."""
    ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center", color=GREY)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)

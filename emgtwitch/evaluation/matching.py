"""One-to-one matching of event times."""

from typing import Any

import numpy as np

# The event table rounds times to 1 µs, so 25 ms apart may read as 25.001 ms.
_ROUNDING_S = 1.5e-6


def match_times(
    detected_s: np.ndarray, true_s: np.ndarray, tolerance_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Pair detected with true times, each used at most once.

    Of all pairings within the tolerance this is one with the most pairs and, among those, the
    least summed time error. Two detections of one event are therefore one pair and one left over.
    The work grows with the number of pairs within the tolerance.

    Parameters
    ----------
    detected_s, true_s
        Times, s, in any order, shapes (n,) and (m,).
    tolerance_s
        Greatest distance of a pair, s, inclusive.

    Returns
    -------
    detected_index, true_index
        The pairs as two integer arrays of equal length, in order of time.
    """
    detected_order = np.argsort(detected_s, kind="stable")
    true_order = np.argsort(true_s, kind="stable")
    detected = np.asarray(detected_s, dtype=float)[detected_order].tolist()
    true = np.asarray(true_s, dtype=float)[true_order]
    reach = tolerance_s + _ROUNDING_S
    first = np.searchsorted(detected, true - reach, side="left").tolist()
    last = np.searchsorted(detected, true + reach, side="right").tolist()

    # Uncrossing two crossed pairs never lengthens the longer one nor the sum, so a best pairing
    # keeps the order of time and can be built from left to right. After each true event best[i]
    # is the best pairing with only the detections before i: (pairs, -summed error, its pairs as
    # a linked list). Only the detections within reach of that event can change it.
    best: list[tuple[int, float, Any]] = [(0, 0.0, None)]
    for j, time in enumerate(true.tolist()):
        best += [best[-1]] * (last[j] + 1 - len(best))
        before = best[first[j]]
        for i in range(first[j], last[j]):
            pairs, gain, chain = before
            with_pair = (pairs + 1, gain - abs(detected[i] - time), (i, j, chain))
            before = best[i + 1]
            best[i + 1] = max(best[i + 1], best[i], with_pair, key=lambda choice: choice[:2])
    chosen = []
    link = best[-1][2]
    while link:
        i, j, link = link
        chosen.append((i, j))
    pairing = np.array(chosen[::-1], dtype=int).reshape(-1, 2)
    return detected_order[pairing[:, 0]], true_order[pairing[:, 1]]

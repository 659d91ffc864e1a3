"""Markdown tables, and running many measurements at once."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any

import numpy as np
from tqdm import tqdm

Task = tuple[Callable[..., Any], tuple[Any, ...]]


def run_all(tasks: Sequence[Task], jobs: int) -> list[Any]:
    """Run (function, arguments) pairs in `jobs` processes; results in the order of the tasks."""
    with ProcessPoolExecutor(jobs) as pool:
        futures = [pool.submit(function, *arguments) for function, arguments in tasks]
        for future in tqdm(as_completed(futures), total=len(futures), unit="run"):
            future.result()  # shows a failure at once
        return [future.result() for future in futures]


def number(value: float, spec: str) -> str:
    """Format a number, NaN as n/a."""
    return format(value, spec) if np.isfinite(value) else "n/a"


def markdown(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table whose columns after the first are numbers."""
    names = list(header)
    lines = [names, ["---", *["---:"] * (len(names) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)

"""The BIDS validator, as an independent judge of data sets."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def bids_errors(dataset):
    """Return what the validator calls an error; skip the test where it is not installed."""
    validator = shutil.which("bids-validator-deno", path=Path(sys.executable).parent)
    if validator is None:
        pytest.skip("bids-validator-deno is not installed")
    words = [validator, "--format", "json", dataset]
    result = subprocess.run(words, capture_output=True, text=True, encoding="utf-8")
    issues = json.loads(result.stdout)["issues"]["issues"]
    return [issue for issue in issues if issue["severity"] == "error"]

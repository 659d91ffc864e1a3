"""The BIDS validator, as an independent judge of data sets."""

import json
import shutil
import subprocess
import sys
from pathlib import Path


def bids_errors(dataset):
    """Return what the validator calls an error."""
    validator = shutil.which("bids-validator-deno", path=Path(sys.executable).parent)
    assert validator, "bids-validator-deno is missing; the extra [test] has it"
    words = [validator, "--format", "json", dataset]
    result = subprocess.run(words, capture_output=True, text=True, encoding="utf-8")
    issues = json.loads(result.stdout)["issues"]["issues"]
    return [issue for issue in issues if issue["severity"] == "error"]

"""A short form of `benchmarks.decoders`: what a bad cable does to every format."""

import math
import os

import pytest

from benchmarks import decoders as campaign
from firmware_bridge.decoders.formats import FORMATS

SCANS = 8_000
SEED = 11
# Worst of the formats at a thousandth of the bytes: EMGT/1 loses whole packets of 20 scans.
LEAST_DELIVERED = {"emgt": 0.85, "cyton": 0.95}


@pytest.mark.parametrize("name", FORMATS)
def test_dropped_bytes(name):
    outcome = campaign.through_a_bad_cable(FORMATS[name], campaign.DROPS, SCANS, SEED)
    assert outcome.right > LEAST_DELIVERED.get(name, 0.975) * SCANS
    if name == "text":
        # A digit that is missing leaves a number; nothing in a line of numbers tells.
        assert outcome.wrong < 0.01 * SCANS
    else:
        assert outcome.wrong == 0
    assert outcome.misplaced == 0


@pytest.mark.parametrize("name", FORMATS)
def test_flipped_bits(name):
    outcome = campaign.through_a_bad_cable(FORMATS[name], campaign.FLIPS, SCANS, SEED)
    assert outcome.right > LEAST_DELIVERED.get(name, 0.975) * SCANS
    allowed = campaign.expected_wrong(FORMATS[name], SCANS)
    if allowed is None:
        assert outcome.wrong < 0.005 * SCANS
        assert outcome.misplaced < 0.001 * SCANS
    else:
        assert outcome.wrong <= allowed + 4 * math.sqrt(allowed)
        assert outcome.misplaced == 0


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals here")
@pytest.mark.parametrize("lump_ms", campaign.LUMPS_MS)
def test_chords_in_lumps_loses_nothing(lump_ms):
    # The host software of Chords keeps one scan of each read: a quarter of them at 16 ms.
    assert campaign.lost_in_lumps(lump_ms, 2_000) == 0


def test_ten_kilohertz_take_a_small_part_of_a_core():
    cost_us = campaign.microseconds_per_scan(FORMATS["byb"], 20_000)
    assert cost_us < 15


def test_the_page_tells_of_every_format():
    page = campaign.PAGE.read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in FORMATS)
    assert "Seed 2603" in page

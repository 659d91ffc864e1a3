"""Boards in software, opened like real ones, with faults on demand: `VirtualDevice`."""

from firmware_bridge.virtual.board import Stream
from firmware_bridge.virtual.device import VirtualDevice
from firmware_bridge.virtual.emgt import About

__all__ = ["About", "Stream", "VirtualDevice"]

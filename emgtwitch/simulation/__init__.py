"""Recordings with known truth: motor units, firing processes, nuisances, front ends."""

from emgtwitch.simulation.recording import Simulated, simulate_recording
from emgtwitch.simulation.scenario import Scenario
from emgtwitch.simulation.scenarios import SCENARIOS

__all__ = ["SCENARIOS", "Scenario", "Simulated", "simulate_recording"]

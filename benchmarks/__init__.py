"""Benchmarks of emgtwitch: accuracy, calibration, sensitivity, speed; against its peers."""

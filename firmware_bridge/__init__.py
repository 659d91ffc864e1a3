"""Both ends of the wire between a board with EMG sensors and a computer.

Nothing in here imports emgtwitch, so that it serves other recorders too.
"""

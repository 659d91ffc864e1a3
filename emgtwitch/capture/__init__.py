"""From a device to a recording: taking in blocks, judging the signal, marks, the status line."""

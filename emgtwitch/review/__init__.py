"""Review by a person: event tables shown in a window, and what was decided there."""

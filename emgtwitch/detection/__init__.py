"""The streaming detector of fasciculations, its stages, and what it returns."""

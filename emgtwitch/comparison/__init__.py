"""Compare twitch rates: left with right, and recordings with each other."""

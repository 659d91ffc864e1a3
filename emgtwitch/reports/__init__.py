"""Pictures of what was found, for people to judge it by."""

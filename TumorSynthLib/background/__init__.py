"""Synthesis in a process of its own, so that whoever draws the windows never waits for a network."""

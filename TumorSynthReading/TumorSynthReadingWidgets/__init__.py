"""The parts of the reading module: `panel` decides, `case_views` shows, `watching` counts, `keys` listens."""

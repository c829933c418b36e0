"""How every bundled weight is made. Uses TumorSynthLib; nothing in TumorSynthLib uses it."""

"""The parts of the TumorSynth panel."""

"""Lesions in a Slicer scene: spheres that can be dragged, overlays, undo. Needs slicer and vtk; knows no widgets."""

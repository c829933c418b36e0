"""How far synthetic lesions can be told from real ones: a measuring stick that cannot flatter.

Every measure is a pure function of real and synthetic `LesionPatches`; `study` runs all of them, with controls in the
same table, and `report` writes it down.
"""

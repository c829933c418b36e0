"""The chosen lesion: structure, shells, center, seed, and appearance."""

import qt
from slicer.i18n import tr as _

from TumorSynthLib.errors import InputError
from TumorSynthLib.parameters import Appearance, ranges
from TumorSynthLib.scene import host_volume
from TumorSynthLib.scene.nesting import with_radius
from TumorSynthLib.spheres import MAX_RADIUS_MM
from TumorSynthWidgets.rows import SliderRows

FREE = "free"
MOST_SHELLS = 6
STRUCTURE_LABELS = {
    "solid": "Solid: bright throughout",
    "ring": "Ring-enhancing: bright rim, dark core",
    "heterogeneous": "Heterogeneous: patchy",
    FREE: "Free: a grey value for each shell",
}
APPEARANCE_LABELS = {
    "contrast": "Contrast:",
    "smoothing_mm": "Smoothing:",
    "blend_width_mm": "Soft edge:",
    "mass_effect": "Mass effect:",
    "oedema": "Edema:",
    "oedema_extent": "Edema reach:",
}
AXES = (("R", "to the patient's right"), ("A", "to the front"), ("S", "upwards"))


class LesionPanel:
    """Follows the editor's chosen lesion, and changes it."""

    def __init__(self, ui, editor, onSliding):
        self.ui, self.editor, self.onSliding = ui, editor, onSliding
        for name, label in STRUCTURE_LABELS.items():
            ui.structureBox.addItem(_(label), name)
        ui.structureBox.connect("activated(int)", self.onStructure)
        ui.variationButton.connect("clicked()", editor.new_variation)
        ui.seedEdit.connect("editingFinished()", self.onSeed)
        ui.seedEdit.setValidator(qt.QRegularExpressionValidator(qt.QRegularExpression("[0-9]{1,18}"), ui.seedEdit))
        ui.resetAppearanceButton.connect("clicked()", lambda: editor.change(appearance=Appearance()))
        self.shells = self._shellRows(ui.shellRows)
        self.center = self._centerRows(ui.centerRows)
        self.appearance = self._appearanceRows(ui.appearanceRows)

    def _shellRows(self, container):
        rows = SliderRows(container, self.onShell)
        for n in range(MOST_SHELLS):
            tip = _("Radius of this sphere. The outermost is the lesion's size; the others divide it into shells.")
            rows.add(f"radius{n}", "", 0.5, MAX_RADIUS_MM, 0.1, 1, "mm", tip)
        for n in range(MOST_SHELLS):
            tip = _("How bright this shell is, from 0.01 (darkest) to 1 (brightest).")
            rows.add(f"value{n}", "", 0.01, 1.0, 0.01, 2, "", tip)
        return rows

    def _centerRows(self, container):
        rows = SliderRows(container, self.onCenter)
        for axis, direction in AXES:
            tip = _("Where the lesion's center is, in millimeters {direction}.").format(direction=direction)
            rows.add(axis, f"{axis}:", -200, 200, 0.5, 1, "mm", tip)
        return rows

    def _appearanceRows(self, container):
        rows = SliderRows(container, self.onAppearance)
        limits = ranges()
        for name, label in APPEARANCE_LABELS.items():
            r = limits[name]
            tip = r.explanation[0].upper() + r.explanation[1:] + "."
            rows.add(name, _(label), r.low, r.high, 0.05 if r.high <= 3 else 0.1, 2, r.unit, tip)
        return rows

    # -- from the panel

    def onStructure(self, index):
        name = self.ui.structureBox.itemData(index)
        state = self.editor.chosen.state
        if name == FREE:
            self.editor.change(structure=None, values=state.spheres.resolved_structure.values)
        else:
            self.editor.change(structure=name, values=None)

    def onSeed(self):
        if self.ui.seedEdit.text and self.editor.chosen is not None:
            self.editor.change(seed=int(self.ui.seedEdit.text))

    def onShell(self, key, value):
        state = self.editor.chosen.state
        n = int(key[-1])
        if key.startswith("radius"):
            self._slide(radii_mm=with_radius(state.radii_mm, n, value))
            return
        values = list(state.spheres.resolved_structure.values)
        values[n] = value
        self._slide(structure=None, values=tuple(values))

    def onCenter(self, key, value):
        host = self.editor.case.host
        world = list(host_volume.to_world(host, self.editor.chosen.state.center_ras))
        world[[axis for axis, _direction in AXES].index(key)] = value
        self._slide(center_ras=tuple(float(c) for c in host_volume.to_host(host, world)))

    def onAppearance(self, key, value):
        appearance = self.editor.chosen.state.appearance
        fields = {name: getattr(appearance, name) for name in ranges()}
        self._slide(appearance=Appearance(**{**fields, key: value}))

    def _slide(self, **fields):
        try:
            self.editor.change(finished=False, **fields)
        except InputError as error:
            self.editor.complain(str(error))
        self.onSliding()

    # -- to the panel

    def update(self):
        chosen = self.editor.chosen
        for section in (self.ui.lesionSection, self.ui.appearanceSection):
            section.enabled = chosen is not None
        if chosen is None:
            self._nameShells(3, free=False)
            return
        state = chosen.state
        structure = state.spheres.resolved_structure
        shown = FREE if state.values is not None else structure.name
        self.ui.structureBox.setCurrentIndex(list(STRUCTURE_LABELS).index(shown))
        self._updateShells(state, structure.values, shown == FREE)
        self._updateCenter(state)
        self.appearance.fill({name: getattr(state.appearance, name) for name in ranges()})
        if not self.ui.seedEdit.hasFocus() or self.ui.seedEdit.text == "":
            self.ui.seedEdit.text = str(state.seed)

    def _updateShells(self, state, values, free):
        self._nameShells(len(state.radii_mm), free)
        self.shells.fill({f"radius{n}": r for n, r in enumerate(state.radii_mm)})
        self.shells.fill({f"value{n}": v for n, v in enumerate(values)})

    def _nameShells(self, count, free):
        names = ["Outer radius:", *[f"Radius {n + 1}:" for n in range(1, count - 1)], "Core radius:"]
        greys = ["Rim grey:", *[f"Grey {n + 1}:" for n in range(1, count - 1)], "Core grey:"]
        for n in range(count):
            self.shells.labels[f"radius{n}"].text = _(names[n])
            self.shells.labels[f"value{n}"].text = _(greys[n])
        shown = [f"radius{n}" for n in range(count)] + [f"value{n}" for n in range(count) if free]
        self.shells.setVisibleKeys(shown)

    def _updateCenter(self, state):
        host = self.editor.case.host
        bounds = [0.0] * 6
        host.GetRASBounds(bounds)
        world = host_volume.to_world(host, state.center_ras)
        for n, (axis, _direction) in enumerate(AXES):
            self.center.setRange(axis, bounds[2 * n], bounds[2 * n + 1])
        self.center.fill({axis: float(world[n]) for n, (axis, _direction) in enumerate(AXES)})

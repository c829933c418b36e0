"""The table of lesions in this brain."""

import qt
from slicer.i18n import tr as _

from TumorSynthLib.scene import host_volume

COLUMNS = (
    ("Show", "Whether this lesion's spheres and overlays are shown. It stays in the image."),
    ("Name", "Double-click to rename."),
    ("Center (RAS)", "Where its center of mass is, in millimeters to the right, front and top."),
    ("mm", "Diameter of the outermost sphere."),
    ("ml", "Volume of the lesion mask, measured on the image's voxels."),
    ("Structure", "Solid, ring-enhancing, heterogeneous, or free grey values."),
    ("Seed", "The number that decides its outline and texture."),
)
EYE, NAME, CENTER, DIAMETER, VOLUME, STRUCTURE, SEED = range(len(COLUMNS))


class LesionTable:
    def __init__(self, table, editor):
        self.table, self.editor = table, editor
        self._filling = False
        table.setColumnCount(len(COLUMNS))
        table.setHorizontalHeaderLabels([_(label) for label, _tip in COLUMNS])
        for n, (_label, tip) in enumerate(COLUMNS):
            table.horizontalHeaderItem(n).setToolTip(_(tip))
        table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
        table.setSelectionMode(qt.QAbstractItemView.SingleSelection)
        table.verticalHeader().setVisible(False)
        table.horizontalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        table.horizontalHeader().setStretchLastSection(True)
        table.setMinimumHeight(110)
        table.setMaximumHeight(180)
        table.connect("itemSelectionChanged()", self.onSelection)
        table.connect("cellChanged(int,int)", self.onCell)

    def onSelection(self):
        row = self.table.currentRow()
        if self._filling or not 0 <= row < len(self.editor.case.lesions):
            return
        handles = self.editor.case.lesions[row]
        if handles is not self.editor.chosen:
            self.editor.choose(handles, jump=True)

    def onCell(self, row, column):
        if self._filling:
            return
        handles = self.editor.case.lesions[row]
        item = self.table.item(row, column)
        if column == EYE:
            self.editor.change(handles, visible=item.checkState() == qt.Qt.Checked)
        elif column == NAME:
            self.editor.change(handles, name=item.text().strip() or handles.state.name)

    def update(self):
        lesions = self.editor.case.lesions if self.editor.case else []
        self._filling = True
        if self.table.rowCount != len(lesions):
            self.table.setRowCount(len(lesions))
        for row, handles in enumerate(lesions):
            self._fillRow(row, handles)
        chosen = lesions.index(self.editor.chosen) if self.editor.chosen in lesions else -1
        if chosen < 0:
            self.table.clearSelection()
        elif self.table.currentRow() != chosen or not self.table.selectedItems():
            self.table.selectRow(chosen)
        self._filling = False

    def _fillRow(self, row, handles):
        state = handles.state
        center = host_volume.to_world(self.editor.case.host, state.center_ras)
        texts = {
            NAME: state.name,
            CENTER: " ".join(f"{c:.1f}" for c in center),
            DIAMETER: f"{2 * state.radii_mm[0]:.1f}",
            VOLUME: self._volume(row, state),
            STRUCTURE: "free" if state.values is not None else state.spheres.resolved_structure.name,
            SEED: str(state.seed),
        }
        for column, text in texts.items():
            self._cell(row, column, column == NAME).setText(text)
        eye = self._cell(row, EYE, False)
        eye.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsUserCheckable | qt.Qt.ItemIsSelectable)
        eye.setCheckState(qt.Qt.Checked if state.visible else qt.Qt.Unchecked)

    def _cell(self, row, column, editable):
        item = self.table.item(row, column)
        if item is None:
            item = qt.QTableWidgetItem()
            flags = qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable
            item.setFlags(flags | qt.Qt.ItemIsEditable if editable else flags)
            self.table.setItem(row, column, item)
        return item

    def _volume(self, row, state):
        """Measured where there is a result of these spheres, otherwise as asked."""
        facts = self.editor.result.facts_of(row)
        milliliters = (facts.volume_mm3 if facts else state.spheres.volume_mm3) / 1000
        return f"{milliliters:.2f}"

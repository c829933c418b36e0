"""Rows of a label and a slider with its number box, made from the library's own ranges and explanations."""

import ctk
import qt


class SliderRows:
    """Sliders in a grid, by key. `onChanged(key, value)` is called for changes that a person makes."""

    def __init__(self, container, onChanged):
        self.container, self.onChanged = container, onChanged
        self.layout = qt.QGridLayout(container)
        self.layout.setContentsMargins(0, 0, 0, 0)
        self.labels, self.sliders = {}, {}
        self._filling = False

    def add(self, key, label, low, high, step, decimals, unit, toolTip):
        name = qt.QLabel(label)
        slider = ctk.ctkSliderWidget()
        slider.decimals = decimals
        slider.singleStep = step
        slider.pageStep = 5 * step
        slider.minimum, slider.maximum = low, high
        slider.suffix = f" {unit}" if unit else ""
        slider.objectName = f"{key}Slider"
        name.toolTip = slider.toolTip = toolTip
        row = len(self.sliders)
        self.layout.addWidget(name, row, 0)
        self.layout.addWidget(slider, row, 1)
        slider.connect("valueChanged(double)", lambda value: self._changed(key, value))
        self.labels[key], self.sliders[key] = name, slider

    def setVisibleKeys(self, keys):
        for key, slider in self.sliders.items():
            slider.visible = self.labels[key].visible = key in keys

    def fill(self, values):
        """Shows values without telling anyone."""
        self._filling = True
        for key, value in values.items():
            slider = self.sliders[key]
            if abs(slider.value - value) > 0.5 * 10**-slider.decimals:
                slider.value = value
        self._filling = False

    def setRange(self, key, low, high):
        self._filling = True
        slider = self.sliders[key]
        if (slider.minimum, slider.maximum) != (low, high):
            slider.minimum, slider.maximum = low, high
        self._filling = False

    def _changed(self, key, value):
        if not self._filling:
            self.onChanged(key, value)

# Made by `python tools/list_runtime_files.py`: run it after adding or removing a file.
set(MODULE_PYTHON_SCRIPTS
  TumorSynthReading.py
  TumorSynthReadingWidgets/__init__.py
  TumorSynthReadingWidgets/case_views.py
  TumorSynthReadingWidgets/keys.py
  TumorSynthReadingWidgets/layouts.py
  TumorSynthReadingWidgets/panel.py
  TumorSynthReadingWidgets/volumes.py
  TumorSynthReadingWidgets/watching.py
  )
set(MODULE_PYTHON_RESOURCES
  Resources/Icons/TumorSynthReading.png
  Resources/UI/TumorSynthReading.ui
  )

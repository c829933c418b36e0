# Made by `python tools/list_runtime_files.py`: run it after adding or removing a file.
set(MODULE_PYTHON_SCRIPTS
  TumorSynth.py
  TumorSynthWidgets/__init__.py
  TumorSynthWidgets/first_run.py
  TumorSynthWidgets/lesion_panel.py
  TumorSynthWidgets/lesion_table.py
  TumorSynthWidgets/panel.py
  TumorSynthWidgets/rows.py
  TumorSynthWidgets/trouble.py
  TumorSynthWidgets/views.py
  )
set(MODULE_PYTHON_RESOURCES
  Resources/Icons/TumorSynth.png
  Resources/Icons/TumorSynthSampleBrain.png
  Resources/UI/TumorSynth.ui
  )

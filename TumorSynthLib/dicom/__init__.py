"""DICOM in and out: a series as host, a case as a derived series with its segmentation.

Read from the top of the list down: `reading` and `case` are the doors.

- `case`: a case in a folder, `image_series`, `segmentation` and provenance together
- `image_series`, `segmentation`: what the derived files say of themselves and hold
- `stamp`: what all files of a case say; `quantities`: voxels as 16-bit integers and their rescale
- `attributes`: which attributes are copied, replaced or left out; `uids`: where identifiers come from
- `reading`: a host's voxels; `pixels`: one file's stored values
- `series`: which series; `stack`: its slices in order; `headers`: one slice's attributes; `library`: pydicom itself
"""

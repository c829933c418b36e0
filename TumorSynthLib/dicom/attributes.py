"""Which attributes of a source series go into a derived one: all that concerns identity is decided in this table.

What the table does not name is left out, private attributes first of all: a list of what may stay forgets nothing. The
actions follow the Basic Application Level Confidentiality Profile (DICOM PS3.15, table E.1-1). The pixels are not its
subject: a head with its face is recognizable, with or without a name.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from .uids import replaced, uid_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


class Action(Enum):
    """What happens to an attribute when identity is not kept. With identity kept, every one of them is copied."""

    COPY = "copied: says how the image was acquired"
    EMPTY = "left empty"
    STAND_IN = "replaced by a value that nobody takes for a real one"
    REMOVE = "left out"
    PSEUDONYM = "replaced by a name made from the study's new UID"
    REPLACE_UID = "replaced by another UID, the same for the same original"


_ACTIONS = {
    Action.PSEUDONYM: ("PatientName", "PatientID"),
    Action.REPLACE_UID: ("StudyInstanceUID", "FrameOfReferenceUID"),
    Action.EMPTY: (
        *("PatientBirthDate", "PatientSex", "AccessionNumber", "ReferringPhysicianName"),
        *("PositionReferenceIndicator",),
    ),
    # Empty ones are allowed, but without them no DICOMDIR can be made.
    Action.STAND_IN: ("StudyDate", "StudyTime", "StudyID", "BodyPartExamined"),
    Action.REMOVE: (
        *("PatientAge", "PatientSize", "PatientWeight", "PatientBirthTime", "IssuerOfPatientID"),
        *("EthnicGroup", "PatientComments", "AdditionalPatientHistory", "StudyDescription"),
        *("SeriesDate", "SeriesTime", "AcquisitionDate", "AcquisitionTime", "ContentDate", "ContentTime"),
        *("ProtocolName", "SequenceName", "OperatorsName", "PerformingPhysicianName"),
        *("InstitutionName", "InstitutionAddress", "InstitutionalDepartmentName", "StationName"),
        *("DeviceSerialNumber", "SoftwareVersions", "ReceiveCoilName", "TransmitCoilName", "ContrastBolusAgent"),
    ),
    Action.COPY: (
        *("Manufacturer", "ManufacturerModelName", "MagneticFieldStrength", "PatientPosition", "AcquisitionNumber"),
        *("ScanningSequence", "SequenceVariant", "ScanOptions", "MRAcquisitionType", "AngioFlag"),
        *("RepetitionTime", "EchoTime", "EchoTrainLength", "InversionTime", "TriggerTime", "EchoNumbers"),
        *("NumberOfAverages", "ImagingFrequency", "ImagedNucleus", "FlipAngle", "VariableFlipAngleFlag", "SAR", "dBdt"),
        *("PixelBandwidth", "PercentSampling", "PercentPhaseFieldOfView", "NumberOfPhaseEncodingSteps"),
        *("AcquisitionMatrix", "InPlanePhaseEncodingDirection"),
        *("SliceThickness", "SpacingBetweenSlices", "SliceLocation", "PixelSpacing"),
        *("ImagePositionPatient", "ImageOrientationPatient", "WindowCenter", "WindowWidth", "VOILUTFunction"),
        *("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"),
    ),
}
ATTRIBUTES: dict[str, Action] = {keyword: action for action, keywords in _ACTIONS.items() for keyword in keywords}

# Attributes that a file must have, if only empty, where the source does not name them.
_ALWAYS_PRESENT = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime"),
    *("AccessionNumber", "StudyID", "ReferringPhysicianName", "FrameOfReferenceUID", "PositionReferenceIndicator"),
    *("Manufacturer", "ScanOptions", "MRAcquisitionType", "RepetitionTime", "EchoTime", "EchoTrainLength"),
    *("PatientPosition",),
)
# A date that nobody takes for a real one, where the standard insists on one.
NO_DATE, NO_TIME = "19000101", "000000"
_STAND_INS = {"StudyDate": NO_DATE, "StudyTime": NO_TIME, "StudyID": "SYNTHETIC", "BodyPartExamined": "BRAIN"}


def carried_over(source: Dataset, keep_identity: bool) -> Dataset:
    """What a derived image takes over from one slice of its source."""
    from pydicom.dataset import Dataset

    derived = Dataset()
    for keyword, action in ATTRIBUTES.items():
        if keyword in source and (keep_identity or action is Action.COPY):
            _copy(source, keyword, derived)
    for keyword in _ALWAYS_PRESENT:
        if keyword not in derived:
            setattr(derived, keyword, None)
    for keyword, nothing in (("ScanningSequence", "RM"), ("SequenceVariant", "NONE")):  # research mode: not known
        if not derived.get(keyword):
            setattr(derived, keyword, nothing)
    if "InversionTime" in derived and "IR" not in derived.ScanningSequence:
        del derived.InversionTime  # allowed with inversion recovery only
    if not keep_identity:
        _replace(source, derived)
    return derived


def _copy(source: Dataset, keyword: str, derived: Dataset) -> None:
    """A value as the standard wants it, or none: scanners also write what no reader would accept back."""
    from pydicom.datadict import dictionary_VR
    from pydicom.multival import MultiValue
    from pydicom.valuerep import validate_value

    kind = dictionary_VR(keyword)
    try:
        value = source[keyword].value
        values = list(value) if isinstance(value, MultiValue) else [value] if value not in (None, "") else []
        values = [decimal(each) if kind == "DS" else str(each) if kind == "IS" else each for each in values]
        for each in values:
            validate_value(kind, each, 2)  # 2: an invalid value is an error
    except (TypeError, ValueError, OverflowError):
        return
    setattr(derived, keyword, values if len(values) != 1 else values[0])


def decimal(number: object) -> str:
    """A decimal string as written, if short enough, else with all the digits that fit into its 16 characters."""
    from pydicom.valuerep import format_number_as_ds

    written = getattr(number, "original_string", "")
    return written.strip() if 0 < len(written) <= 16 else format_number_as_ds(float(number))


def _replace(source: Dataset, derived: Dataset) -> None:
    study = replaced(str(source.get("StudyInstanceUID") or "unknown study"))
    derived.StudyInstanceUID = study
    frame = source.get("FrameOfReferenceUID")
    derived.FrameOfReferenceUID = replaced(str(frame)) if frame else uid_of("frame of reference", study)
    # Not from the patient's name or number, of which there are few enough to try them all out.
    number = f"{int(study.split('.')[-1]) % 16**8:08X}"
    derived.PatientName, derived.PatientID = f"SYNTHETIC^{number}", f"SYNTHETIC-{number}"
    for keyword, stand_in in _STAND_INS.items():
        setattr(derived, keyword, stand_in)


def code(value: str, scheme: str, meaning: str) -> Dataset:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item

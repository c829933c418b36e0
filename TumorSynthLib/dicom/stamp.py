"""What every file of one case says of itself: synthetic, derived, by whom, from what, and whose it is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from TumorSynthLib import __version__
from TumorSynthLib.provenance import TOOL

from .attributes import NO_DATE, NO_TIME, code
from .uids import uid_of

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SYNTHETIC = "SYNTHETIC"
LONGEST_TEXT = 64
IMPLEMENTATION_UID = uid_of("implementation")
_SEEDS_TOLD = 20
_PROFILE = f"{TOOL} {__version__}: Basic Profile, only listed attributes copied"


@dataclass(frozen=True)
class Stamp:
    """One case as its files name it. `key` is different for every two cases that differ in anything that is written."""

    key: str
    derivation: str
    keep_identity: bool
    has_source: bool

    @classmethod
    def of(cls, record: Mapping[str, Any], keep_identity: bool, source_uid: str | None) -> Stamp:
        lesions = record["lesions"]
        seeds = ", ".join(str(lesion["seed"]) for lesion in lesions[:_SEEDS_TOLD])
        seeds += ", ..." if len(lesions) > _SEEDS_TOLD else ""
        what = f"{len(lesions)} computer-generated lesion{'s' if len(lesions) > 1 else ''}"
        derivation = (
            f"{SYNTHETIC}: {what} put into an image by {TOOL} {__version__}, networks '{record['bundle']['name']}',"
            f" seed {seeds}. No finding of a patient; not for diagnosis."
        )
        made_from = {key: record[key] for key in ("lesions", "outputs")}
        made_from |= {key: record[key]["checksum"] for key in ("host", "bundle")}
        key = uid_of(made_from, record["tool"].get("code"), keep_identity, source_uid)
        return cls(key, derivation, keep_identity, source_uid is not None)

    def uid(self, *parts: object) -> str:
        return uid_of(self.key, *parts)

    def mark(self, dataset: Dataset) -> None:
        """What all files of a case have in common, image or not."""
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.SyntheticData = "YES"
        dataset.ContributingEquipmentSequence = [_equipment(self.derivation)]
        for keyword, nothing in (("ContentDate", NO_DATE), ("ContentTime", NO_TIME)):
            if not dataset.get(keyword):
                setattr(dataset, keyword, nothing)
        if not self.keep_identity:
            _say_that_identity_is_gone(dataset, self.has_source)

    def mark_image(self, dataset: Dataset) -> None:
        self.mark(dataset)
        dataset.ImageType = ["DERIVED", "SECONDARY", "OTHER", SYNTHETIC]
        dataset.DerivationDescription = self.derivation
        # The standard's own list of derivations knows no synthesis, and may be extended.
        dataset.DerivationCodeSequence = [code("SYNTHLESION", "99TUMORSYNTH", "Synthetic lesion insertion")]
        dataset.ImageComments = f"{SYNTHETIC}: contains computer-generated lesions; not for diagnosis"
        dataset.BurnedInAnnotation = "NO"

    def titled(self, what: str, source: Dataset) -> str:
        """A series description; the source's own is free text, where names are found too."""
        title = f"{SYNTHETIC} {what}"
        original = str(source.get("SeriesDescription") or "") if self.keep_identity else ""
        return (f"{title}: {original}" if original else title)[:LONGEST_TEXT].strip()


def _equipment(what: str) -> Dataset:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.Manufacturer = item.ManufacturerModelName = TOOL
    item.SoftwareVersions = __version__
    item.ContributionDescription = what
    item.PurposeOfReferenceCodeSequence = [code("109102", "DCM", "Processing Equipment")]
    return item


def _say_that_identity_is_gone(dataset: Dataset, has_source: bool) -> None:
    dataset.PatientIdentityRemoved = "YES"
    dataset.LongitudinalTemporalInformationModified = "REMOVED"
    if has_source:
        dataset.DeidentificationMethod = _PROFILE
        item = code("113100", "DCM", "Basic Application Confidentiality Profile")
        dataset.DeidentificationMethodCodeSequence = [item]
    else:
        dataset.DeidentificationMethod = "No identity was known: name and UIDs are made up"

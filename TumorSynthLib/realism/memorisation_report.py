"""An audit as numbers (JSON) and as a page for people (HTML)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..reading.document import Caution, Document, Heading, Paragraph, Picture
from ..reading.report_folder import check_report_folder, report_folder
from ..reading.web_page import web_page
from .memorisation import FALSE_ALARMS, FEWEST_SPOTS, Audit
from .patches import LesionPatches

if TYPE_CHECKING:
    from matplotlib.figure import Figure

JSON, PAGE = "audit.json", "audit.html"
FILES = (JSON, PAGE)
NEAREST_SHOWN = 8
WEAK_POWER = 0.8
# Pixels of a slice, 1 mm each; the last class is open.
SIZE_EDGES = (0, 150, 300, 600, 1000, 10**9)

RULE = (
    "Every synthetic lesion is laid over every record (a real lesion that was learned from) in any turn, mirrored,"
    " shifted and scaled, and the patterns inside are correlated, free of brightness and shading; features that need no"
    " laying over are compared as well. The same is done for real lesions against the records of other patients:"
    " lesions that have nothing to do with each other. Likeness is that to the nearest record as a multiple of that to"
    " the next ones of other patients: of a copy, one record alone stands out. The upper fifth of the real lesions,"
    " continued by an exponential law, says how far one stands out where nobody copied. What stands out farther, and"
    f" farther than in any unrelated real pair, is flagged. The limit is set so that {FALSE_ALARMS:g} false flags are"
    " to be expected in the whole audit."
)


def facts_of(audit: Audit, synthetic: LesionPatches, records: LesionPatches) -> dict[str, Any]:
    found = audit.synthetic
    return {
        "synthetic": len(synthetic),
        "records": audit.records,
        "flagged": len(audit.flagged),
        "judged": int(found.judged.sum()),
        "not_judged": int((~found.judged).sum()),
        "power": {
            "planted": len(audit.changes),
            "found": round(audit.power, 4),
            "found_of_judged": None if np.isnan(audit.power_of_judged) else round(audit.power_of_judged, 4),
            "traced_to_their_record": round(audit.traced, 4),
            "by_size": power_by_size(audit, synthetic),
        },
        "expected_false_flags": FALSE_ALARMS,
        "real_lesions_compared": audit.real_compared,
        "real_pairs_set_aside": {name: len(limit.set_aside) for name, limit in audit.limits.items()},
        "pairs_flagged": [pair_of(audit, row, synthetic, records) for row in audit.flagged.tolist()],
        "nearest": [pair_of(audit, row, synthetic, records) for row in nearest_rows(audit)],
        "rule": RULE,
    }


def nearest_rows(audit: Audit) -> list[int]:
    """The likest pairs, flagged or not, likest first."""
    excess = np.where(audit.synthetic.judged, _excess(audit), -np.inf)
    return np.argsort(-excess, kind="stable")[: min(NEAREST_SHOWN, int(audit.synthetic.judged.sum()))].tolist()


def _excess(audit: Audit) -> np.ndarray:
    return np.maximum(audit.synthetic.by_pattern.excess, audit.synthetic.by_features.excess)


def pair_of(audit: Audit, row: int, synthetic: LesionPatches, records: LesionPatches) -> dict[str, Any]:
    found = audit.synthetic
    facts: dict[str, Any] = {"synthetic": str(synthetic.named(row)), "pixels": int(synthetic.size[row])}
    for name, route in (("pattern", found.by_pattern), ("features", found.by_features)):
        facts[name] = {
            "record": str(records.named(int(route.record[row]))),
            "likeness": round(float(route.likeness[row]), 3),
            "p": float(f"{route.p_value[row]:.2g}"),
            "flagged": bool(route.flagged[row] and found.judged[row]),
        }
    return {**facts, "correlation": round(float(found.correlation[row]), 3)}


def document_of(audit: Audit, synthetic: LesionPatches, records: LesionPatches) -> Document:
    facts = facts_of(audit, synthetic, records)
    page = Document("Memorisation audit", f"{len(synthetic)} synthetic lesion slices against {audit.records} records")
    page.add(Paragraph(verdict(audit)), *_cautions(audit), Heading("The rule"), Paragraph(RULE))
    page.add(Heading("What this audit can find"), Paragraph(_power_in_words(audit)))
    page.table("Planted copies by the size of the lesion", _SIZE_COLUMNS, _size_rows(audit, synthetic))
    page.add(Heading("Flagged" if len(audit.flagged) else "The likest pairs, none of them beyond the limit"))
    rows = audit.flagged.tolist() or nearest_rows(audit)
    pairs = [pair_of(audit, row, synthetic, records) for row in rows]
    columns = ("synthetic", "record by pattern", "record by features", "correlation", "p, pattern", "p, features")
    page.table("p: chance of so much likeness to the nearest of unrelated records", columns, _rows(pairs), texts=3)
    if rows:
        page.add(Picture("pairs", pairs_figure(audit, rows[:NEAREST_SHOWN], synthetic, records), _CAPTION))
    page.add(Heading("How alike unrelated lesions are"))
    page.add(Picture("limits", limits_figure(audit), "Likeness of nearest records, for the spots of each lesion."))
    if any(facts["real_pairs_set_aside"].values()):
        page.add(Paragraph(_ASIDE.format(max(facts["real_pairs_set_aside"].values()))))
    return page


_CAPTION = "Synthetic lesions, each above the record nearest by pattern, turned and scaled as it fits best."
_ASIDE = (
    "{} real lesions were so like one of a patient counted as another that they are likely the same patient's; they "
    "were set aside when the limit was fitted."
)


def verdict(audit: Audit) -> str:
    judged, count = int(audit.synthetic.judged.sum()), len(audit.flagged)
    told = "none repeats a record" if not count else f"{count} repeat a record" if count > 1 else "1 repeats a record"
    return (
        f"Of {judged} synthetic lesions that can be judged, {told}. Of {len(audit.changes)} copies planted among them,"
        f" {100 * audit.power:.0f} % were found. {len(audit.synthetic.judged) - judged} are too small or plain."
    )


def _cautions(audit: Audit) -> list[Caution]:
    if audit.power >= WEAK_POWER:
        return []
    return [Caution(f"Only {100 * audit.power:.0f} % of planted copies were found: none flagged means little here.")]


def _power_in_words(audit: Audit) -> str:
    judged = audit.copies.judged
    of_judged = f" ({100 * audit.power_of_judged:.0f} % of those that can be judged)" if judged.any() else ""
    return (
        f"{len(audit.changes)} records as large as the synthetic lesions were copied among them, each turned, mirrored,"
        " shifted by up to 3 pixels, scaled by up to 10 %, brightened or darkened, made noisier, softened at its edge"
        f" and mixed with up to 20 % of another lesion, by chance. {100 * audit.power:.0f} % were flagged{of_judged};"
        f" for {100 * audit.traced:.0f} % the nearest record by pattern was the one copied. A lesion of fewer than"
        f" {FEWEST_SPOTS:g} independent spots cannot be judged."
    )


def power_by_size(audit: Audit, synthetic: LesionPatches) -> list[dict[str, Any]]:
    """What would be found among small and large lesions, and how many synthetic ones there are of each."""
    found = []
    for low, below in zip(SIZE_EDGES, SIZE_EDGES[1:], strict=False):
        copies = (audit.copied_pixels >= low) & (audit.copied_pixels < below)
        own = (synthetic.size >= low) & (synthetic.size < below)
        if copies.any() or own.any():
            found.append(
                {
                    "pixels": f"{low} and more" if below == SIZE_EDGES[-1] else f"{low} to {below - 1}",
                    "synthetic": int(own.sum()),
                    "synthetic_judged": int((own & audit.synthetic.judged).sum()),
                    "planted": int(copies.sum()),
                    "planted_judged": int((copies & audit.copies.judged).sum()),
                    "found": int((copies & audit.copies.flagged).sum()),
                }
            )
    return found


_SIZE_COLUMNS = ("pixels", "synthetic", "of them judged", "planted", "of them judged", "found")


def _size_rows(audit: Audit, synthetic: LesionPatches) -> list[tuple[str, ...]]:
    return [tuple(str(value) for value in each.values()) for each in power_by_size(audit, synthetic)]


def _rows(pairs: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    return [
        (
            pair["synthetic"],
            pair["pattern"]["record"],
            pair["features"]["record"],
            f"{pair['correlation']:.2f}",
            f"{pair['pattern']['p']:.2g}",
            f"{pair['features']['p']:.2g}",
        )
        for pair in pairs
    ]


def pairs_figure(audit: Audit, rows: list[int], synthetic: LesionPatches, records: LesionPatches) -> Figure:
    from matplotlib.figure import Figure

    from .likeness import laid_over

    figure = Figure(figsize=(1.15 * len(rows) + 0.4, 2.7), layout="constrained")
    axes = figure.subplots(2, len(rows), squeeze=False)
    for column, row in enumerate(rows):
        record = int(audit.synthetic.by_pattern.record[row])
        upper, lower = laid_over(synthetic.select([row]), records.select([record]), audit.synthetic.pose[row])
        for each, picture in ((axes[0, column], upper), (axes[1, column], lower)):
            each.imshow(picture, cmap="gray", vmin=0, vmax=2.2)
            each.set_axis_off()
    return figure


def limits_figure(audit: Audit) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.0), layout="constrained")
    for axes, name, found, copies in zip(
        figure.subplots(1, 2),
        ("pattern", "features"),
        (audit.synthetic.by_pattern, audit.synthetic.by_features),
        (audit.copies.by_pattern, audit.copies.by_features),
        strict=True,
    ):
        parts = (
            ("planted copies", copies, audit.copies.judged, "#d55e00"),
            ("synthetic", found, audit.synthetic.judged, "#0072b2"),
        )
        for label, route, judged, colour in parts:
            if judged.any():
                axes.hist(
                    route.excess[judged], 30, density=True, histtype="step", color=colour, label=label, linewidth=1.6
                )
        axes.axvline(0, color="#1c2733", linewidth=1, linestyle=(0, (4, 3)))
        axes.set_xlabel(f"log likeness by {name}; 0 is the limit", fontsize=9)
        axes.set_yticks([])
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    return figure


def write_audit(folder: Path, audit: Audit, synthetic: LesionPatches, records: LesionPatches) -> list[Path]:
    check_report_folder(folder, FILES)
    with report_folder(folder) as draft:
        numbers = json.dumps(facts_of(audit, synthetic, records), indent=1)
        (draft / JSON).write_text(numbers + "\n", encoding="utf-8")
        (draft / PAGE).write_text(web_page(document_of(audit, synthetic, records)), encoding="utf-8")
    return [folder / name for name in FILES]

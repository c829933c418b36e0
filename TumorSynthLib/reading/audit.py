"""The blinding check: can a classifier tell real from synthetic by everything but the lesion?"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .protocol import CASES, BlindingCheck, Protocol
from .statistics.roc import Auc, auc_with_delong, with_interval
from .surroundings import GROUPS, features_of, with_ranks
from .tasks import REAL, SYNTHETIC
from .truth import CaseTruth, mask_path, read_truth

FEWEST_A_GROUP = 8
# DeLong's standard error takes scores as given; those of classifiers that share their training cases scatter more. In
# simulations with nothing to find, 32 to 80 cases, intervals this much wider miss 0.5 in about 5 %.
WIDER = 1.3
FOLDS, ROUNDS, MOST_TELLING, DEPTH = 5, 4, 6, 2


def audit_blinding(study: str | Path, seed: int = 0) -> BlindingCheck:
    """The check of a study on disk. It opens the truth key: it is for the study leader, before anybody reads."""
    study = Path(study)
    protocol = Protocol.read(study)
    return check_blinding(study, protocol, read_truth(study, protocol), seed)


def check_blinding(study: Path, protocol: Protocol, truth: Mapping[str, CaseTruth], seed: int = 0) -> BlindingCheck:
    """The check with the truth at hand. Repeats are left out: they would be in both halves of every split."""
    images = [
        (case, place, shown)
        for case, entry in sorted(truth.items())
        if entry.repeat_of is None
        for place, shown in enumerate(entry.images)
        if shown.origin in (REAL, SYNTHETIC)
    ]
    is_synthetic = np.array([shown.origin == SYNTHETIC for _, _, shown in images])
    fewest = min(is_synthetic.sum(), (~is_synthetic).sum())
    if fewest < FEWEST_A_GROUP:
        return BlindingCheck(None, None, None, note=f"fewer than {FEWEST_A_GROUP} cases of a kind")
    features = []
    for case, place, shown in images:
        file = protocol.cases[case][place]
        positions = [_position(reader.order, case) for reader in protocol.readers]
        mask = _mask_of(study, shown)
        features.append(features_of(study / CASES / file.name, mask, shown.diameter_mm, positions))
    tables = with_ranks(features)
    by_group = {group: round(tells(tables[group], is_synthetic, seed).auc, 3) for group in GROUPS}
    whole = tells(np.hstack([tables[group] for group in GROUPS]), is_synthetic, seed)
    return BlindingCheck(round(whole.auc, 3), round(whole.low, 3), round(whole.high, 3), by_group)


def _position(order: Sequence[str], case: str) -> int:
    return order.index(case) if case in order else -1


def _mask_of(study: Path, shown: object) -> np.ndarray:
    from ..volume_files import read_volume

    return read_volume(mask_path(study, shown)).voxels  # type: ignore[arg-type]


def tells(table: np.ndarray, is_synthetic: np.ndarray, seed: int) -> Auc:
    """AUC of predictions for cases that the classifier was not trained on."""
    varies = np.ptp(table, axis=0) > 0
    if not varies.any():  # the same for every case: nothing to learn from
        return Auc(0.5, 0.5, 0.5, 0.0)
    # Scaled first: trees compute in single precision, in which two times a second apart are the same.
    scaled = (table[:, varies] - table[:, varies].mean(axis=0)) / table[:, varies].std(axis=0)
    found = auc_with_delong(_out_of_fold(scaled, is_synthetic, seed), is_synthetic)
    fewest = int(min(is_synthetic.sum(), (~is_synthetic).sum()))
    return with_interval(found.auc, WIDER * found.standard_error, fewest)


def _out_of_fold(table: np.ndarray, is_synthetic: np.ndarray, seed: int) -> np.ndarray:
    """How synthetic each case looks to classifiers trained without it: one that is linear in the most telling numbers,
    and one that finds any threshold.

    By rank within its fold: what fold a case fell into shifts its probability against its own kind, and would make
    chance look worse than chance.
    """
    from scipy.stats import rankdata
    from sklearn.model_selection import StratifiedKFold

    folds = min(FOLDS, int(is_synthetic.sum()), int((~is_synthetic).sum()))
    total = np.zeros(len(table))
    for number in range(ROUNDS):
        split = StratifiedKFold(folds, shuffle=True, random_state=seed + number)
        for train, test in split.split(table, is_synthetic):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of numbers that are constant among these, or within each kind
                looks = sum(
                    classifier.fit(table[train], is_synthetic[train]).predict_proba(table[test])[:, 1]
                    for classifier in _classifiers(table.shape[1], seed + number)
                )
            total[test] += (rankdata(looks) - 0.5) / len(test)
    return total


def _classifiers(columns: int, seed: int) -> tuple[Any, ...]:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.feature_selection import SelectKBest
    from sklearn.pipeline import make_pipeline
    from sklearn.tree import DecisionTreeClassifier

    telling = SelectKBest(k=min(MOST_TELLING, columns))
    linear = make_pipeline(telling, LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"))
    return linear, DecisionTreeClassifier(max_depth=DEPTH, min_samples_leaf=2, random_state=seed)

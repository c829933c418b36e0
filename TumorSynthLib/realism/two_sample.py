"""The classifier two-sample test: how well judges that were trained on other patients tell synthetic lesions from real.

After Lopez-Paz and Oquab 2017 (arXiv 1610.06545). An area under the curve of 0.5 means that the judges saw no
difference, which says as much about the judges as about the lesions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from ..errors import InputError
from ..reading.statistics.roc import Auc, placements, with_interval
from .features import FEATURES, columns, features_of
from .network_judge import EPOCHS, log_odds, shown, visible
from .patches import LesionPatches

MOST_FOLDS = 5
BLOCKS_PER_FOLD = 2
FEWEST_LESIONS = 10
# Features are judged so many times over, with patients in other folds: one assignment alone moves the area by .01.
ROUNDS = 3
DRAWS = 2000
# Drawing lesions anew leaves out that judges trained on others would be others: where there was nothing to find, areas
# scattered 1.26 to 1.42 times as far as their standard errors said (simulated tables, and halves of real patients).
WIDENED = 1.4
TELLING = 10
TREES = 120
# Trains on the first two, of other patients, and gives the log-odds of "synthetic" for the rows of the third.
Judge = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class TwoSampleResult:
    """`auc` with its 95 % interval over blocks; out-of-fold scores, higher for "synthetic", in the order of the lesions
    that were given. `telling` has the features that tell most by themselves (above 0.5: higher in synthetic ones), and
    `judges` the area of each judge by itself."""

    auc: float
    low: float
    high: float
    scores_real: np.ndarray
    scores_synthetic: np.ndarray
    method: str
    telling: tuple[tuple[str, float], ...] = ()
    judges: tuple[tuple[str, float], ...] = ()


def feature_test(
    real: LesionPatches,
    synthetic: LesionPatches,
    groups: tuple[str, ...] = ("core", "edge", "shape"),
    seed: int = 0,
    rounds: int | None = None,
) -> TwoSampleResult:
    """By the features of these groups: logistic regression and gradient boosting."""
    check_comparable(real, synthetic)
    chosen = columns(*groups)
    names = tuple(FEATURES[column].name for column in chosen)
    tables = [features_of(patches)[:, chosen] for patches in (real, synthetic)]
    return table_test(tables[0], tables[1], real.block, synthetic.block, names, seed, rounds)


def table_test(
    real: np.ndarray,
    synthetic: np.ndarray,
    real_block: np.ndarray,
    synthetic_block: np.ndarray,
    names: tuple[str, ...],
    seed: int = 0,
    rounds: int | None = None,
) -> TwoSampleResult:
    """The same for features measured already: one row per lesion, one named column per feature.

    The headline is the area of both judges' mean rank: the larger of two areas would lie above 0.5 by chance alone.
    """
    from threadpoolctl import threadpool_limits

    trial = Trial.of(real_block, synthetic_block, np.concatenate([real, synthetic]), seed, rounds or ROUNDS)
    table = np.concatenate([real, synthetic])[trial.order]
    # Over so few lesions threads wait for each other longer than they compute.
    with threadpool_limits(1):
        votes = {
            "logistic regression": trial.out_of_fold(lambda *parts: _logistic(table, *parts)),
            "gradient boosting": trial.out_of_fold(lambda *parts: _boosting(table, seed, *parts)),
        }
    judges = tuple((name, trial.auc(scores)) for name, scores in votes.items())
    areas = [float(placements(column, trial.is_synthetic).mean()) for column in table.T]
    order = np.argsort(-np.abs(np.array(areas) - 0.5), kind="stable")[:TELLING]
    telling = tuple((names[column], areas[column]) for column in order)
    method = f"{len(names)} features, logistic regression and gradient boosting"
    return trial.result(np.mean(list(votes.values()), axis=0), method, seed, telling, judges)


def network_test(
    real: LesionPatches,
    synthetic: LesionPatches,
    region: str = "all",
    with_mask: bool = True,
    epochs: int = EPOCHS,
    seed: int = 0,
) -> TwoSampleResult:
    """By a small convolutional network, trained from nothing for every fold.

    `region`: "lesion" shows only what lies within 3 pixels of the mask, "surroundings" only what lies further away than
    4, "all" everything.
    """
    import torch

    check_comparable(real, synthetic)
    seen = visible(real, synthetic, region)
    content = np.concatenate([shown(*side, with_mask) for side in zip((real, synthetic), seen, strict=True)])
    axes = tuple(range(1, content.ndim))
    summary = np.stack([content.mean(axes), content.std(axes)], 1)
    trial = Trial.of(real.block, synthetic.block, summary, seed, rounds=1)
    tensor = torch.from_numpy(content[trial.order])
    scores = trial.out_of_fold(lambda *parts: log_odds(tensor, *parts, seed=seed, epochs=epochs))
    what = f"{region}, {'with' if with_mask else 'without'} the mask"
    return trial.result(scores, f"small convolutional network ({what})", seed)


def check_comparable(real: LesionPatches, synthetic: LesionPatches) -> None:
    if real.dimensions != synthetic.dimensions:
        raise InputError(
            f"real lesions have {real.dimensions} dimensions, synthetic ones {synthetic.dimensions}: the same is right"
        )


@dataclass(frozen=True, eq=False)
class Trial:
    """Who is judged by whom: several times over, each lesion in one fold of patients. Rows are sorted by what they
    hold, so that nothing depends on the order given."""

    order: np.ndarray
    is_synthetic: np.ndarray
    block: np.ndarray
    fold: np.ndarray

    @classmethod
    def of(
        cls, real_block: np.ndarray, synthetic_block: np.ndarray, content: np.ndarray, seed: int, rounds: int = ROUNDS
    ) -> Trial:
        from sklearn.model_selection import StratifiedGroupKFold

        folds = _number_of_folds(real_block, synthetic_block)
        block = np.concatenate([real_block, synthetic_block])
        is_synthetic = np.arange(len(block)) >= len(real_block)
        order = np.lexsort((*content.T[::-1], block, is_synthetic))
        block, is_synthetic = block[order], is_synthetic[order]
        fold = np.zeros((rounds, len(block)), int)
        for turn in range(rounds):
            split = StratifiedGroupKFold(folds, shuffle=True, random_state=rounds * seed + turn)
            for number, (_, tested) in enumerate(split.split(block, is_synthetic, block)):
                fold[turn, tested] = number
        return cls(order, is_synthetic, block, fold)

    @property
    def folds(self) -> int:
        return int(self.fold.max()) + 1

    @property
    def together(self) -> np.ndarray:
        """How many times each synthetic and each real lesion were judged by the same judge."""
        same = [fold[self.is_synthetic][:, None] == fold[~self.is_synthetic] for fold in self.fold]
        return np.sum(same, axis=0)

    def out_of_fold(self, judge: Judge) -> np.ndarray:
        """Ranks from 0 to 1 among the lesions of a fold, a row for each round: scores of judges that were trained on
        different patients are not comparable."""
        scores = np.zeros(self.fold.shape)
        for turn, fold in enumerate(self.fold):
            for number in range(self.folds):
                tested = fold == number
                trained = np.flatnonzero(~tested)
                found = judge(trained, self.is_synthetic[trained], np.flatnonzero(tested))
                scores[turn, tested] = (rankdata(found) - 0.5) / max(len(found), 1)
        return scores

    def wins(self, scores: np.ndarray) -> np.ndarray:
        """How many times each synthetic lesion was rated above each real one of its fold."""
        won = np.zeros(self.together.shape)
        for fold, given in zip(self.fold, scores, strict=True):
            for number in range(self.folds):
                tested = fold == number
                kinds = tested[self.is_synthetic], tested[~self.is_synthetic]
                won[np.ix_(*kinds)] += placements(given[tested], self.is_synthetic[tested])
        return won

    def auc(self, scores: np.ndarray) -> float:
        return float(self.wins(scores).sum() / self.together.sum())

    def result(
        self,
        scores: np.ndarray,
        method: str,
        seed: int,
        telling: tuple[tuple[str, float], ...] = (),
        judges: tuple[tuple[str, float], ...] = (),
    ) -> TwoSampleResult:
        area = block_bootstrap(self.wins(scores), self.together, self.is_synthetic, self.block, seed)
        given = np.empty(len(self.order))
        given[self.order] = scores.mean(0)
        number = int((~self.is_synthetic).sum())
        how = f"{method}, {self.folds} folds of patients"
        if len(self.fold) > 1:
            how += f", drawn {len(self.fold)} times"
        return TwoSampleResult(area.auc, area.low, area.high, given[:number], given[number:], how, telling, judges)


def _number_of_folds(real_block: np.ndarray, synthetic_block: np.ndarray) -> int:
    needed = 2 * BLOCKS_PER_FOLD
    for kind, block in (("real", real_block), ("synthetic", synthetic_block)):
        patients = len(np.unique(block))
        if len(block) < FEWEST_LESIONS:
            raise InputError(f"{len(block)} {kind} lesions: a two-sample test needs {FEWEST_LESIONS} or more")
        if patients < needed:
            raise InputError(
                f"{kind} lesions of {patients} patients (blocks): a two-sample test needs {needed} or more, "
                f"{BLOCKS_PER_FOLD} for each of two folds"
            )
    fewest = min(len(np.unique(block)) for block in (real_block, synthetic_block))
    return min(MOST_FOLDS, fewest // BLOCKS_PER_FOLD)


def _logistic(table: np.ndarray, trained: np.ndarray, is_synthetic: np.ndarray, tested: np.ndarray) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    judge = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    return judge.fit(table[trained], is_synthetic).decision_function(table[tested])


def _boosting(
    table: np.ndarray, seed: int, trained: np.ndarray, is_synthetic: np.ndarray, tested: np.ndarray
) -> np.ndarray:
    from sklearn.ensemble import HistGradientBoostingClassifier

    judge = HistGradientBoostingClassifier(
        max_iter=TREES,
        learning_rate=0.08,
        max_leaf_nodes=12,
        early_stopping=False,
        random_state=seed,
    )
    return judge.fit(table[trained], is_synthetic).decision_function(table[tested])


def block_bootstrap(
    wins: np.ndarray,
    pairs: np.ndarray,
    is_synthetic: np.ndarray,
    block: np.ndarray,
    seed: int,
    widened: float = WIDENED,
) -> Auc:
    """The area, `wins` over `pairs` of a synthetic and a real lesion, with its interval. Whole blocks are drawn anew:
    lesions of a patient are no independent witnesses."""
    names, member = np.unique(block, return_inverse=True)
    belongs = np.eye(len(names))[member]
    synthetic, real = belongs[is_synthetic], belongs[~is_synthetic]
    won, of = (synthetic.T @ table @ real for table in (wins, pairs))
    random = np.random.default_rng(seed)
    drawn = random.multinomial(len(names), np.full(len(names), 1 / len(names)), DRAWS)
    total, won_of_them = (((drawn @ table) * drawn).sum(1) for table in (of, won))
    error = float((won_of_them[total > 0] / total[total > 0]).std(ddof=1))
    return with_interval(float(wins.sum() / pairs.sum()), widened * error, len(names))

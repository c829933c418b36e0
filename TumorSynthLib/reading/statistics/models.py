"""How much more often synthetic cases are called synthetic, with answers to the same case kept together."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas

# Beyond this a coefficient means that one answer never occurred, not that it is known.
LARGEST_COEFFICIENT = 8.0


@dataclass(frozen=True)
class OddsRatio:
    """1 means that origin makes no difference. With `note`, and no numbers, where it cannot be estimated."""

    ratio: float | None
    low: float | None
    high: float | None
    p_value: float | None
    note: str = ""


@dataclass(frozen=True)
class Spread:
    """Standard deviation, on the logit scale, of readers' leanings and of cases; None where it cannot be estimated."""

    readers: float | None
    cases: float | None
    note: str = ""


def _none(note: str) -> OddsRatio:
    return OddsRatio(None, None, None, None, note)


def odds_ratio_by_gee(table: pandas.DataFrame) -> OddsRatio:
    """Generalised estimating equations: logit of "called synthetic" on origin, each case a cluster, readers as they
    are (fixed). `table`: columns called_synthetic and is_synthetic (0 or 1), case, reader."""
    import statsmodels.api as sm
    import statsmodels.formula.api as smf

    if len(table) < 10 or table.groupby("is_synthetic")["called_synthetic"].nunique().lt(2).any():
        return _none("one answer never occurred for one of the origins")
    formula = "called_synthetic ~ is_synthetic" + (" + C(reader)" if table["reader"].nunique() > 1 else "")
    structure = sm.cov_struct.Exchangeable() if table["reader"].nunique() > 1 else sm.cov_struct.Independence()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = smf.gee(formula, "case", table, family=sm.families.Binomial(), cov_struct=structure)
            # Few clusters make the plain sandwich too sure; Mancl and DeRouen's correction undoes that.
            result = model.fit(cov_type="bias_reduced")
    except (ValueError, ZeroDivisionError, np.linalg.LinAlgError):
        return _none("the model could not be fitted to these answers")
    estimate = float(result.params["is_synthetic"])
    low, high = (float(bound) for bound in result.conf_int().loc["is_synthetic"])
    if not np.isfinite((low, high)).all() or abs(estimate) > LARGEST_COEFFICIENT:
        return _none("the answers separate the origins so well that no finite ratio fits")
    return OddsRatio(*(float(np.exp(x)) for x in (estimate, low, high)), float(result.pvalues["is_synthetic"]))


def spread_by_mixed_model(table: pandas.DataFrame) -> Spread:
    """Logistic model with random readers and cases, by variational Bayes: how unlike readers and cases are.

    Its posterior intervals are too narrow to print, so it gives no test: the odds ratio comes from the model above.
    """
    from statsmodels.genmod.bayes_mixed_glm import BinomialBayesMixedGLM

    if table["reader"].nunique() < 2 or table["called_synthetic"].nunique() < 2:
        return Spread(None, None, "takes two readers or more")
    parts = {"reader": "0 + C(reader)", "case": "0 + C(case)"}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = BinomialBayesMixedGLM.from_formula("called_synthetic ~ is_synthetic", parts, table)
            size = model.k_fep + model.k_vcp + model.k_vc
            result = model.fit_vb(mean=np.zeros(size), sd=np.full(size, 0.6))  # else it starts at random
    except (ValueError, np.linalg.LinAlgError):
        return Spread(None, None, "the model could not be fitted to these answers")
    readers, cases = (float(np.exp(value)) for value in result.vcp_mean)
    return Spread(readers, cases)

"""Numbers as people read them."""

from __future__ import annotations


def percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %".replace(".0 %", " %")


def points(share: float) -> str:
    return f"± {100 * share:g} points"


def interval(bounds: tuple[float, float]) -> str:
    return f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f} %"


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def ratio(value: float | None) -> str:
    """Two digits that say something: 0.43, 1.3, 12."""
    return "-" if value is None else f"{value:.2g}" if value < 100 else f"{value:.0f}"


def p_value(value: float | None, name: str = "") -> str:
    """`name` puts "p = " in front."""
    if value is None:
        return "-"
    if value < 0.001:
        return f"{name} < 0.001".strip()
    return f"{name} = {value:.3f}" if name else f"{value:.3f}"

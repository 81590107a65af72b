"""One step of learning, token by token and number by number, with the gradients worked out by hand.

Nothing here knows how the package does it: the formulas are those of its documents.
"""

from __future__ import annotations

from typing import Any

import numpy as np

WINDOW, AUX = 0.2, 1 / 32


def chosen(kind: str, pre: np.ndarray, k: int, theta: np.ndarray | None) -> np.ndarray:
    """Which latents of which rows are active."""
    if kind == "jumprelu":
        return pre > theta
    active = np.zeros(pre.shape, bool)
    if kind == "topk":
        for row, own in enumerate(pre):
            for place in sorted(range(len(own)), key=lambda one: -own[one])[:k]:
                active[row, place] = own[place] > 0
        return active
    places = sorted(np.ndindex(*pre.shape), key=lambda one: -pre[one])
    for place in places[: k * len(pre)]:
        active[place] = pre[place] > 0
    return active


def gradients(
    kind: str, p: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray, k: int, dead: list[int],
    variance: float, shifts: bool,
) -> tuple[dict[str, np.ndarray], np.ndarray]:  # fmt: skip
    """Of each parameter, and the latents' values; x and y are scaled already."""
    theta = np.exp(p["log_threshold"]) if "log_threshold" in p else None
    n_rows, (d_in, n) = len(x), p["W_enc"].shape
    read = np.array([row - p["b_dec"] if shifts else row for row in x])
    pre = np.array(
        [
            [
                sum(read[r, i] * p["W_enc"][i, j] for i in range(d_in)) + p["b_enc"][j]
                for j in range(n)
            ]
            for r in range(n_rows)
        ]
    )
    active = chosen(kind, pre, k, theta)
    values = np.where(active, pre, 0.0)
    g = {name: np.zeros_like(one) for name, one in p.items()}
    d_pre, d_theta = np.zeros_like(pre), np.zeros(n)
    inside = None if theta is None else (abs(pre - theta) < WINDOW / 2) / WINDOW
    left = np.zeros_like(y)
    for r in range(n_rows):
        written = p["b_dec"].copy()
        for j in range(n):
            written += values[r, j] * p["W_dec"][j]
        if "skip" in p:
            written += x[r] @ p["skip"]
        left[r] = y[r] - written
        back = -2 * left[r] / (n_rows * variance)
        g["b_dec"] += back
        if "skip" in p:
            g["skip"] += np.outer(x[r], back)
        for j in range(n):
            g["W_dec"][j] += values[r, j] * back
            along = p["W_dec"][j] @ back
            d_pre[r, j] += along * active[r, j]
            if inside is not None:
                d_theta[j] -= theta[j] * along * inside[r, j]
    if inside is not None:
        off = active.sum() / (n_rows * k) - 1
        d_theta -= 2 * off / (n_rows * k) * inside.sum(0)
        g["log_threshold"] = d_theta * theta
    if dead:
        _revived(p, g, d_pre, pre, left, dead)
    for r in range(n_rows):
        g["W_enc"] += np.outer(read[r], d_pre[r])
        g["b_enc"] += d_pre[r]
        if shifts:
            g["b_dec"] -= p["W_enc"] @ d_pre[r]
    return g, values


def _revived(p: Any, g: Any, d_pre: Any, pre: Any, left: Any, dead: list[int]) -> None:
    whole, most = (left**2).sum(), min(len(dead), max(1, left.shape[1] // 2))
    for r in range(len(left)):
        best = [j for j in sorted(dead, key=lambda one: -pre[r, one])[:most] if pre[r, j] > 0]
        beyond = left[r] - sum((pre[r, j] * p["W_dec"][j] for j in best), np.zeros(left.shape[1]))
        back = -2 * AUX * beyond / whole
        for j in best:
            g["W_dec"][j] += pre[r, j] * back
            d_pre[r, j] += p["W_dec"][j] @ back


class Adam:
    """Kingma and Ba 2015, with the rate of a step given; decoder rows stay of length 1."""

    def __init__(self, p: dict[str, np.ndarray]) -> None:
        self.m = {name: np.zeros_like(one) for name, one in p.items()}
        self.v = {name: np.zeros_like(one) for name, one in p.items()}
        self.t = 0

    def step(self, p: dict[str, np.ndarray], g: dict[str, np.ndarray], rate: float) -> None:
        self.t += 1
        for name, one in p.items():
            grad = g[name].copy()
            if name == "W_dec":
                for j, row in enumerate(one):
                    grad[j] -= (grad[j] @ row) * row
            self.m[name] = 0.9 * self.m[name] + 0.1 * grad
            self.v[name] = 0.999 * self.v[name] + 0.001 * grad**2
            m, v = self.m[name] / (1 - 0.9**self.t), self.v[name] / (1 - 0.999**self.t)
            one -= rate * m / (np.sqrt(v) + 1e-8)
        for row in p["W_dec"]:
            row /= np.sqrt((row**2).sum())

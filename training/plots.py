"""The two plots that a person sees on a version's run in MLflow."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt

mpl.use("Agg")
from matplotlib import pyplot as plt  # the backend is chosen first: there is no screen

INK = "#1f2a44"
WARM = "#c8553d"


def importance(path: Path, gains: dict[str, float], title: str) -> None:
    """Draw each feature's share of the total gain, the 25 largest."""
    total = sum(gains.values()) or 1.0
    shown = sorted(gains.items(), key=lambda item: item[1])[-25:]
    figure, axes = plt.subplots(figsize=(8, 0.28 * len(shown) + 1.4), layout="constrained")
    axes.barh([name for name, _ in shown], [100 * gain / total for _, gain in shown], color=INK)
    axes.set_xlabel("share of total gain, %")
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def agreement(
    path: Path, label: npt.NDArray[np.float64], score: npt.NDArray[np.float64], title: str, unit: str
) -> None:
    """Draw the mean label over the mean score in twenty groups of equal size: a good model is on the diagonal."""
    order = np.argsort(score)
    groups = [g for g in np.array_split(order, 20) if len(g)]
    predicted = [float(score[g].mean()) for g in groups]
    observed = [float(label[g].mean()) for g in groups]
    figure, axes = plt.subplots(figsize=(6, 5), layout="constrained")
    ends = [min(predicted + observed), max(predicted + observed)]
    axes.plot(ends, ends, color="#999999", linewidth=1, linestyle="--", label="perfect")
    axes.plot(predicted, observed, marker="o", color=WARM, label="evaluation split, twenty equal groups")
    axes.set_xlabel(f"mean prediction{unit}")
    axes.set_ylabel(f"mean observed{unit}")
    axes.set_title(title)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    plt.close(figure)

"""A conditional tabular GAN without privacy that trains for thousands of epochs on few rows: a test double, no product.

The networks of CTGAN (Xu et al. 2019) for tables of codes: ordered columns are binned by their schema, so every column
is one of categories and none needs a mixture of Gaussians. Categories are those of the training rows, as there. Two
settings favour overfitting: the critic judges single rows, not packs of ten, and it has no dropout.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.attack_tables import Codes

EPOCHS = 3_000
"""All rows are one batch, so an epoch is one step of the critic and one of the generator."""

_NOISE, _WIDTH, _TEMPERATURE = 64, 128, 0.2
_PENALTY, _STEP_SIZE = 10.0, 1e-3


class _Generator(torch.nn.Module):
    """Noise and a condition to the cells of all columns: two residual layers, as in CTGAN."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self._sizes = list(sizes)
        width = _NOISE + sum(sizes)
        first, second = (
            torch.nn.Sequential(torch.nn.Linear(before, _WIDTH), torch.nn.BatchNorm1d(_WIDTH), torch.nn.ReLU())
            for before in (width, width + _WIDTH)
        )
        self._residual = torch.nn.ModuleList([first, second])
        self._last = torch.nn.Linear(width + 2 * _WIDTH, sum(sizes))

    def forward(self, condition: torch.Tensor) -> torch.Tensor:
        """Return the logits of all columns, shape (rows, cells)."""
        layer = torch.cat([torch.randn(len(condition), _NOISE), condition], dim=1)
        for residual in self._residual:
            layer = torch.cat([residual(layer), layer], dim=1)
        logits: torch.Tensor = self._last(layer)
        return logits

    def softened(self, logits: torch.Tensor) -> list[torch.Tensor]:
        """Return one tensor of nearly one-hot cells per column, shapes (rows, size)."""
        split = logits.split(self._sizes, dim=1)
        return [torch.nn.functional.gumbel_softmax(own, tau=_TEMPERATURE) for own in split]


class _Conditions:
    """Training-by-sampling: a column, one of its codes by the logarithm of its count, and a row that holds it."""

    def __init__(self, cells: NDArray[np.int64], sizes: Sequence[int], rng: np.random.Generator) -> None:
        """Take rows as cells numbered through all columns, shape (rows, columns)."""
        self._rng = rng
        self._counts = np.bincount(cells.ravel(), minlength=sum(sizes))
        weights = np.log1p(self._counts)
        column = np.repeat(np.arange(len(sizes)), sizes)
        self._chances = weights / np.bincount(column, weights)[column] / len(sizes)
        self._holders = np.argsort(cells.ravel(), kind="stable") // cells.shape[1]
        self._starts = np.cumsum(self._counts) - self._counts

    def drawn(self, count: int) -> tuple[torch.Tensor, NDArray[np.int64]]:
        """Return conditions, shape (count, cells), and for each the place of a row that meets it."""
        asked = self._rng.choice(len(self._chances), size=count, p=self._chances)
        which = (self._rng.random(count) * self._counts[asked]).astype(np.int64)
        condition = torch.zeros(count, len(self._chances))
        condition[torch.arange(count), torch.as_tensor(asked)] = 1
        return condition, self._holders[self._starts[asked] + which]


def overfitted_gan(rows: Codes, seed: int, epochs: int = EPOCHS) -> Codes:
    """Return as many rows from a GAN that was trained on these.

    Source: L. Xu et al., Modeling Tabular Data using Conditional GAN, NeurIPS 2019, section 4; I. Gulrajani et al.,
        Improved Training of Wasserstein GANs, NeurIPS 2017, algorithm 1, with one step of the critic each.
    """
    torch.manual_seed(seed)
    known = [np.unique(column, return_inverse=True) for column in rows.T]
    sizes = [len(levels) for levels, _ in known]
    starts = [0, *accumulate(sizes)][:-1]
    cells = np.stack([start + place for start, (_, place) in zip(starts, known, strict=True)], axis=1)
    real = torch.zeros(len(rows), sum(sizes)).scatter_(1, torch.as_tensor(cells), 1.0)
    conditions = _Conditions(cells, sizes, np.random.default_rng([seed, 10]))
    generator = _Generator(sizes)
    critic = torch.nn.Sequential(
        torch.nn.Linear(2 * sum(sizes), _WIDTH), torch.nn.LeakyReLU(0.2),
        torch.nn.Linear(_WIDTH, _WIDTH), torch.nn.LeakyReLU(0.2), torch.nn.Linear(_WIDTH, 1),
    )  # fmt: skip
    for_critic, for_generator = (
        torch.optim.Adam(network.parameters(), lr=_STEP_SIZE, betas=(0.5, 0.9)) for network in (critic, generator)
    )
    for _ in range(epochs):
        condition, holders = conditions.drawn(len(rows))
        with torch.no_grad():
            made = torch.cat([*generator.softened(generator(condition)), condition], dim=1)
        true = torch.cat([real[torch.as_tensor(holders)], condition], dim=1)
        for_critic.zero_grad()
        (critic(made).mean() - critic(true).mean() + _PENALTY * _slope_excess(critic, made, true)).backward()
        for_critic.step()
        condition, _ = conditions.drawn(len(rows))
        logits = generator(condition)
        softened = generator.softened(logits)
        split = torch.cat([torch.log_softmax(own, dim=1) for own in logits.split(sizes, dim=1)], dim=1)
        for_generator.zero_grad()
        judged = critic(torch.cat([*softened, condition], dim=1)).mean()
        (-(split * condition).sum(dim=1).mean() - judged).backward()
        for_generator.step()
    with torch.no_grad():
        condition, _ = conditions.drawn(len(rows))
        drawn = [own.argmax(dim=1).numpy() for own in generator.softened(generator(condition))]
    return np.stack([levels[code] for (levels, _), code in zip(known, drawn, strict=True)], axis=1).astype(np.int32)


def _slope_excess(critic: torch.nn.Module, made: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """Return how far the critic's slope between made and true rows is from one, squared."""
    between = torch.lerp(made, true, torch.rand(len(made), 1)).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return ((slope.norm(dim=1) - 1) ** 2).mean()

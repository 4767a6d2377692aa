"""What the attack suite says about generators with differential privacy, and about networks that memorise.

Run from the root of the project: `python -m benchmarks.attack_generators [--rows N] [--tables NAME ...] [--systems NAME
...] [--epsilons E ...] [--json FILE]`; a file that exists gets one more run. Members, controls and reference are those
of `benchmarks.attack_corpus`. Generators of the registry must not fail. `overfit`, a network with a code of its own for
every row, trained without noise until it repeats them, must fail, under the suite and under the gate. `overfit-ctgan`
is a GAN without privacy that trains for thousands of epochs on as few rows.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np

from benchmarks.attack_corpus import Outcome, People, add_run, judged
from benchmarks.attack_tables import ATTACK_TABLES, Codes, attack_table, missing_file
from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.curator import Curator
from dpsynth.generators.balanced_sample import balanced_sample
from dpsynth.generators.registry import GENERATORS, generator
from dpsynth.ledger import Ledger
from dpsynth.schema.schema import Schema
from dpsynth.schema.table import SyntheticTable

OVERFIT = "overfit"
"""Stands for the network that memorises among the names of systems."""

OVERFIT_GAN = "overfit-ctgan"
"""Stands for the overfitted GAN."""

SYSTEMS = ("aim", "mwem", "mst", "mixture", "independent", "pategan", "dpctgan", OVERFIT, OVERFIT_GAN)
OF_SMALL_DOMAINS = "all_marginals"
"""Holds every combination of values, so that it is tried only where asked for by name."""

OVERFIT_ROWS = 300
"""Few enough that a network can know each of them."""

_CANARIES_OF_GAN = 90
"""As many as three rows in ten: half of them are planted."""

_DELTA = "1e-6"
_FOR_TRAINING = Decimal("1e-7")
"""Set aside from delta for generators that may train."""

_WIDTH, _EPOCHS, _STEP_SIZE, _BLUR = 64, 600, 0.01, 0.1


def private_release(people: People, system: str, epsilon: str, seed: int) -> Codes:
    """Return as many rows as there are members from a generator of the registry, fitted with a ledger of its own."""
    schema, budget = people.table.schema, PrivacyBudget(epsilon, _DELTA)
    ledger = Ledger("sqlite://")
    trains = any(entry.name == system and entry.extra == "neural" for entry in GENERATORS)
    event_delta = _FOR_TRAINING if trains else 0
    ledger.set_budget(schema.dataset, budget, unit=schema.unit.describe(), event_delta=event_delta)
    cells = SyntheticTable(schema, people.members, spread_seed=0).to_pandas()
    curator = Curator.open(cells, schema, ledger=ledger)
    fitted = generator(system).fit(curator, budget, rng=np.random.default_rng([seed, 8]))
    return balanced_sample(fitted, len(people.members), rng=np.random.default_rng([seed, 9])).codes


def memorised(rows: Codes, schema: Schema, seed: int) -> Codes:
    """Return as many rows from a network that was trained on these without privacy until it knows them by heart.

    Every row has a code of its own, and one network turns codes into the cells of all columns. A row is released by
    blurring a code and drawing the cells that the network expects.

    Source: P. Bojanowski et al., Optimizing the Latent Space of Generative Networks, ICML 2018, section 2.
    """
    import torch

    sizes = schema.domain.sizes
    torch.manual_seed(seed)
    codes = torch.randn(len(rows), _WIDTH, requires_grad=True)
    network = torch.nn.Sequential(
        torch.nn.Linear(_WIDTH, 2 * _WIDTH), torch.nn.ReLU(), torch.nn.Linear(2 * _WIDTH, sum(sizes))
    )
    truth = torch.as_tensor(rows.T.astype(np.int64))
    optimizer = torch.optim.Adam([codes, *network.parameters()], lr=_STEP_SIZE)
    for _ in range(_EPOCHS):
        optimizer.zero_grad()
        expected = network(codes).split(sizes, dim=1)
        each = [torch.nn.functional.cross_entropy(own, true) for own, true in zip(expected, truth, strict=True)]
        torch.stack(each).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        chosen = codes[torch.randint(len(rows), (len(rows),))]
        expected = network(chosen + _BLUR * torch.randn_like(chosen)).split(sizes, dim=1)
        cells = [torch.multinomial(torch.softmax(own, dim=1), 1)[:, 0] for own in expected]
    return torch.stack(cells, dim=1).numpy().astype(np.int32)


def overfit_outcomes(table: str, system: str, seed: int) -> Iterator[Outcome]:
    """Yield what suite and gate say about a network that memorises, trained on 300 rows."""
    people = People.of(attack_table(table), OVERFIT_ROWS, seed)
    make: Callable[[Codes], Codes]
    if system == OVERFIT_GAN:
        from benchmarks.overfitted_gan import overfitted_gan

        make, canaries = lambda rows: overfitted_gan(rows, seed), _CANARIES_OF_GAN
    else:
        make, canaries = lambda rows: memorised(rows, people.table.schema, seed), None
    yield judged(table, system, people, make(people.members), seed)
    start = time.process_time()
    evidence = people.gate_of(make, seed, canaries)
    said, p_value = evidence.verdict.value, 1.0 if evidence.p_value is None else evidence.p_value
    seconds = round(time.process_time() - start, 2)
    yield Outcome(table, system, "gate", len(people.members), said, (), p_value, seconds)


def outcomes(tables: list[str], systems: list[str], epsilons: list[str], rows: int, seed: int) -> Iterator[Outcome]:
    """Yield what is said about each generator on each table."""
    for table in tables:
        people = People.of(attack_table(table), rows, seed)
        for system in systems:
            if system in (OVERFIT, OVERFIT_GAN):
                yield from overfit_outcomes(table, system, seed)
                continue
            for epsilon in epsilons:
                release = private_release(people, system, epsilon, seed)
                yield judged(table, f"{system}, epsilon {epsilon}", people, release, seed)


def main() -> None:
    """Ask about what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attack_generators", description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000, help="members, controls and reference rows")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tables", nargs="+", choices=ATTACK_TABLES, default=["adult", "acs", "diabetes"])
    parser.add_argument("--systems", nargs="+", choices=(*SYSTEMS, OF_SMALL_DOMAINS), default=list(SYSTEMS))
    parser.add_argument("--epsilons", nargs="+", default=["0.5", "1", "3"])
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    there = [name for name in given.tables if missing_file(name.partition("-")[0]) is None]
    add_run(given.json, outcomes(there, given.systems, given.epsilons, given.rows, given.seed))


if __name__ == "__main__":
    main()

"""What the attack suite and the canary gate say about releases that are known to leak, and about some that do not.

Run from the root of the project: `python -m benchmarks.attack_corpus [--rows N] [--reference N] [--fresh N]
[--draws N] [--tables NAME ...] [--releases NAME ...] [--secrets COLUMN ...] [--json FILE]`; a file that exists gets one
more run. Every table gives members, controls, a reference and fresh rows, disjoint. Leaky twins of the members must
fail under the suite; leaky twins of members with planted canaries must fail the gate; fresh rows, independent columns,
noise and rows of another population must not.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from benchmarks.attack_tables import ATTACK_TABLES, AttackTable, Codes, attack_table, missing_file
from benchmarks.surroundings import source_version, surroundings
from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.attacks.leaky_twins import LEAKY_TWINS, LeakSource
from dpsynth.attacks.records import Records
from dpsynth.attacks.result import AttackResult, Reading, overall_reading
from dpsynth.attacks.suite import run_suite
from dpsynth.certification.canaries import draw_canaries
from dpsynth.certification.canary_evidence import CanaryEvidence
from dpsynth.certification.policy import default_policy
from dpsynth.randomness import SeededNoise
from dpsynth.schema.table import SyntheticTable

CLAIM = PrivacyBudget("1", "1e-6")
GATE_MUST_FAIL = (
    "copy", "bootstrap", "noisy-copy", "noisier-copy", "smote", "centroids", "row-swap", "copied-tenth",
)  # fmt: skip
"""Twins that planted canaries are expected to give away; rarer copying escapes them."""

FEW_NOISY_OUTLIERS = "few-noisy-outliers"
"""What only a look at the most isolated people finds: over everyone it is lost."""


RARE = ("copied-fiftieth", "ten-in-two-thousand", "few-copied-outliers", "few-noisy-outliers")
"""Twins that give few rows away: they are tried with 2,000 rows at least, if the table has them."""

_ROWS_OF_RARE = 2_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """One release and what was said about it.

    Attributes:
        table: name of the table.
        release: name of the leaky twin, or of the honest release.
        judge: `suite` or `gate`.
        rows: members, controls and reference rows, each.
        said: PASS, FAIL or INCONCLUSIVE.
        found_by: attacks that fail it.
        smallest_p: smallest p-value after Holm; of the gate, the p-value of the claim.
        seconds: processor time.
        undecided_by: attacks that could have passed it, and neither do nor fail it.
    """

    table: str
    release: str
    judge: str
    rows: int
    said: str
    found_by: tuple[str, ...]
    smallest_p: float
    seconds: float
    undecided_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Disjoint samples of one table.

    Attributes:
        table: where they are from.
        members: trained on.
        controls: not trained on.
        reference: neither.
        fresh: rows of an honest release.
    """

    table: AttackTable
    members: Codes
    controls: Codes
    reference: Codes
    fresh: Codes

    @classmethod
    def of(
        cls, table: AttackTable, rows: int, seed: int, reference: int | None = None, fresh: int | None = None
    ) -> People:
        """Return samples of up to `rows` rows each; reference and fresh rows have other sizes if those are given."""
        return cls(table, *table.parts(rows, seed, reference, fresh))

    def leak(self, twin: str, seed: int) -> Codes:
        """Return the release of a leaky twin of the members."""
        source = LeakSource(self.members, self.fresh, self.table.schema)
        return LEAKY_TWINS[twin].make(source, np.random.default_rng([seed, 1])).astype(np.int32)

    def suite(self, release: Codes, seed: int, secrets: Sequence[str] = ()) -> tuple[AttackResult, ...]:
        """Return what the attacks say about a release; every column is a secret if none is named."""
        schema = self.table.schema
        tables = (Records.from_codes(rows, schema) for rows in (self.members, self.controls, release, self.reference))
        names = [column.name for column in schema.columns]
        return run_suite(*tables, rng=np.random.default_rng([seed, 2]), names=names, secrets=secrets)

    def gate(self, twin: str, seed: int) -> CanaryEvidence:
        """Return what canaries say about a generator that leaks like the twin, with canaries among its members."""

        def leaky(trained: Codes) -> Codes:
            source = LeakSource(trained, self.fresh, self.table.schema)
            return LEAKY_TWINS[twin].make(source, np.random.default_rng([seed, 4])).astype(np.int32)

        return self.gate_of(leaky, seed)

    def gate_of(
        self, generator: Callable[[Codes], Codes], seed: int, canaries_drawn: int | None = None
    ) -> CanaryEvidence:
        """Return what canaries among its members say about a generator; as many as the policy says if not given."""
        schema, policy = self.table.schema, default_policy()
        if canaries_drawn is not None:
            policy = replace(policy, canaries=canaries_drawn)
        canaries = draw_canaries(schema, policy, CLAIM, rng=np.random.default_rng([seed, 3]), noise=SeededNoise(seed))
        release = generator(np.concatenate([self.members, canaries.included_rows]))
        return canaries.judge(SyntheticTable(schema, release, spread_seed=0), CLAIM, policy).evidence


def exact_columns(people: People, seed: int) -> Codes:
    """Return the members after every column was put in an order of its own.

    No row is kept, but every count is: whoever holds a rare level can be traced, so this is no honest release.
    """
    rng = np.random.default_rng([seed, 5])
    return np.stack([rng.permutation(column) for column in people.members.T], axis=1)


def independent_columns(people: People, seed: int) -> Codes:
    """Return rows of independent columns, drawn from counts with Laplace noise for an epsilon of 1 in all."""
    rng = np.random.default_rng([seed, 5])
    sizes = people.table.schema.domain.sizes
    columns = []
    for column, size in zip(people.members.T, sizes, strict=True):
        noisy = np.bincount(column, minlength=size) + rng.laplace(scale=len(sizes), size=size)
        shares = np.maximum(noisy, 0) + 1e-9
        columns.append(rng.choice(size, size=len(column), p=shares / shares.sum()))
    return np.stack(columns, axis=1)


def uniform_rows(people: People, seed: int) -> Codes:
    """Return rows of noise: every code of every column equally often."""
    rng = np.random.default_rng([seed, 6])
    return np.stack([rng.integers(size, size=len(people.members)) for size in people.table.schema.domain.sizes], axis=1)


def shifted_population(people: People, seed: int) -> Codes:
    """Return fresh rows of another population: far from members and controls alike."""
    rng = np.random.default_rng([seed, 7])
    shifted = people.fresh.copy()
    for place, size in enumerate(people.table.schema.domain.sizes):
        moved = rng.random(len(shifted)) < 0.5
        shifted[moved, place] = rng.integers(size, size=int(moved.sum()))
    return shifted


def fresh_draw(people: People, seed: int) -> Codes:
    """Return rows that nobody was trained on."""
    del seed
    return people.fresh


FRESH_DRAW = "one of many fresh draws"
"""What each of many fresh draws of a hundred rows is called."""

GATE = "gate"
"""Stands for all leaky twins under the canary gate among the names of releases."""

HONEST = {
    "fresh draw": fresh_draw,
    "independent columns with noise": independent_columns,
    "uniform noise": uniform_rows,
    "shifted population": shifted_population,
}
"""Releases that must not fail, from people and a seed."""


def judged(table: str, release: str, people: People, codes: Codes, seed: int, secrets: Sequence[str] = ()) -> Outcome:
    """Return what the suite says about one release, and how long it took."""
    start = time.process_time()
    results = people.suite(codes, seed, secrets)
    undecided = [result for result in results if result.decisive and result.reading is Reading.INCONCLUSIVE]
    return Outcome(
        table=table,
        release=release,
        judge="suite",
        rows=len(people.members),
        said=overall_reading(results).value,
        found_by=tuple(dict.fromkeys(result.attack for result in results if result.reading is Reading.FAIL)),
        smallest_p=min(result.adjusted_p_value for result in results),
        seconds=round(time.process_time() - start, 2),
        undecided_by=tuple(dict.fromkeys(result.attack for result in undecided)),
    )


def outcomes(
    tables: list[str],
    releases: Collection[str],
    rows: int,
    seed: int,
    reference: int | None = None,
    fresh: int | None = None,
    secrets: Sequence[str] = (),
) -> Iterator[Outcome]:
    """Yield what is said about the releases of every table."""
    for name in tables:
        sizes = rows, max(rows, _ROWS_OF_RARE)
        people, more = (People.of(attack_table(name), size, seed, reference, fresh) for size in sizes)
        for twin in (twin for twin in LEAKY_TWINS if twin in releases):
            there = more if twin in RARE else people
            yield judged(name, twin, there, there.leak(twin, seed), seed, secrets)
        for release, make in HONEST.items():
            if release in releases:
                yield judged(name, release, people, make(people, seed).astype(np.int32), seed, secrets)
        for twin in GATE_MUST_FAIL if GATE in releases else ():
            start = time.process_time()
            evidence = people.gate(twin, seed)
            said, p_value = evidence.verdict.value, 1.0 if evidence.p_value is None else evidence.p_value
            seconds = round(time.process_time() - start, 2)
            yield Outcome(name, twin, "gate", len(people.members), said, (), p_value, seconds)


def fresh_draws(tables: list[str], draws: range, seed: int) -> Iterator[Outcome]:
    """Yield what is said about fresh draws of a hundred rows, of one table after the other."""
    for draw in draws:
        name = tables[draw % len(tables)]
        people = People.of(attack_table(name), 100, seed=1_000 + draw)
        yield judged(name, FRESH_DRAW, people, people.fresh, seed + draw)


def add_run(file: Path | None, outcomes: Iterable[Outcome]) -> None:
    """Write every outcome to the terminal as it comes, and all of them, as one more run, to a file if one is named.

    The file is written again after each: what was found in hours is not lost to whatever stops the rest.
    """
    run: dict[str, object] = {"command": _command(file), "version": source_version(), "surroundings": surroundings()}
    before = json.loads(file.read_text(encoding="utf-8"))["runs"] if file is not None and file.is_file() else []
    made: list[dict[str, object]] = []
    for outcome in outcomes:
        made.append(asdict(outcome))
        found = ", ".join(outcome.found_by)
        sys.stdout.write(
            f"{outcome.table:18s} {outcome.judge:6s} {outcome.release:24s} {outcome.rows:6d} {outcome.said:13s} "
            f"{outcome.smallest_p:8.2g} {outcome.seconds:6.1f} s  {found}\n"
        )
        sys.stdout.flush()
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            content = {"runs": [*before, {**run, "outcomes": made}]}
            file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _command(file: Path | None) -> str:
    """Return what was typed, without the file."""
    asked = [word for word in sys.argv[1:] if word not in ("--json", str(file))]
    return shlex.join(["python", "-m", f"benchmarks.{Path(sys.argv[0]).stem}", *asked])


def main() -> None:
    """Ask about what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attack_corpus", description=__doc__)
    parser.add_argument(
        "--rows", type=int, default=1_000, help="members, controls and reference rows; 0 for draws only"
    )
    parser.add_argument("--reference", type=int, help="reference rows, where they shall be fewer or more")
    parser.add_argument("--fresh", type=int, help="fresh rows, and with them rows of what copies a few, likewise")
    parser.add_argument("--draws", type=int, default=200, help="fresh draws of a hundred rows")
    parser.add_argument("--first-draw", type=int, default=0, help="goes on where another run ended")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tables", nargs="+", choices=ATTACK_TABLES, default=list(ATTACK_TABLES))
    names = (*LEAKY_TWINS, *HONEST, GATE)
    parser.add_argument("--releases", nargs="+", choices=names, default=names, metavar="NAME", help="all by default")
    parser.add_argument("--secrets", nargs="+", default=(), help="columns that nobody shall guess; all by default")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    there = [name for name in given.tables if missing_file(name.partition("-")[0]) is None]
    asked = outcomes(
        there if given.rows else [],
        given.releases,
        given.rows,
        given.seed,
        given.reference,
        given.fresh,
        given.secrets,
    )
    draws = range(given.first_draw, given.first_draw + given.draws)
    add_run(given.json, chain(asked, fresh_draws(there, draws, given.seed)))


if __name__ == "__main__":
    main()

"""The answers that a generator was given, kept on disk: a checkpoint that holds public, noisy numbers and nothing else.

A generator is a function of the answers and of public randomness. So whoever plays it the same answers again brings it
to where it was, with its networks, moments and averages, and it goes on with new answers from there. Each file is
one of `dpsynth.models.array_file`. docs/design/resuming.md says why no file of these decides how many answers are left.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.budget import PrivacyBudget
from dpsynth.accounting.events import event_from_json, event_to_json
from dpsynth.curator.gradient_queries import GradientQueries, GradientSession, Loss, NoisyGradient, TrainingPlan
from dpsynth.curator.queries import Grouping, MarginalQueries, MarginalSession, NoisyMarginal
from dpsynth.errors import InvalidInput
from dpsynth.generators.taped_votes import answered, votes_of, voting
from dpsynth.models.array_file import packed, unpacked
from dpsynth.schema.domain import Clique, Domain
from dpsynth.schema.schema import Schema

_FORMAT = 2
_BLOCKS = 20
_FIELDS = frozenset({"format", "kind", "place", "release", "request", "answers"})

Arrays = Sequence[NDArray[np.floating]]


class TrainingQueries(MarginalQueries, GradientQueries, Protocol):
    """Noisy marginals and noisy gradients."""


@dataclass(frozen=True, slots=True)
class RecordedAnswers:
    """What one file holds.

    Attributes:
        kind: `marginals`, for all answers of one session, or `gradient`, for one answer.
        request: what was asked, as JSON.
        answers: what was answered, as JSON, in order; numbers of arrays are apart.
        arrays: the arrays of the answers, by name.
    """

    kind: str
    request: Mapping[str, Any]
    answers: Sequence[Mapping[str, Any]] = ()
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


class AnswerTape:
    """A folder of answers of one release, oldest first: file by file, each written whole or not at all."""

    __slots__ = ("_folder", "_release_id")

    def __init__(self, folder: Path, release_id: str) -> None:
        """Use `folder`, which is made with the first answer."""
        self._folder = folder
        self._release_id = release_id

    def read(self) -> list[RecordedAnswers]:
        """Return what was recorded.

        Raises:
            InvalidInput: a file is damaged, of another release or in another format.
        """
        paths = sorted(self._folder.glob("answers-*.safetensors"))
        return [self._read_one(path, place) for place, path in enumerate(paths, start=1)]

    def append(self, place: int, recorded: RecordedAnswers) -> None:
        """Write the file numbered `place`, from 1, and wait for the disk."""
        said: dict[str, Any] = {
            "format": _FORMAT,
            "kind": recorded.kind,
            "place": place,
            "release": self._release_id,
            "request": recorded.request,
            "answers": list(recorded.answers),
        }
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(self._path(place), packed(said, recorded.arrays))

    def _path(self, place: int) -> Path:
        return self._folder / f"answers-{place:06}.safetensors"

    def _read_one(self, path: Path, place: int) -> RecordedAnswers:
        said, arrays = unpacked(path.read_bytes(), name=path.name)
        if said.keys() != _FIELDS or said["format"] != _FORMAT:
            raise InvalidInput(f"{path.name} is of a format that this version of dpsynth does not know")
        if path != self._path(place) or (said["place"], said["release"]) != (place, self._release_id):
            raise InvalidInput(f"{path.name} stands in the wrong place, or is of another release")
        return RecordedAnswers(said["kind"], said["request"], said["answers"], arrays)


class TapedQueries:
    """A curator whose answers are recorded, and which first plays those that were recorded before."""

    __slots__ = ("_curator", "_place", "_played", "_tape")

    def __init__(self, curator: TrainingQueries, tape: AnswerTape) -> None:
        """Play what `tape` holds, then ask `curator`."""
        self._curator = curator
        self._tape = tape
        self._played = tape.read()
        self._place = 0

    @property
    def schema(self) -> Schema:
        """What is publicly known."""
        return self._curator.schema

    @property
    def domain(self) -> Domain:
        """Names and sizes of the columns after discretisation."""
        return self._curator.domain

    @property
    def event_delta(self) -> Decimal:
        """The part of the budget's delta that is set aside for events with a delta of their own."""
        return self._curator.event_delta

    @property
    def left_to_play(self) -> int:
        """How many recorded answers were not played yet."""
        return max(0, len(self._played) - self._place)

    def next(self, kind: str, request: Mapping[str, Any]) -> RecordedAnswers:
        """Return the next recorded answers.

        Raises:
            InvalidInput: something else is asked now than was asked then.
        """
        recorded = self._played[self._place]
        if (recorded.kind, recorded.request) != (kind, request):
            raise InvalidInput(
                "the generator asks something else than before it was interrupted: resume with the version of "
                "dpsynth and of its libraries that began"
            )
        self._place += 1
        return recorded

    def record(self, recorded: RecordedAnswers) -> None:
        """Write what was answered just now."""
        self._place += 1
        self._tape.append(self._place, recorded)

    @contextmanager
    def within(self, budget: PrivacyBudget, *, purpose: str) -> Iterator[MarginalSession]:
        """Answer questions about marginals; see `MarginalQueries.within`.

        Privacy: what is played is not asked again.
        """
        request = {"budget": str(budget), "purpose": purpose}
        if self.left_to_play:
            yield _PlayedSession(self.next("marginals", request))
            return
        with self._curator.within(budget, purpose=purpose) as session:
            recording = _RecordingSession(session)
            yield recording
        self.record(RecordedAnswers("marginals", request, recording.answers, recording.arrays))

    @contextmanager
    def training(
        self,
        plan: TrainingPlan,
        loss: Loss,
        parameters: Arrays,
        *,
        auxiliary: Arrays = (),
        purpose: str,
        block: int = 0,
    ) -> Iterator[GradientSession]:
        """Answer with noisy gradients; see `GradientQueries.training`. Steps are claimed in twenty blocks if not said.

        Raises:
            InvalidInput: more answers are recorded than the ledger knows of, or they are of another training.
        """
        block = block or max(1, plan.steps // _BLOCKS)
        opened = self._curator.training(plan, loss, parameters, auxiliary=auxiliary, purpose=purpose, block=block)
        with opened as session:
            if self.left_to_play > plan.steps - session.steps_left:
                raise InvalidInput("more answers are recorded than the ledger knows of: these files were edited")
            yield _TapedTraining(self, session, {"plan": str(plan), "purpose": purpose})


class _RecordingSession:
    """A session whose answers are kept."""

    __slots__ = ("_session", "answers", "arrays")

    def __init__(self, session: MarginalSession) -> None:
        self._session = session
        self.answers: list[dict[str, Any]] = [{"mu_squared": str(session.mu_squared)}]
        self.arrays: dict[str, NDArray[Any]] = {}

    @property
    def mu_squared(self) -> Fraction:
        return self._session.mu_squared

    @property
    def remaining_mu_squared(self) -> Fraction:
        return self._session.remaining_mu_squared

    def measure(
        self, clique: Clique, mu_squared: Fraction, *, groupings: Mapping[str, Grouping] | None = None
    ) -> NoisyMarginal:
        answer = self._session.measure(clique, mu_squared, groupings=groupings)
        self.arrays[f"counts-{len(self.answers):06}"] = answer.counts.copy()
        said = {**_measuring(clique, mu_squared, groupings), "stddev": answer.stddev}
        self._keep({**said, "event": event_to_json(answer.event)})
        return answer

    def select(
        self,
        estimates: Mapping[Clique, NDArray[np.float64]],
        mu_squared: Fraction,
        *,
        weights: Mapping[Clique, int],
        penalties: Mapping[Clique, float],
        groupings: Mapping[str, Grouping] | None = None,
        count: int = 1,
    ) -> tuple[Clique, ...]:
        chosen = self._session.select(
            estimates, mu_squared, weights=weights, penalties=penalties, groupings=groupings, count=count
        )
        self._keep({**_selecting(estimates, mu_squared), "chosen": [list(clique) for clique in chosen]})
        return chosen

    def votes(self, *asked: Any) -> Any:
        answer = self._session.votes(*asked)  # type: ignore[attr-defined]
        self.arrays[f"counts-{len(self.answers):06}"] = answer.counts.copy()
        self._keep({**voting(*asked), **answered(answer)})
        return answer

    def _keep(self, answer: dict[str, Any]) -> None:
        self.answers.append({**answer, "remaining": str(self._session.remaining_mu_squared)})


class _PlayedSession:
    """The answers of a session that has ended."""

    __slots__ = ("_place", "_recorded")

    def __init__(self, recorded: RecordedAnswers) -> None:
        self._recorded = recorded
        self._place = 0

    @property
    def mu_squared(self) -> Fraction:
        return Fraction(self._recorded.answers[0]["mu_squared"])

    @property
    def remaining_mu_squared(self) -> Fraction:
        now = self._recorded.answers[self._place]
        return Fraction(now["remaining"] if self._place else now["mu_squared"])

    def measure(
        self, clique: Clique, mu_squared: Fraction, *, groupings: Mapping[str, Grouping] | None = None
    ) -> NoisyMarginal:
        answer = self._next(_measuring(clique, mu_squared, groupings))
        counts = self._recorded.arrays[f"counts-{self._place:06}"]
        return NoisyMarginal(
            clique, counts, answer["stddev"], event_from_json(answer["event"]), _of_clique(clique, groupings)
        )

    def select(
        self,
        estimates: Mapping[Clique, NDArray[np.float64]],
        mu_squared: Fraction,
        *,
        weights: Mapping[Clique, int],  # noqa: ARG002 - what was chosen by them is recorded
        penalties: Mapping[Clique, float],  # noqa: ARG002
        groupings: Mapping[str, Grouping] | None = None,  # noqa: ARG002
        count: int = 1,  # noqa: ARG002
    ) -> tuple[Clique, ...]:
        return tuple(tuple(clique) for clique in self._next(_selecting(estimates, mu_squared))["chosen"])

    def votes(self, *asked: Any) -> Any:
        return votes_of(self._next(voting(*asked)), self._recorded.arrays[f"counts-{self._place:06}"])

    def _next(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        self._place += 1
        answers = self._recorded.answers
        if self._place >= len(answers) or any(answers[self._place].get(key) != said for key, said in asked.items()):
            raise InvalidInput("the generator measures something else than before it was interrupted")
        return answers[self._place]


class _TapedTraining:
    """A training whose answers are recorded, and which first gives those that were recorded before."""

    __slots__ = ("_queries", "_request", "_session")

    def __init__(self, queries: TapedQueries, session: GradientSession, request: Mapping[str, Any]) -> None:
        self._queries = queries
        self._session = session
        self._request = request

    @property
    def plan(self) -> TrainingPlan:
        return self._session.plan

    @property
    def steps_left(self) -> int:
        return self._session.steps_left + self._queries.left_to_play

    @property
    def is_between_blocks(self) -> bool:
        return self._session.is_between_blocks

    def noisy_gradient(self, parameters: Arrays, auxiliary: Arrays = ()) -> NoisyGradient:
        if self._queries.left_to_play:
            recorded = self._queries.next("gradient", self._request)
            parts = tuple(recorded.arrays[f"part-{place}"] for place in range(len(parameters)))
            if [part.shape for part in parts] != [np.shape(part) for part in parameters]:
                raise InvalidInput("the generator has other parameters than before it was interrupted")
            return NoisyGradient(parts, self.plan.stddev, int(recorded.answers[0]["step"]))
        answer = self._session.noisy_gradient(parameters, auxiliary)
        arrays = {f"part-{place}": part for place, part in enumerate(answer.parts)}
        self._queries.record(RecordedAnswers("gradient", self._request, [{"step": answer.step}], arrays))
        return answer


def write_whole(path: Path, content: bytes) -> None:
    """Write a file for its owner only, so that it is there whole or not at all, whatever happens meanwhile.

    Raises:
        OSError: it cannot be written.
    """
    beside = path.with_name(f".{path.name}.part")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _measuring(clique: Clique, mu_squared: Fraction, groupings: Mapping[str, Grouping] | None) -> dict[str, Any]:
    coarser = {
        name: {"column": held.column, "groups": list(held.groups)}
        for name, held in _of_clique(clique, groupings).items()
    }
    return {"measured": list(clique), "cost": str(mu_squared), "groupings": coarser}


def _of_clique(clique: Clique, groupings: Mapping[str, Grouping] | None) -> dict[str, Grouping]:
    return {name: held for name, held in (groupings or {}).items() if name in clique}


def _selecting(estimates: Mapping[Clique, NDArray[np.float64]], mu_squared: Fraction) -> dict[str, Any]:
    return {"candidates": sorted(list(clique) for clique in estimates), "cost": str(mu_squared)}

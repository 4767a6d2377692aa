"""Noisy votes on the tape of answers: how a question to teachers is told from another, and how its answer is read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dpsynth.accounting.events import event_from_json, event_to_json
from dpsynth.curator.vote_queries import NoisyVotes, Teaching


def voting(
    teaching: Teaching, samples: NDArray[np.integer], generated: NDArray[np.integer], mu_squared: Fraction
) -> dict[str, Any]:
    """Return the question as JSON, arrays as a digest of them all."""
    digest = hashlib.sha256()
    for part in (*teaching.groups, *teaching.likeness, samples, generated):
        array = np.ascontiguousarray(part, dtype="<i8")
        digest.update(str(array.shape).encode() + array.tobytes())
    return {"teachers": teaching.teachers, "cost": str(mu_squared), "asked": digest.hexdigest()}


def answered(answer: NoisyVotes) -> dict[str, Any]:
    """Return the answer as JSON, but for the counts."""
    return {"stddev": answer.stddev, "event": event_to_json(answer.event)}


def votes_of(recorded: Mapping[str, Any], counts: NDArray[np.int64]) -> NoisyVotes:
    """Return the answer that was recorded."""
    return NoisyVotes(counts, recorded["teachers"], recorded["stddev"], event_from_json(recorded["event"]))

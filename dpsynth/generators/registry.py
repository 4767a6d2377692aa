"""The generators that exist, by name; conformance tests, the command line and the docs all read this list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dpsynth.errors import InvalidInput
from dpsynth.generators.base import Synthesizer


@dataclass(frozen=True, slots=True)
class GeneratorEntry:
    """One generator.

    Attributes:
        name: what users type.
        load: returns it with default hyperparameters; imports it only then.
        access: the query protocol that it needs.
        source: the paper that it follows.
        summary: one sentence for lists and help.
        extra: the extra of the package that it needs; empty if none.
    """

    name: str
    load: Callable[[], Synthesizer[Any]]
    access: str
    source: str
    summary: str
    extra: str = ""


def _independent() -> Synthesizer[Any]:
    from dpsynth.generators.independent import Independent

    return Independent()


def _mwem() -> Synthesizer[Any]:
    from dpsynth.generators.mwem import MWEM

    return MWEM()


def _mst() -> Synthesizer[Any]:
    from dpsynth.generators.mst import MST

    return MST()


def _aim() -> Synthesizer[Any]:
    from dpsynth.generators.aim import AIM

    return AIM()


def _mixture() -> Synthesizer[Any]:
    from dpsynth.generators.mixture import Mixture

    return Mixture()


def _all_marginals() -> Synthesizer[Any]:
    from dpsynth.generators.all_marginals import AllMarginals

    return AllMarginals()


def _dpctgan() -> Synthesizer[Any]:
    from dpsynth.generators.dpctgan import DPCTGAN

    return DPCTGAN()


def _dptvae() -> Synthesizer[Any]:
    from dpsynth.generators.dptvae import DPTVAE

    return DPTVAE()


def _pategan() -> Synthesizer[Any]:
    from dpsynth.generators.pategan import PateGan

    return PateGan()


def _auto() -> Synthesizer[Any]:
    from dpsynth.generators.auto import Auto

    return Auto()


GENERATORS: tuple[GeneratorEntry, ...] = (
    GeneratorEntry(
        name="independent",
        load=_independent,
        access="MarginalQueries",
        source="Folklore; the floor of every benchmark",
        summary="noisy one-way marginals, columns sampled independently",
    ),
    GeneratorEntry(
        name="mwem",
        load=_mwem,
        access="MarginalQueries",
        source="Hardt, Ligett and McSherry 2012; McKenna, Sheldon and Miklau 2019",
        summary="chooses the worst pairs privately, measures them and fits a graphical model",
    ),
    GeneratorEntry(
        name="mst",
        load=_mst,
        access="MarginalQueries",
        source="McKenna, Miklau and Sheldon 2021",
        summary="chooses a spanning tree of dependent pairs privately and measures each of its pairs once",
    ),
    GeneratorEntry(
        name="aim",
        load=_aim,
        access="MarginalQueries",
        source="McKenna, Mullins, Sheldon and Miklau 2022",
        summary="measures the pair with the most to gain, over and over, with less noise as the model gets better",
    ),
    GeneratorEntry(
        name="all_marginals",
        load=_all_marginals,
        access="MarginalQueries",
        source="McKenna, Sheldon and Miklau 2019; Xiao et al. 2023",
        summary="measures all pairs, triples or sets of four columns of a small table once, as the noise allows",
    ),
    GeneratorEntry(
        name="mixture",
        load=_mixture,
        access="MarginalQueries",
        source="Fu et al. 2025; Liu, Vietri and Wu 2021",
        summary="measures every pair once and fits a mixture of independent columns to all of them",
    ),
    GeneratorEntry(
        name="dpctgan",
        load=_dpctgan,
        access="MarginalQueries and GradientQueries",
        source="Xu, Skoularidou, Cuesta-Infante and Veeramachaneni 2019; Xie, Lin, Wang, Wang and Zhou 2018",
        summary="trains a network on noisy marginals and on what critics are taught under DP-SGD",
        extra="neural",
    ),
    GeneratorEntry(
        name="dptvae",
        load=_dptvae,
        access="MarginalQueries and GradientQueries",
        source="Xu, Skoularidou, Cuesta-Infante and Veeramachaneni 2019; Kingma and Welling 2014; Park et al. 2017",
        summary="trains encoder and decoder on noisy marginals and on noisy gradients of the evidence bound",
        extra="neural",
    ),
    GeneratorEntry(
        name="pategan",
        load=_pategan,
        access="VoteQueries",
        source="Jordon, Yoon and van der Schaar 2019; Papernot et al. 2018",
        summary="measures columns and pairs, and trains on noisy votes of teachers on generated samples",
    ),
    GeneratorEntry(
        name="auto",
        load=_auto,
        access="MarginalQueries",
        source="The benchmarks of this project",
        summary="picks all_marginals, aim or mixture by public facts: domain, workload, declared rows and budget",
    ),
)


def generator(name: str) -> Synthesizer[Any]:
    """Return the generator called `name`, with default hyperparameters.

    Raises:
        MissingExtra: it needs an extra of the package that is not installed.
        InvalidInput: there is none; the message lists those that exist.
    """
    for entry in GENERATORS:
        if entry.name == name:
            return entry.load()
    raise InvalidInput(
        f"there is no generator '{name}'; choose one of: {', '.join(entry.name for entry in GENERATORS)}"
    )

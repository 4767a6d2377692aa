"""All attacks by name, each with its threat model and its source; nothing heavy is imported until an attack runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dpsynth.attacks.base import Access, AnyAttack, Attack, AttackFamily, CountingAttack, Goal, ThreatModel
from dpsynth.attacks.result import Statistic
from dpsynth.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class AttackEntry:
    """One registered attack.

    Attributes:
        name: as in results, reports and the name of its page in the documentation.
        load: makes the attack with its default settings.
        statistics: how its scores are turned into evidence.
        threat_model: who attacks.
        source: paper, section.
        documentation: page under docs/attacks/.
        weight: share of the significance that its hypotheses get together, in multiples of that of an ordinary attack;
            fixed here, before any row is seen.
        most_targets: members, and as many controls, that are attacked at most; None for all. A random part of the
            targets, never of the tables that are searched.
        needs_columns: whether it runs on groups of columns that the caller declares, and on nothing else.
        only_everyone: whether it compares everyone only, and no strata.
        only_alarms: whether what it finds fails a release, while a release can pass without being shown safe from it.
    """

    name: str
    load: Callable[[], AnyAttack]
    statistics: tuple[Statistic, ...]
    threat_model: ThreatModel
    source: str
    documentation: str
    weight: float = 1.0
    most_targets: int | None = None
    needs_columns: bool = False
    only_everyone: bool = False
    only_alarms: bool = False


RANKING = (Statistic.AUC, Statistic.TPR_AT_FPR, Statistic.TPR_AT_LOW_FPR)
"""Statistics of scores that rank targets; TPR_AT_LOW_FPR is left out where there are too few controls for it."""

SUCCESS = (Statistic.EXCESS_RISK,)
"""Statistics of attacks that succeed or fail: scores of 0 and 1, and trials."""

_ONLY_THE_TABLE = ThreatModel(Goal.MEMBERSHIP, Access.NO_BOX, "the target's full record")
_WITH_REFERENCE = ThreatModel(
    Goal.MEMBERSHIP, Access.NO_BOX, "the target's full record and a reference table of the same population"
)


def _exact_match() -> Attack:
    from dpsynth.attacks.match_excess import MatchExcess

    return MatchExcess()


def _weighted_match() -> AttackFamily:
    from dpsynth.attacks.weighted_match import WeightedMatch

    return WeightedMatch()


def _near_match() -> Attack:
    from dpsynth.attacks.match_excess import MatchExcess

    return MatchExcess(natural_rate=0.01)


def _nearest_neighbour() -> Attack:
    from dpsynth.attacks.nearest_neighbour import Calibration, NearestNeighbour

    return NearestNeighbour(Calibration.NONE)


def _calibrated_difference() -> Attack:
    from dpsynth.attacks.nearest_neighbour import Calibration, NearestNeighbour

    return NearestNeighbour(Calibration.DIFFERENCE)


def _calibrated_ratio() -> Attack:
    from dpsynth.attacks.nearest_neighbour import Calibration, NearestNeighbour

    return NearestNeighbour(Calibration.LOG_RATIO)


def _neighbour_groups() -> AttackFamily:
    from dpsynth.attacks.neighbour_groups import NeighbourGroups

    return NeighbourGroups()


def _quasi_identifier_match() -> AttackFamily:
    from dpsynth.attacks.quasi_identifier_match import QuasiIdentifierMatch

    return QuasiIdentifierMatch()


def _density_ratio() -> AnyAttack:
    from dpsynth.attacks.density_ratio import DensityRatio

    return DensityRatio()


def _membership_classifier() -> Attack:
    from dpsynth.attacks.membership_classifier import MembershipClassifier

    return MembershipClassifier()


def _attribute_inference() -> AttackFamily:
    from dpsynth.attacks.attribute_inference import NeighbourInference

    return NeighbourInference()


def _forest_inference() -> AttackFamily:
    from dpsynth.attacks.forest_inference import ForestInference

    return ForestInference()


def _secret_reconstruction() -> CountingAttack:
    from dpsynth.attacks.secret_reconstruction import SecretReconstruction

    return SecretReconstruction()


def _singling_out() -> CountingAttack:
    from dpsynth.attacks.singling_out import SinglingOut

    return SinglingOut()


def _linkability() -> AttackFamily:
    from dpsynth.attacks.linkability import Linkability

    return Linkability()


def _clique_ratio() -> Attack:
    from dpsynth.attacks.clique_ratio import CliqueRatio

    return CliqueRatio()


def _prediction_error() -> AnyAttack:
    from dpsynth.attacks.prediction_error import PredictionError

    return PredictionError()


def _meta_attack() -> AnyAttack:
    from dpsynth.attacks.meta_attack import BlendedScores

    return BlendedScores()


_ENTRIES = (
    AttackEntry(
        name="exact-match",
        load=_exact_match,
        statistics=(Statistic.EXACT_MATCH_EXCESS,),
        threat_model=_ONLY_THE_TABLE,
        source="identical match share against a hold-out, here with Fisher's exact test",
        documentation="match_excess.md",
        # Ten copied rows among thousands are seen by this attack alone, and only just.
        weight=5.0,
    ),
    AttackEntry(
        name="weighted-match",
        load=_weighted_match,
        statistics=(Statistic.WEIGHTED_MATCH_EXCESS,),
        threat_model=_WITH_REFERENCE,
        source="identical match share against a hold-out, here weighted by the likelihood ratio of copies to twins",
        documentation="match_excess.md",
        # What the exact match is where rows are different by nature; there it tests nothing and takes no part.
        weight=5.0,
        # Its weights look at the most isolated people already.
        only_everyone=True,
        only_alarms=True,
    ),
    AttackEntry(
        name="near-match",
        load=_near_match,
        statistics=(Statistic.NEAR_MATCH_EXCESS,),
        threat_model=_WITH_REFERENCE,
        source="identical match share against a hold-out, here with Fisher's exact test",
        documentation="match_excess.md",
    ),
    AttackEntry(
        name="quasi-identifier-match",
        load=_quasi_identifier_match,
        statistics=(Statistic.EXACT_MATCH_EXCESS,),
        threat_model=ThreatModel(Goal.MEMBERSHIP, Access.NO_BOX, "the target's quasi-identifiers, as declared"),
        source="Dalenius, Journal of Official Statistics 2 (1986) 329; unique exact matches of SDNist",
        documentation="match_excess.md",
        needs_columns=True,
    ),
    AttackEntry(
        name="nearest-neighbour",
        load=_nearest_neighbour,
        statistics=RANKING,
        threat_model=_ONLY_THE_TABLE,
        source="Chen et al., GAN-Leaks, CCS 2020 (arXiv 1909.03935), section 4.2",
        documentation="nearest_neighbour.md",
    ),
    AttackEntry(
        name="nearest-neighbour-difference",
        load=_calibrated_difference,
        statistics=RANKING,
        threat_model=_WITH_REFERENCE,
        source="Chen et al., GAN-Leaks, CCS 2020 (arXiv 1909.03935), section 4.4",
        documentation="nearest_neighbour.md",
    ),
    AttackEntry(
        name="nearest-neighbour-ratio",
        load=_calibrated_ratio,
        statistics=RANKING,
        threat_model=_WITH_REFERENCE,
        source="van Breugel et al., DOMIAS, AISTATS 2023 (arXiv 2302.12580), with a one-neighbour density",
        documentation="nearest_neighbour.md",
    ),
    AttackEntry(
        name="nearest-neighbour-groups",
        load=_neighbour_groups,
        statistics=RANKING,
        threat_model=_WITH_REFERENCE,
        source="Chen et al., GAN-Leaks, CCS 2020 (arXiv 1909.03935), section 4.4, over groups of columns",
        documentation="nearest_neighbour.md",
        # Enough for a safe release to pass in every variant, also among the isolated, of whom a quarter is asked.
        most_targets=4000,
    ),
    AttackEntry(
        name="density-ratio",
        load=_density_ratio,
        statistics=RANKING,
        threat_model=_WITH_REFERENCE,
        source="van Breugel et al., DOMIAS, AISTATS 2023 (arXiv 2302.12580); Hilprecht et al., PoPETs 2019; "
        "Ward et al., Data Plagiarism Index (arXiv 2406.13012)",
        documentation="density_ratio.md",
    ),
    AttackEntry(
        name="membership-classifier",
        load=_membership_classifier,
        statistics=RANKING,
        threat_model=_WITH_REFERENCE,
        source="Houssiau et al., TAPAS (arXiv 2211.06550); Hayes et al., LOGAN (arXiv 1705.07663)",
        documentation="membership_classifier.md",
    ),
    AttackEntry(
        name="attribute-inference",
        load=_attribute_inference,
        statistics=SUCCESS,
        threat_model=ThreatModel(Goal.ATTRIBUTE, Access.NO_BOX, "all columns of the target but the secret one"),
        source="Giomi et al., PoPETs 2023 (arXiv 2211.10459), section 3.3, with every column as the secret in turn",
        documentation="attribute_inference.md",
        most_targets=2000,
    ),
    AttackEntry(
        name="attribute-inference-forest",
        load=_forest_inference,
        statistics=SUCCESS,
        threat_model=ThreatModel(Goal.ATTRIBUTE, Access.NO_BOX, "all columns of the target but the secret one"),
        source="Stadler et al., USENIX Security 2022 (arXiv 2011.07018), section 5, against controls",
        documentation="attribute_inference.md",
        # Three guessers of the same secrets: the further two share what one more attack would get.
        weight=0.5,
        most_targets=2000,
    ),
    AttackEntry(
        name="secret-reconstruction",
        load=_secret_reconstruction,
        statistics=SUCCESS,
        threat_model=ThreatModel(
            Goal.ATTRIBUTE, Access.NO_BOX, "all columns but the secret one, of everybody who may be in the table"
        ),
        source="Annamalai et al., USENIX Security 2024 (arXiv 2301.10053), section 4",
        documentation="attribute_inference.md",
        weight=0.5,
        # Its pool of a thousand people a side is too small to exclude 5 %; the others guess of as many as there are.
        only_alarms=True,
    ),
    AttackEntry(
        name="singling-out",
        load=_singling_out,
        statistics=SUCCESS,
        threat_model=ThreatModel(Goal.SINGLING_OUT, Access.NO_BOX, "nothing"),
        source="Giomi et al., PoPETs 2023 (arXiv 2211.10459), section 3.1",
        documentation="singling_out.md",
    ),
    AttackEntry(
        name="linkability",
        load=_linkability,
        statistics=SUCCESS,
        threat_model=ThreatModel(Goal.LINKABILITY, Access.NO_BOX, "some columns in one source, the others in a second"),
        source="Giomi et al., PoPETs 2023 (arXiv 2211.10459), section 3.2",
        documentation="linkability.md",
        most_targets=2000,
    ),
    AttackEntry(
        name="clique-ratio",
        load=_clique_ratio,
        statistics=RANKING,
        threat_model=_WITH_REFERENCE,
        source="Golob et al., MAMA-MIA (arXiv 2410.05506)",
        documentation="clique_ratio.md",
    ),
    AttackEntry(
        name="prediction-error",
        load=_prediction_error,
        statistics=RANKING,
        threat_model=_WITH_REFERENCE,
        source="German et al., MIA-EPT, error prediction profiles, 2025",
        documentation="prediction_error.md",
    ),
    AttackEntry(
        name="meta-attack",
        load=_meta_attack,
        statistics=RANKING,
        threat_model=ThreatModel(
            Goal.MEMBERSHIP,
            Access.NO_BOX,
            "the target's full record, a reference table, and some records that are known to be members and controls",
        ),
        source="Wolpert, Stacked Generalization, Neural Networks 5 (1992); German et al., MIA-EPT, 2025",
        documentation="meta_attack.md",
    ),
)

ATTACKS: Mapping[str, AttackEntry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""Every attack of the fast tier, in the order of reports."""


@dataclass(frozen=True, slots=True)
class DeepAttackEntry:
    """An attack that runs the generator many times: for whoever asks for it, never part of a suite on one release.

    Attributes:
        name: as in reports and the name of its page in the documentation.
        threat_model: who attacks.
        source: paper, section.
        documentation: page under docs/attacks/.
    """

    name: str
    threat_model: ThreatModel
    source: str
    documentation: str


_DEEP_ENTRIES = (
    DeepAttackEntry(
        name="targeted-shadow",
        threat_model=ThreatModel(
            Goal.MEMBERSHIP, Access.GENERATOR, "the target's full record and public rows of a population like it"
        ),
        source="Meeus et al., Achilles' Heels, ESORICS 2023 (arXiv 2306.10308); Stadler et al., USENIX Security 2022",
        documentation="targeted_shadow.md",
    ),
)

DEEP_ATTACKS: Mapping[str, DeepAttackEntry] = MappingProxyType({entry.name: entry for entry in _DEEP_ENTRIES})
"""Every attack of the deep tier."""


def attack_entry(name: str) -> AttackEntry:
    """Return one entry.

    Raises:
        InvalidInput: for an unknown name; the message lists the known ones.
    """
    try:
        return ATTACKS[name]
    except KeyError:
        raise InvalidInput(f"'{name}' is not an attack; known: {', '.join(ATTACKS)}") from None

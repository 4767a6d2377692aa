"""The annex: where readers of legal texts and standards find what they ask for, and what is not in there.

It maps questions to fields and claims nothing. Whether a text applies, and whether its requirements are met, is for the
people responsible to decide, with facts about recipients, contracts and other data that no certificate holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AnnexRow:
    """One question of a text.

    Attributes:
        question: what the text asks, in a few words, with its clause where it has one.
        fields: fields of the certificate that bear on it, as paths.
        evidence: what is there.
        missing: what is not, and has to come from elsewhere.
    """

    question: str
    fields: tuple[str, ...]
    evidence: str
    missing: str


@dataclass(frozen=True, slots=True)
class AnnexText:
    """One text that readers come with.

    Attributes:
        title: of the text.
        about: one sentence on how it relates to a synthetic table.
        rows: its questions.
    """

    title: str
    about: str
    rows: tuple[AnnexRow, ...]


PREAMBLE = (
    "This annex helps readers of the following texts to find their way. It says where in the certificate a question is "
    "touched, and what the certificate leaves open. It does not say that any requirement is met, and nobody may "
    "read it so: that is for the people responsible to decide, with facts that are not in here."
)

_CONTEXT = "Who receives the table, what else they hold, and what a contract forbids them."

ANNEX: tuple[AnnexText, ...] = (
    AnnexText(
        title="Article 29 Working Party, Opinion 05/2014 on anonymisation techniques (WP216)",
        about="It asks of a technique whether singling out, linkability and inference remain possible.",
        rows=(
            AnnexRow(
                "Can somebody be singled out?",
                ("claim.epsilon", "claim.delta", "scope.unit", "canaries", "record_gate"),
                "The bound on what any one unit's presence can change, and whether planted rows, or noisy counts of "
                "real ones, stand out.",
                "Attacks that single out real rows are in the curator's internal report; they are never published.",
            ),
            AnnexRow(
                "Can records about one person be linked?",
                ("claim.epsilon", "scope.unit"),
                "The same bound holds for whoever links the table with anything else.",
                "A test of linkage with a named other data set. The internal report holds one between columns.",
            ),
            AnnexRow(
                "Can something be inferred about a person?",
                ("claim.epsilon", "limits"),
                "How much a person's own row can add to such an inference.",
                "What is true of most people can be inferred about each of them; the certificate does not bound that.",
            ),
        ),
    ),
    AnnexText(
        title="European Data Protection Board, Opinion 28/2024 on AI models",
        about="It is about models trained on personal data; a released table is an output of one.",
        rows=(
            AnnexRow(
                "Is the likelihood of extracting personal data insignificant, for each data subject?",
                ("claim", "accountants", "canaries"),
                "A bound that holds for every unit alike, rare ones included, and a test that sought planted rows.",
                "What counts as insignificant. Results for the most isolated people are in the internal report only.",
            ),
            AnnexRow(
                "Were all means reasonably likely to be used considered, also by others?",
                ("claim", "limits", "checks"),
                "The bound assumes no limit on what an attacker knows or computes.",
                _CONTEXT,
            ),
            AnnexRow(
                "Is it documented, with tests against attacks?",
                ("checks", "canaries", "commitment", "attempts", "generator", "software"),
                "What was checked, with limits and reasons, what was fixed beforehand, every attempt, and what "
                "computed it.",
                "Design decisions of the controller, the impact assessment, and its review.",
            ),
        ),
    ),
    AnnexText(
        title="UK Information Commissioner's Office, anonymisation guidance (28 March 2025)",
        about="It asks where on a spectrum of identifiability the information stands, in the hands of its recipients.",
        rows=(
            AnnexRow(
                "Where on the spectrum of identifiability?",
                ("claim.epsilon", "claim.delta", "scope.unit"),
                "How well anybody can tell who was in the training table, as a curve.",
                _CONTEXT,
            ),
            AnnexRow(
                "What could a motivated intruder do?",
                ("canaries", "limits"),
                "What somebody with the table and the planted rows found, and which leak would have been seen.",
                "A test by people, with the sources that an intruder of this place and time would use.",
            ),
            AnnexRow(
                "Is it recorded, and reviewed as time passes?",
                ("issued_at", "validity", "attempts", "ledger"),
                "When it was made, until when it stands, after which attempts, and where it stands in the ledger.",
                "Who makes the review that is due by then.",
            ),
        ),
    ),
    AnnexText(
        title="HIPAA Privacy Rule, 45 CFR 164.514(b)(1), expert determination",
        about="It asks a person with appropriate knowledge to find that the risk is very small, and to document it.",
        rows=(
            AnnexRow(
                "Methods and results of the analysis (ii)",
                ("claim", "accountants", "ledger", "checks", "canaries", "limits"),
                "Mechanism, cost by independent methods, tests with limits, and what they cannot show.",
                "The expert, their principles, and their determination. No software makes it.",
            ),
            AnnexRow(
                "Risk that an anticipated recipient identifies an individual (i)",
                ("claim.epsilon", "claim.delta"),
                "A bound on what a person's presence changes, whoever the recipient is.",
                "A probability of identification; that is another quantity, and it depends on the recipient.",
            ),
        ),
    ),
    AnnexText(
        title="European Medicines Agency Policy 0070 and Health Canada, Public Release of Clinical Information",
        about="Both work with a threshold of 0.09 on the risk of identification, and a report on the method.",
        rows=(
            AnnexRow(
                "Is the risk of identification below 0.09?",
                ("policy", "checks"),
                "A policy of that name takes 0.09 as the limit on excess risk of attacks.",
                "Identity risk itself. Attacks measure how members differ from others, which is not the risk of the "
                "threshold; the two must not be exchanged.",
            ),
            AnnexRow(
                "Anonymisation report",
                ("generator", "claim", "utility", "error_bars"),
                "Method, parameters, and how far the table is from what was measured.",
                "The agency's template, and the effect on the clinical questions of the study.",
            ),
        ),
    ),
    AnnexText(
        title="ISO/IEC 27559:2022, privacy enhancing data de-identification framework",
        about="A framework of assessments before and after data are made available.",
        rows=(
            AnnexRow(
                "6.2 Threat modelling",
                ("limits", "canaries", "scope.recipients", "scope.environment"),
                "The attacker of the guarantee: anybody, with any other knowledge; recipients as they were declared.",
                "Security and privacy practices of the recipient; motives and capacity.",
            ),
            AnnexRow(
                "7.2 Data features",
                ("scope", "artefacts.schema_sha256"),
                "Unit, columns, and the digest of the schema that describes them.",
                "Which columns are identifying or sensitive for these people.",
            ),
            AnnexRow(
                "7.3.2 Maximum or average risk",
                ("claim.epsilon",),
                "The bound is on the maximum: it holds for every unit.",
                "Average risks are in the internal report only.",
            ),
            AnnexRow(
                "7.3.3 Population or sample-based attack",
                ("limits",),
                "The guarantee bounds sample-based attacks: whether somebody is in the training table.",
                "Whether being in the training table is itself known or sensitive.",
            ),
            AnnexRow(
                "8.2.2 Quantifying identifiability",
                ("claim", "accountants"),
                "Epsilon and delta, by independent methods.",
                "A probability of identification in a named environment.",
            ),
            AnnexRow(
                "8.2.3 Adversarial testing",
                ("canaries", "checks"),
                "The test with planted rows, with its power.",
                "Attacks on real rows; they are internal.",
            ),
            AnnexRow(
                "9.2, 9.3 Governance before and after data are made available",
                ("attempts", "override", "ledger", "issued_at", "validity"),
                "Attempts, decisions by named persons, the state of the ledger, and when to look again.",
                "Roles, procedures, and monitoring after the release.",
            ),
        ),
    ),
    AnnexText(
        title="NIST SP 800-226, Guidelines for Evaluating Differential Privacy Guarantees (March 2025)",
        about="It reads a guarantee as a pyramid: epsilon and the unit on top, below them what can undermine them.",
        rows=(
            AnnexRow(
                "Epsilon, delta and the unit of privacy",
                ("claim.epsilon", "claim.delta", "scope.unit", "scope.neighboring_relation"),
                "All four, stated.",
                "Whether the unit is a person in this data set.",
            ),
            AnnexRow(
                "Algorithms, correctness and bugs",
                ("claim.charges", "accountants", "checks", "canaries", "commitment", "software", "dependencies"),
                "Every question that was asked, costs by independent methods, a test that can refute the claim and was "
                "fixed beforehand, and every package with its version.",
                "A proof that the software has no fault.",
            ),
            AnnexRow(
                "Trust model and side channels",
                ("noise", "limits"),
                "Central model; the source of the noise; what is not protected, such as time.",
                "The security of the machine, and who could reach it.",
            ),
            AnnexRow(
                "Exposure of the data",
                ("unprotected_quantities", "ledger.remaining"),
                "What is published as it is, and how much of the budget is left.",
                "How the data were collected and kept, and what else was published about the same people.",
            ),
        ),
    ),
)


def annex_page() -> str:
    """Return the annex as a page of the documentation, in Markdown."""
    return "\n".join(_page_lines()) + "\n"


def _page_lines() -> Iterator[str]:
    yield "# Annex: legal texts and standards"
    yield ""
    yield PREAMBLE
    yield ""
    yield "Every report ends with this annex. The fields are those of [the certificate](certificate.md)."
    for text in ANNEX:
        yield ""
        yield f"## {text.title}"
        yield ""
        yield text.about
        yield ""
        yield "| question | fields | what is there | what is not |"
        yield "|---|---|---|---|"
        for row in text.rows:
            fields = ", ".join(f"`{field}`" for field in row.fields)
            yield f"| {row.question} | {fields} | {row.evidence} | {row.missing} |"

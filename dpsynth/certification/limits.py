"""Fixed text: what a certificate does not say, and what was published without protection.

The wording is part of the product and is pinned by a test. It promises nothing about any law, and it never says that
nobody can be found.
"""

from __future__ import annotations

LIMITS = (
    "The guarantee is the claimed epsilon and delta, for the stated unit, under the stated neighboring relation. It "
    "bounds how much any one person's presence can change what is released. It does not bound what can be concluded "
    "about a person from patterns that hold for everybody else.",
    "Protection is per unit. Where one person can appear in several units, or where members of a family or a village "
    "resemble one another, the bound for the group is weaker: it grows with the number of units.",
    "The guarantee rests on the mechanism and on the accounting of the listed charges. The tests of this certificate "
    "can refute it; they cannot prove it. An empirical epsilon is a lower bound, not an estimate of the true epsilon.",
    "The canary gate finds generators that copy their rows, down to about one row in ten. It does not find rarer "
    "copying, it cannot see a fault in the noise of a marginal, and it says nothing about attacks yet unknown.",
    "The record gate, where it was asked, compares people in training with people who were held back. It does not see "
    "a leak about a smaller share of the people than it tolerates, nor one about people unlike all others, nor a table "
    "that gives away both groups alike, as a schema that was made by looking at the rows could.",
    "Neither gate sees a wrong epsilon that does not show in records. Only audits of the implementation do; those of "
    "this very version of the software are listed, and there may be none.",
    "This certificate is about one table of the stated size, identified by its SHA-256. More rows, another draw from "
    "the same model, or the model itself need a certificate of their own.",
    "The schema is taken to be public knowledge that was written down without looking at the rows. If a bound or a "
    "list of values was read from the rows, the guarantee does not hold.",
    "The software guards against accidents. It does not protect against a curator who alters it, nor against somebody "
    "who can watch the machine while it runs: the time that a release takes is not protected.",
    "Usefulness is stated for the measured marginals only. Conclusions drawn from a synthetic table should be checked "
    "against the real one, through a further release that is charged like this one.",
    "This is a technical statement about one computation. Whether a table may lawfully be shared, and with whom, is "
    "for the people responsible to decide; no rule, standard or law is claimed to be met.",
)

_BEFORE_THE_RECORD_GATE = (*LIMITS[:4], *LIMITS[6:])
"""As on certificates of before: a limit that is added says more, and takes nothing back."""

PUBLISHED_LIMITS = (LIMITS, _BEFORE_THE_RECORD_GATE)
"""Every version of the text that was ever published, the present one first; each verifies for ever."""

UNPROTECTED_QUANTITIES = (
    "the schema: names, kinds, bounds, values and bins of all columns, and the declared number of units",
    "the name of the data set, of the release and of the generator, and the generator's hyperparameters",
    "the budget, the list of charges, the time of each and the account name under which it was made",
    "the fact that this release was made, and which attempts went before it",
)

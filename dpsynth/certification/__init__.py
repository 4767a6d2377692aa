"""May this leave? Policy, canary gate, internal audit, certificate, signature, bundle and verification.

Reads public and charged values. Only `audit` opens sealed findings, and only to write them to the internal folder.
`bundle` is imported by `dpsynth.release` alone, so it is not named here.
"""

from dpsynth.certification.canaries import CanaryPlan, JudgedTable, draw_canaries
from dpsynth.certification.certificate import Certificate, Override, certify
from dpsynth.certification.policy import Check, Policy, Verdict, default_policy
from dpsynth.certification.verification import Verification
from dpsynth.certification.verify import verify_release

__all__ = [
    "CanaryPlan",
    "Certificate",
    "Check",
    "JudgedTable",
    "Override",
    "Policy",
    "Verdict",
    "Verification",
    "certify",
    "default_policy",
    "draw_canaries",
    "verify_release",
]

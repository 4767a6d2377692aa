"""What a mechanism costs: unit, budget, events, accountants, filter.

`cost`, `zcdp` and `filter` prove what is claimed and decide what is granted, with exact sums. `rdp` and `pld` compute
the same cost on other ways, and `agreement` lets no certificate pass on which they do not agree.
"""

"""What a mechanism costs: unit, budget, events, accountants, filter.

`cost`, `gaussian_dp` and `filter` prove what is claimed and decide what is granted, with exact sums; `zcdp` does so
where a budget was made before, and `locked_plan` where all events were fixed in advance; `gaussian_cover` finds the
mu of what is nearly Gaussian. `pld` and `rdp` compute the
same cost on other ways, and `agreement` lets no certificate pass on which they do not agree.
"""

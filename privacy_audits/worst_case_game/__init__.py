"""The worst-case distinguishing game, for every generator of marginals."""

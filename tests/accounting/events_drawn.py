"""Events drawn at random, for laws that hold for all of them."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import strategies as st

from dpsynth.accounting.events import (
    ApproximateDpEvent,
    ComposedDpEvent,
    DiscreteGaussianDpEvent,
    DiscreteLaplaceDpEvent,
    DpEvent,
    ExponentialDpEvent,
    GaussianDpEvent,
    GdpEvent,
    LaplaceDpEvent,
    NonPrivateDpEvent,
    NoOpDpEvent,
    PoissonSampledDpEvent,
    SelfComposedDpEvent,
    ZCDpEvent,
)

noise_multipliers = st.floats(min_value=1.0, max_value=50.0)
variances = st.fractions(min_value=2, max_value=3000, max_denominator=100)
small_fractions = st.fractions(min_value=Fraction(1, 1000), max_value=Fraction(1, 2), max_denominator=10_000)
sampled_gaussians = st.builds(
    PoissonSampledDpEvent,
    st.floats(min_value=0.001, max_value=0.2),
    st.builds(GaussianDpEvent, st.floats(min_value=1.0, max_value=10.0)),
)
epsilons = st.decimals(min_value="0.001", max_value="0.5", places=3)
deltas = st.decimals(min_value=0, max_value="1e-9", places=12)

pure_events: st.SearchStrategy[DpEvent] = st.one_of(
    st.builds(LaplaceDpEvent, st.floats(min_value=2.0, max_value=500.0)),
    st.builds(DiscreteLaplaceDpEvent, st.fractions(min_value=5, max_value=50, max_denominator=10), st.integers(0, 4)),
    st.builds(ExponentialDpEvent, small_fractions),
    st.builds(ApproximateDpEvent, epsilons, st.just("0")),
)
concentrated_events: st.SearchStrategy[DpEvent] = st.one_of(
    st.builds(GaussianDpEvent, noise_multipliers),
    st.builds(DiscreteGaussianDpEvent, variances, st.integers(0, 9)),
    st.builds(ExponentialDpEvent, small_fractions),
    st.builds(ZCDpEvent, st.fractions(min_value=0, max_value=Fraction(1, 10), max_denominator=10_000)),
    st.builds(GdpEvent, st.fractions(min_value=0, max_value=Fraction(1, 5), max_denominator=10_000)),
)
simple_events: st.SearchStrategy[DpEvent] = st.one_of(pure_events, concentrated_events, st.just(NoOpDpEvent()))
any_events: st.SearchStrategy[DpEvent] = st.recursive(
    st.one_of(
        simple_events,
        sampled_gaussians,
        st.builds(ApproximateDpEvent, epsilons, deltas),
        st.just(NonPrivateDpEvent()),
    ),
    lambda inner: st.one_of(
        st.builds(SelfComposedDpEvent, inner, st.integers(0, 5)),
        st.builds(PoissonSampledDpEvent, st.floats(min_value=0.0, max_value=1.0), inner),
        st.lists(inner, max_size=4).map(lambda events: ComposedDpEvent(tuple(events))),
    ),
    max_leaves=8,
)

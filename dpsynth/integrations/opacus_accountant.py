"""An accountant for Opacus that reserves the whole training in the ledger before the first row is read.

The accountants of Opacus count after the work, keep nothing, and two of them are not used here for a reason: the GDP
accountant finds less than the truth, and the PRV accountant fails at larger epsilons. Epsilon is computed by our own
privacy-loss accountant.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import TracebackType
from typing import Any

from dpsynth.accounting.budget import epsilon_rounded_up, exact_decimal
from dpsynth.accounting.events import DpEvent, GaussianDpEvent, NoOpDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent
from dpsynth.accounting.gaussian_cover import covered
from dpsynth.accounting.pld import PldAccountant
from dpsynth.errors import InvalidInput, LedgerError, MissingExtra
from dpsynth.integrations.shared_account import SharedAccount
from dpsynth.ledger.ledger import Ledger
from dpsynth.ledger.statement import BudgetPolicy

try:
    from opacus import PrivacyEngine
    from opacus.accountants import IAccountant
    from opacus.data_loader import DPDataLoader
    from opacus.utils.uniform_sampler import UniformWithReplacementSampler
except ImportError as missing:
    raise MissingExtra("opacus", "neural") from missing

_CLIPPING = "flat"
_FIXED = ("noise_multiplier", "poisson_sampling", "noise_generator")


class LedgerAccountant(IAccountant):  # type: ignore[misc]
    """An `opacus.accountants.IAccountant` for one training that is paid before it begins.

    Making one reserves and opens the charge of all `steps`; `make_private` then takes the place of the method of the
    same name of Opacus. Use it as a context manager, or call `close`.

    A training on sampled batches is charged as one event, as Gaussian privacy but for the delta that is named, which
    the budget must have set aside as event delta. Where that does not fit, or a unit has several rows, it is charged as
    (epsilon, delta). It is paid in full once a step was taken: the total of a shorter training holds only if its
    length was fixed before. Without a delta, it is charged as if every batch held everybody: that
    costs more for small batches, needs no delta, and steps not taken are free again. Under the policy `plan`, the plan
    must hold the training itself: `SelfComposedDpEvent(PoissonSampledDpEvent(rate, GaussianDpEvent(noise)), steps)`.

    Source: docs/how-to/one-ledger-for-the-shop.md; docs/design/gaussian_cover.md (why the cover is sound).
    """

    def __init__(
        self,
        ledger: Ledger,
        dataset: str,
        *,
        unit: str,
        rows_public: bool,
        noise_multiplier: float,
        sample_rate: float,
        steps: int,
        delta: float | str | Decimal | None = None,
        rows_per_unit: int = 1,
        purpose: str = "",
        ticket: str = "",
        legal_basis: str = "",
    ) -> None:
        """Charge a training of `steps` steps to `dataset`, or refuse it.

        Args:
            ledger: stays open until the training is closed.
            dataset: the data set.
            unit: who is protected, in the words of the ledger.
            rows_public: must be True: Opacus uses the number of rows without protection.
            noise_multiplier: standard deviation of the noise over the clipping norm.
            sample_rate: probability with which each row is in a batch; `1 / len(data_loader)` for Opacus.
            steps: largest number of optimizer steps.
            delta: of the training's own event; None to charge it without one.
            rows_per_unit: largest number of rows of one unit.
            purpose: why, for the ledger.
            ticket: where it was decided, for the ledger.
            legal_basis: the legal basis of the processing, for the ledger.

        Raises:
            BudgetExceeded: the training does not fit; no row may be read.
            InvalidInput: a parameter means nothing, or the number of rows is not public.
            LedgerError: no budget, another unit, or it could not be written; no row may be read.

        Privacy: charges all steps, from now until `close`.
        """
        super().__init__()
        self.history: list[tuple[float, float, int]] = []
        self._account = SharedAccount(
            ledger=ledger,
            dataset=dataset,
            tool="opacus",
            unit=unit,
            purpose=purpose,
            rows_public=rows_public,
            rows_per_unit=rows_per_unit,
            ticket=ticket,
            legal_basis=legal_basis,
        )
        self.noise_multiplier, self.sample_rate, self.steps = noise_multiplier, sample_rate, steps
        self._delta = None if delta is None else exact_decimal("delta", delta)
        self._is_planned = ledger.policy(dataset) is BudgetPolicy.PLAN
        self._taken = 0
        self._admitted = False
        self._closed = False
        self._process = os.getpid()
        self._lock = threading.Lock()
        if not 0 < sample_rate <= 1 or isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            raise InvalidInput("a training has a sample_rate above 0 and at most 1, and at least one step")
        self._reserved = self._whole_event()
        asked = f"{steps} steps of noise multiplier {noise_multiplier:g} at sample rate {sample_rate:.6g}"
        self._token = self._account.begin(self._reserved, what=f"training, {asked}", asked=asked)

    def __enter__(self) -> LedgerAccountant:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A fault may have shown something of a row, even before the first step.
        self._settle(self.steps if kind is not None else self._taken)

    def __len__(self) -> int:
        """Return the number of steps in the history, those of a loaded state included."""
        return sum(count for _, _, count in self.history)

    def __deepcopy__(self, memo: dict[int, object]) -> LedgerAccountant:
        return self

    def __reduce__(self) -> str:
        raise InvalidInput(
            "an accountant of a ledger belongs to one process; save its state_dict, which is only history"
        )

    @classmethod
    def mechanism(cls) -> str:
        """Return the name under which Opacus knows the accountant; it is not registered, so Opacus cannot make one."""
        return "dpsynth-ledger"

    @property
    def steps_left(self) -> int:
        """How many steps may still be taken."""
        return 0 if self._closed else self.steps - self._taken

    def make_private(
        self, *, module: Any, optimizer: Any, data_loader: Any, max_grad_norm: float, engine: Any = None, **options: Any
    ) -> tuple[Any, ...]:
        """Return what `PrivacyEngine.make_private` returns, with a step that is refused before it is made.

        Args:
            module: as in Opacus.
            optimizer: as in Opacus.
            data_loader: as in Opacus; its batches become Poisson samples.
            max_grad_norm: the clipping norm.
            engine: a `PrivacyEngine`; its accountant is replaced by this one. A new one if None.
            options: further options of Opacus; noise, sampling and clipping are fixed here.

        Raises:
            InvalidInput: an option would make the charge wrong, or the loader samples at a higher rate than reserved.
            LedgerError: the training is closed, or belongs to another process.
        """
        self._require_open()
        clipping = options.pop("clipping", _CLIPPING)
        wrong = [name for name in _FIXED if name in options]
        if wrong or clipping != _CLIPPING:
            raise InvalidInput(
                f"{', '.join(wrong) or 'clipping'} cannot be chosen here: the charge is for {_CLIPPING} clipping, "
                "Poisson batches, and fresh noise at the multiplier that was reserved"
            )
        engine = PrivacyEngine() if engine is None else engine
        engine.accountant = self
        made: tuple[Any, ...] = engine.make_private(
            module=module,
            optimizer=optimizer,
            data_loader=data_loader,
            noise_multiplier=self.noise_multiplier,
            max_grad_norm=max_grad_norm,
            poisson_sampling=True,
            clipping=clipping,
            **options,
        )
        self.admit(made[-1])
        self._guard(made[1])
        return made

    def admit(self, data_loader: Any) -> None:
        """Check that `data_loader` draws Poisson samples at no more than the reserved rate; no step before that.

        Raises:
            InvalidInput: it does not. Shuffled batches of fixed size get no amplification by sampling.
        """
        sampler: Any = getattr(data_loader, "batch_sampler", None)
        if not isinstance(data_loader, DPDataLoader) or type(sampler) is not UniformWithReplacementSampler:
            raise InvalidInput(
                "the training was charged for Poisson batches in one process, and this loader draws others; let Opacus "
                "make the loader, with poisson_sampling=True"
            )
        rate = float(sampler.sample_rate)
        if not rate <= self.sample_rate:
            raise InvalidInput(
                f"the loader takes each row with probability {rate:.6g}, but {self.sample_rate:.6g} was reserved"
            )
        self._admitted = True

    def get_optimizer_hook_fn(self, sample_rate: float) -> Callable[[Any], None]:  # noqa: ARG002  named by Opacus
        """Return the hook that Opacus calls between noise and update; it refuses before the model changes.

        `sample_rate` is not used: Opacus rounds it. The loader that was admitted says what it is.
        """

        def hook(optimizer: Any) -> None:
            try:
                rate = self.sample_rate * optimizer.accumulated_iterations
                self.step(noise_multiplier=optimizer.noise_multiplier, sample_rate=rate)
            except BaseException:
                # The noisy gradient of a step that was not paid must not stay where somebody can read it.
                for parameter in optimizer.params:
                    parameter.grad = parameter.grad_sample = parameter.summed_grad = None
                raise

        return hook

    def step(self, *, noise_multiplier: float, sample_rate: float) -> None:
        """Count one step, or refuse it; the model may change when this returns.

        Raises:
            LedgerError: all reserved steps were taken, or the training is closed or belongs to another process.
            InvalidInput: the loader was not admitted, or noise or rate are others than were reserved.
        """
        with self._lock:
            self._require_step(noise_multiplier)
            if not sample_rate <= self.sample_rate:
                raise InvalidInput(
                    f"a step at sample rate {sample_rate:.6g} is not what was reserved, {self.sample_rate:.6g}; "
                    "gradients of several batches must not be accumulated"
                )
            self._taken += 1
            before = self.history.pop()[2] if self._taken > 1 else 0
            self.history.append((self.noise_multiplier, self.sample_rate, before + 1))

    def get_epsilon(self, delta: float, *_: Any, **__: Any) -> float:
        """Return the epsilon at `delta` for one row of the steps in the history, rounded up.

        It is right for a number of steps that was fixed in advance. What the ledger charges is another number.
        """
        losses = PldAccountant()
        for noise_multiplier, sample_rate, count in self.history:
            losses.compose(_step_event(noise_multiplier, sample_rate), count)
        return losses.get_epsilon(delta)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Put the history of an earlier training before this one; only `get_epsilon` and `len` see it.

        The steps of this training stay what was reserved for it. The earlier training has paid for itself.

        Raises:
            LedgerError: a step was taken already.
        """
        if self._taken:
            raise LedgerError("a state is loaded before the first step")
        super().load_state_dict(state_dict)
        self.history = [(noise, rate, count) for noise, rate, count in self.history]

    def close(self) -> None:
        """End the training and settle its charge; closing again does nothing.

        Raises:
            LedgerError: it could not be written; the charge stands in full. Or another process made the reservation.

        Privacy: gives back everything where no step was taken, and nothing else for a charge with a delta.
        """
        self._settle(self._taken)

    def _whole_event(self) -> DpEvent:
        """Return what all steps are charged."""
        step = _step_event(self.noise_multiplier, self.sample_rate)
        if self._is_planned:
            if self._account.rows_per_unit != 1 or self._delta is not None:
                raise InvalidInput(
                    "a plan holds the training itself, for units of one row and without a delta of its own"
                )
            return SelfComposedDpEvent(step, self.steps)
        if self._delta is None:
            return self._unsampled(self.steps)
        if not self._delta:
            raise InvalidInput("the delta of a training is above 0, or is left out")
        if self._account.rows_per_unit == 1:
            cover = covered(SelfComposedDpEvent(step, self.steps), self._delta)
            if self._account.has_room(cover):
                return cover
        # Adds up badly with other spends, but may still fit where the budget sets no delta aside for Gaussians, or
        # where its pure sum has more room.
        epsilon = PldAccountant().compose(step, self.steps).get_epsilon(self._delta)
        return self._account.event_of(epsilon_rounded_up(epsilon), self._delta)

    @property
    def _gives_back(self) -> bool:
        return self._delta is None and not self._is_planned

    def _unsampled(self, steps: int) -> DpEvent:
        # A batch that may lack a row says no more about it than one that holds it, so sampling may be left out; then
        # squared mu of single steps adds up, also where somebody stops after looking at the model.
        return SelfComposedDpEvent(GaussianDpEvent(self.noise_multiplier / self._account.rows_per_unit), steps)

    def _require_open(self) -> None:
        if self._closed or os.getpid() != self._process:
            raise LedgerError("this training is closed, or was reserved by another process; reserve it anew")

    def _require_step(self, noise_multiplier: float) -> None:
        self._require_open()
        if not self._admitted:
            raise InvalidInput("show the loader that Opacus made to `admit`, or use `make_private` of this accountant")
        if self._taken >= self.steps:
            raise LedgerError(
                f"all {self.steps} steps that were reserved on data set '{self._account.dataset}' are taken; a longer "
                "training is reserved with a new accountant. The model is as it was after the last step"
            )
        if noise_multiplier != self.noise_multiplier:
            raise InvalidInput(
                f"the optimizer adds noise of multiplier {noise_multiplier:g}, but {self.noise_multiplier:g} was "
                "reserved"
            )

    def _guard(self, optimizer: Any) -> None:
        """Let the optimizer ask before it clips and adds noise; the hook of Opacus comes after both."""
        proceed = optimizer.pre_step

        def pre_step(closure: Any = None) -> Any:
            self._require_step(optimizer.noise_multiplier)
            return proceed(closure)

        optimizer.pre_step = pre_step

    def _settle(self, steps: int) -> None:
        if self._closed:
            return
        self._require_open()
        with self._lock:
            self._closed = True
            event = self._unsampled(steps) if self._gives_back else self._reserved if steps else NoOpDpEvent()
            said = f"training, {self._taken} of {self.steps} steps taken"
            self._account.finish(self._token, event, what=said)


def _step_event(noise_multiplier: float, sample_rate: float) -> DpEvent:
    return PoissonSampledDpEvent(sample_rate, GaussianDpEvent(noise_multiplier))

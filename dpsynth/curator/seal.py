"""What sealed values refuse: to be iterated, counted, compared with arrays, copied, pickled or printed.

The guards stop accidents and make review possible. They are no sandbox: whoever edits this package can open anything.
"""

from __future__ import annotations

from typing import Generic, Never, TypeVar

from dpsynth.errors import SealedError

T_co = TypeVar("T_co", covariant=True)


class Sealed(Generic[T_co]):
    """A value in an envelope; only the module that owns the opener of this kind of envelope can take it out."""

    __slots__ = ("__content",)

    # None rather than a method that raises: type checkers then refuse the misuse as well.
    __iter__ = None
    __len__ = None
    __bool__ = None
    __array__ = None
    __array_ufunc__ = None
    __array_function__ = None
    __getitem__ = None
    __float__ = None
    __int__ = None
    __index__ = None

    def __init__(self, content: T_co) -> None:
        """Seal `content`."""
        self.__content = content

    def __repr__(self) -> str:
        """Return the kind of envelope and nothing of its content."""
        return f"<{type(self).__name__}: sealed>"

    def __reduce_ex__(self, protocol: object) -> Never:
        """Refuse pickling and copying."""
        raise SealedError(f"a {type(self).__name__.lower()} value cannot be copied, pickled or sent elsewhere")

    def __copy__(self) -> Never:
        """Refuse copying."""
        raise SealedError(f"a {type(self).__name__.lower()} value cannot be copied")

    def __deepcopy__(self, memo: object) -> Never:
        """Refuse copying."""
        raise SealedError(f"a {type(self).__name__.lower()} value cannot be copied")


def content_of(sealed: Sealed[T_co]) -> T_co:
    """Return what is inside; only the two openers, `_sealed.unseal` and `findings.reveal`, may import this."""
    return sealed._Sealed__content  # type: ignore[attr-defined,no-any-return]  # noqa: SLF001

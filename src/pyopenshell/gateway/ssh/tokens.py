"""Tokens for one way into one sandbox: 256 random bits that end by themselves and can be revoked.

Only the SHA-256 of a token is stored; it is found by that, so no comparison tells by its time how near a guess was.
A token ends by the wall clock, and also when its time has passed on a clock that nobody sets (CLOCK_BOOTTIME): a clock
that is put back does not prolong it while this gateway runs, and after that by one lifetime at most.
"""

from __future__ import annotations

import hashlib
import secrets
import time

from pyopenshell.errors import OpenShellError
from pyopenshell.gateway.store import Store, Token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pyopenshell.gateway.store import AsyncStore

LIFETIME = 3600.0
"""Seconds that a token is good for."""
LONGEST = 24 * 3600.0
"""The longest lifetime that can be asked for."""
MOST = 256
"""How many tokens of one sandbox are good at a time."""
RATE, BURST = 20.0, 200.0
"""Tokens a second, and at once, that a gateway makes: each stays in the store until its time is over."""
_BITS = 256


def _steady() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Tokens:
    """The tokens of a gateway's sandboxes."""

    def __init__(
        self,
        store: AsyncStore,
        *,
        lifetime: float = LIFETIME,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = _steady,
    ) -> None:
        """Keep tokens in a store. ``lifetime`` and both clocks count seconds."""
        if not 1 <= lifetime <= LONGEST:
            raise ValueError(f"a token lives 1 to {LONGEST:.0f} seconds, not {lifetime}")
        self._store, self._lifetime, self._wall, self._steady = store, lifetime, wall, steady
        self._start = wall(), steady()
        self._deadlines: dict[str, dict[str, float]] = {}  # by the sandbox's id and the digest, on the steady clock
        self._credit, self._credited = BURST, self._start[1]

    async def issue(self, sandbox_id: str) -> tuple[str, int]:
        """Return a new token, and when it ends (milliseconds since 1970).

        Raises OpenShellError where there are too many, NoSuchSandbox.
        """
        self._pay()
        good = await self._good(sandbox_id)
        if len(good) >= MOST:
            raise OpenShellError(
                f"the sandbox has {MOST} SSH sessions that were not revoked and have not expired",
                hint=f"revoke those that ended, or wait: each ends after {self._lifetime:.0f} seconds",
                code="limit.ssh-sessions",
            )
        text = secrets.token_urlsafe(_BITS // 8)
        digest, created = digest_of(text), self._now()
        expires = created + int(self._lifetime * 1000)
        good[digest] = self._steady() + self._lifetime
        try:
            await self._store.call(Store.add_token, Token(digest, sandbox_id, created, expires, None))
        except BaseException:
            self._forget(sandbox_id, digest)
            raise
        return text, expires

    async def check(self, text: str, sandbox_id: str) -> None:
        """Return when a token opens this sandbox now. Raises OpenShellError, which says why it does not."""
        if not text:
            raise _refused("a token is needed", "CreateSshSession gives one", code="auth.missing")
        token = await self._store.call(Store.token, digest_of(text))
        if token is None or token.sandbox_id != sandbox_id:
            raise _refused("the token is not one of this sandbox", "CreateSshSession gives one")
        if token.revoked is not None:
            raise _refused("the token was revoked", "CreateSshSession gives a new one")
        if token.expires <= self._now() or self._deadline(token) <= self._steady():
            raise _refused("the token has expired", "CreateSshSession gives a new one")

    async def revoke(self, text: str) -> bool:
        """Revoke a token for good. Return whether there was one that was not revoked and had not expired."""
        digest = digest_of(text)
        token = await self._store.call(Store.token, digest)
        if token is None:
            return False
        good = token.expires > self._now() and self._deadline(token) > self._steady()
        self._forget(token.sandbox_id, digest)
        return await self._store.call(Store.revoke_token, digest, self._now()) and good

    async def _good(self, sandbox_id: str) -> dict[str, float]:
        """Return the deadlines of a sandbox's good tokens, and forget those of all others."""
        if sandbox_id not in self._deadlines:
            await self._store.call(Store.purge_tokens, self._now())
            stored = await self._store.call(Store.tokens, sandbox_id)
            found = {token.digest: self._deadline(token) for token in stored if token.revoked is None}
            self._deadlines.setdefault(sandbox_id, found)
        now = self._steady()
        for id_ in list(self._deadlines):
            left = {digest: deadline for digest, deadline in self._deadlines[id_].items() if deadline > now}
            self._deadlines[id_] = left
            if not left and id_ != sandbox_id:
                del self._deadlines[id_]
        return self._deadlines[sandbox_id]

    def _deadline(self, token: Token) -> float:
        known = self._deadlines.get(token.sandbox_id, {}).get(token.digest)
        if known is not None:
            return known
        wall, steady = self._start
        if token.created > wall * 1000:
            return steady  # made by this gateway, and forgotten since: its time is over, whatever the clock says
        return steady + min(token.expires / 1000 - wall, LONGEST)  # an older one: what was left when this one started

    def _forget(self, sandbox_id: str, digest: str) -> None:
        self._deadlines.get(sandbox_id, {}).pop(digest, None)

    def _pay(self) -> None:
        now = self._steady()
        self._credit = min(BURST, self._credit + (now - self._credited) * RATE)
        self._credited = now
        if self._credit < 1:
            raise OpenShellError(
                f"more than {RATE:.0f} SSH sessions a second are asked for",
                hint="try again in a second",
                code="limit.ssh-sessions",
            )
        self._credit -= 1

    def _now(self) -> int:
        return int(self._wall() * 1000)


def digest_of(text: str) -> str:
    """Return what is stored of a token: its SHA-256, hexadecimal."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _refused(message: str, hint: str, code: str = "auth.denied") -> OpenShellError:
    return OpenShellError(message, hint=hint, code=code)

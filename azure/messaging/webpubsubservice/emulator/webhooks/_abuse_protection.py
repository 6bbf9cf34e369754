"""Abuse protection: a handler at a URL must say that it wants this service's events before it gets any.

Asked once for each URL and each name by which clients know the service, and then again from time to time; a refusal is
remembered for a while, so that a handler that is down is not asked for every event (service facts, Abuse protection).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from ._answers import Answer, BadAnswer
from ._targets import Unreachable

_TIMEOUT = 10.0
_AGAIN = 60.0
_FIRST_BACK_OFF = 1.0
_NOT_FOUND = 404
_MAX_RECORDS = 1000

Ask = Callable[[str, str, Mapping[str, str], bytes], Awaitable[Answer]]


@dataclass
class _Record:
    due: float = 0.0
    interval: float = _FIRST_BACK_OFF
    refusal: str | None = ""  # None: allowed; empty: not asked yet
    asking: asyncio.Task[None] | None = None


class AbuseProtection:
    """Remembers which URLs allow this service.

    :param monotonic: Clock in seconds.
    :param float timeout: Seconds to wait for an answer.
    """

    def __init__(self, monotonic: Callable[[], float], timeout: float = _TIMEOUT) -> None:
        self._monotonic = monotonic
        self._timeout = timeout
        self._records: dict[tuple[str, str], _Record] = {}

    async def refusal(self, url: str, shown: str, origin: str, ask: Ask) -> str | None:
        """Return why events must not be sent to the URL, or None if they may.

        :param str url: URL of the handler for the event ``validate``.
        :param str shown: The same without what must not be in a log.
        :param str origin: Host name of the service.
        :param ask: Sends the request.
        """
        record = self._records.get((url, origin))
        if record is None:
            if len(self._records) >= _MAX_RECORDS:
                self._records.pop(next(iter(self._records)))
            record = self._records[url, origin] = _Record()
        if record.asking is None and self._monotonic() >= record.due:
            record.asking = asyncio.create_task(self._ask(record, url, shown, origin, ask))
        # What was allowed stays so while it is asked again; else the answer is waited for.
        if record.asking is not None and record.refusal is not None:
            await asyncio.shield(record.asking)
        return record.refusal

    async def aclose(self) -> None:
        """Stop asking."""
        tasks = [record.asking for record in self._records.values() if record.asking is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, record: _Record, url: str, shown: str, origin: str, ask: Ask) -> None:
        headers = {"WebHook-Request-Origin": origin, "ce-awpsversion": "1.0"}
        was_allowed = record.refusal is None
        try:
            answer = await asyncio.wait_for(ask("OPTIONS", url, headers, b""), self._timeout)
            if answer.status == _NOT_FOUND:
                answer = await asyncio.wait_for(ask("GET", url, headers, b""), self._timeout)
            record.refusal = judge(answer, shown, origin)
        except (Unreachable, BadAnswer) as error:
            record.refusal = f"Abuse protection for '{shown}' failed: {error}."
        except (TimeoutError, asyncio.TimeoutError):
            record.refusal = f"Abuse protection for '{shown}' failed: no answer in {self._timeout:g} seconds."
        finally:
            if record.refusal is None:
                record.interval = _AGAIN
            else:
                record.interval = _FIRST_BACK_OFF if was_allowed else min(record.interval * 2, _AGAIN)
            record.due = self._monotonic() + record.interval
            record.asking = None


def judge(answer: Answer, shown: str, origin: str) -> str | None:
    """Return what is wrong with the answer to a validation request, in the service's words; None if nothing is."""
    if not answer.is_success:
        return f"Abuse protection for '{shown}' failed: {answer.shown}."
    values = [value for name, value in answer.headers if name.lower() == "webhook-allowed-origin"]
    allowed = [part.strip() for value in values for part in value.split(",")]
    # Handlers may write the name with a port, as Microsoft's for Express does.
    name = re.compile(rf"{re.escape(origin)}(:[0-9]{{1,5}})?|\*", re.IGNORECASE | re.ASCII)
    if not any(map(name.fullmatch, allowed)):
        return f"Abuse protection for '{shown}' missing allowed origins: {', '.join(allowed)}."
    return None

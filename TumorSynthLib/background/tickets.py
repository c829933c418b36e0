"""A question's way through the background process, as the caller sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from .hosts import StoredHost
from .messages import CaseQuestion, ExportTarget, WorkerError

# "superseded": a newer question about the same host came before this one was answered.
TicketState = Literal["waiting", "working", "done", "failed", "superseded", "cancelled"]


class Ticket:
    """What is handed out for a question: how it stands, and a way to call it off. A ticket that ends as "superseded" or
    "cancelled" never calls back."""

    def __init__(self, number: int, on_cancel: Callable[[int], None]) -> None:
        self.number = number
        self.state: TicketState = "waiting"
        self._on_cancel = on_cancel

    @property
    def is_open(self) -> bool:
        return self.state in ("waiting", "working")

    def cancel(self) -> None:
        if self.is_open:
            self.state = "cancelled"
            self._on_cancel(self.number)


@dataclass(eq=False)
class Job:
    """A question with everything needed to ask it, and to ask it again of a new process."""

    ticket: Ticket
    host: StoredHost
    on_done: Callable[..., None]
    on_error: Callable[[WorkerError], None]
    question: CaseQuestion | None = None
    brain_from: tuple[str, str] = field(default=("default", "auto"))
    target: ExportTarget | None = None  # when this is an export

    @property
    def number(self) -> int:
        return self.ticket.number

    def supersedes(self, other: Job) -> bool:
        """Whether nobody needs the other's answer any more."""
        if self.target is not None or other.target is not None:
            return False
        return (self.question is None) == (other.question is None) and self.host.key == other.host.key

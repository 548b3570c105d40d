"""erase: a person is removed from everything that the bridge keeps, and Optimizely is asked to wipe their history.

What is found leads to what else the person is known by (`shared.ledger.person`), so everything is looked through until
nothing new turns up; only then the first thing is changed. Every step can be done again: an erasure that was
interrupted goes on when the same command is given.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from shared.bridge import Bridge, new_owner
from shared.broadcast import ENDED, State
from shared.database.locks import acquire_lock
from shared.errors import BridgeError, ErasureBusy, ErasureUnderWay, LeaseLost
from shared.ledger import erasures, person_rows
from shared.ledger.erasures import UNREAD, WIPE, Receipt
from shared.ledger.person import GivenBy, Person, clear
from shared.operations.erasure.response_files import PersonInResponseFiles
from shared.operations.erasure.staged_lists import PersonInLists
from shared.telemetry import log

#: One erasure at a time.
_LEASE: Final = "erase"
#: How often an erasure whose lease ran out takes it anew.
_TRIES: Final = 5
#: Where a person is looked for, in the order in which they are erased. Histories are wiped while there is still what
#: tells the addresses. Files come before responses: what is loaded from then on has the person no more. Recipients are
#: last: these lead from one key to the other.
STEPS: Final = (WIPE, "response-files", "responses", "lists", "recipients")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an erasure would do."""

    person: Person
    #: How much is found, by step; of `optimizely`: addresses whose history is to be wiped.
    found: dict[str, int]
    #: What ERASE_RESPONSES says is done with responses.
    responses: str
    #: Broadcasts and files for FERG that have the person and are under way: nothing is erased before they end.
    under_way: list[str]
    #: Files and broadcasts of which nobody knows whether the person is in them.
    unread: list[str]
    #: Broadcasts that are not staged yet, and so not looked at.
    not_staged: int
    #: Whether an erasure of this person was interrupted.
    goes_on: bool


def plan(bridge: Bridge, given_by: GivenBy, given: str) -> Plan:
    """Look for a person everywhere. Nothing is changed.

    Args:
        bridge: the bridge.
        given_by: what was given.
        given: an address, a URN or a Communication Key.

    Raises:
        ErasureUnclear: it leads to so much that it cannot be one person.
        BridgeError: something could not be read.
    """
    person = Person(given_by, given.strip())
    goes_on = erasures.unfinished(bridge.ledger.database, person) is not None
    in_files, in_lists = PersonInResponseFiles(bridge), PersonInLists(bridge)
    while True:
        known = person.size
        listed = in_lists.look(person)
        responses = len(_responses(bridge, person))
        rows = in_files.look(person)
        if person.size == known:
            break
    database = bridge.ledger.database
    waiting = person_rows.files_waiting_with(database, person)
    moving = [f"broadcast {one.broadcast.key}" for one in listed if one.broadcast.state not in ENDED]
    found = {
        WIPE: len(person.mailed_at),
        "responses": responses,
        "response-files": rows,
        "lists": sum(one.listed + one.rejected + one.delivered for one in listed),
        "recipients": person_rows.count_recipients(database, person),
    }
    return Plan(
        person=person,
        found=found,
        responses=bridge.settings.erase_responses,
        under_way=moving + [f"{waiting} files for FERG that are still to be put"] * bool(waiting),
        unread=sorted(in_files.unread) + sorted(f"broadcast {key}" for key in in_lists.unread),
        not_staged=bridge.ledger.broadcasts.count(State.CLAIMED),
        goes_on=goes_on,
    )


def erase(bridge: Bridge, given_by: GivenBy, given: str, *, operator: str) -> Receipt:
    """Erase a person. What was erased already stays so when it is interrupted; the same call goes on.

    Where its lease runs out, on a machine that is too busy, it goes on by itself unless somebody else erases by then.

    Args:
        bridge: the bridge.
        given_by: what was given.
        given: an address, a URN or a Communication Key.
        operator: who erases.

    Raises:
        ErasureUnderWay: the person is in something that is under way; nothing was changed.
        ErasureBusy: somebody else erases, or works on a file; give the command again.
        ErasureUnclear: what was given leads to so much that it cannot be one person; nothing was changed.
        BridgeError: something could not be read or changed; give the command again.
    """
    for _ in range(_TRIES - 1):
        try:
            return _erase(bridge, given_by, given, operator)
        except LeaseLost as error:
            log.warning("The erasure goes on: %s", error, extra={"action": "erase-again", "code": error.code})
    return _erase(bridge, given_by, given, operator)


def _erase(bridge: Bridge, given_by: GivenBy, given: str, operator: str) -> Receipt:
    with bridge.ledger.leases.held(_LEASE, new_owner()) as lease:
        if lease is None:
            raise ErasureBusy(what="another erasure")
        planned = plan(bridge, given_by, given)
        if planned.under_way:
            raise ErasureUnderWay(what=", ".join(planned.under_way))
        database, person = bridge.ledger.database, planned.person
        found = planned.found | {UNREAD: len(planned.unread)}
        erasure_id = erasures.begin(database, person, found, operator=operator, now=bridge.clock.now())
        if planned.unread:
            extra = {"action": "erase-unread", "erasure": erasure_id, "unread": len(planned.unread)}
            log.warning("Erasure %s: %d files cannot be read.", erasure_id, len(planned.unread), extra=extra)
        steps: dict[str, Callable[[], int]] = {
            WIPE: lambda: _wipe(bridge, person, erasure_id),
            "response-files": lambda: PersonInResponseFiles(bridge).erase(person),
            "responses": lambda: _erase_responses(bridge, person),
            "lists": lambda: PersonInLists(bridge).erase(person),
            "recipients": lambda: person_rows.remove_recipients(database, person),
        }
        for step in STEPS:
            try:
                lease.check()
                erased = steps[step]()
            except BridgeError as error:
                # The error's own words may promise that somebody tries again. Nobody else does.
                extra = {"action": "erase-unfinished", "erasure": erasure_id, "step": step, "code": error.code}
                log.warning("Erasure %s stops at %s; the same command goes on with it.", erasure_id, step, extra=extra)
                raise
            erasures.done(database, erasure_id, step, erased, now=bridge.clock.now())
            extra = {"action": "erase", "erasure": erasure_id, "step": step, "erased": erased}
            log.info("Erasure %s: %s: %d erased.", erasure_id, step, erased, extra=extra)
        return erasures.finish(database, erasure_id, now=bridge.clock.now())


def _wipe(bridge: Bridge, person: Person, erasure_id: str) -> int:
    """Ask Optimizely to wipe the history of each address, which is the id of the recipient there."""
    for address in person.mailed_at:
        bridge.rest.wipe_recipient_history(address, reason=f"erasure {erasure_id}")
    return len(person.mailed_at)


def _responses(bridge: Bridge, person: Person) -> list[int]:
    with bridge.rs_database.reading() as connection:
        return _responses_within(connection, bridge, person)


def _responses_within(connection: Connection, bridge: Bridge, person: Person) -> list[int]:
    """Ids of their responses in RS_DB; what else they are known by is learnt."""
    if person.is_clear:
        rows: Iterable[tuple[int, str, str, str]] = bridge.rs_db.responses_of(
            connection,
            addresses=clear(person.addresses),
            urns=clear(person.urns),
            communication_keys=clear(person.communication_keys),
        )
    else:
        rows = bridge.rs_db.every_response(connection)
    return [response_id for response_id, address, urn, key in rows if person.learn(address, urn, key)]


def _erase_responses(bridge: Bridge, person: Person) -> int:
    """Erase their responses in RS_DB as ERASE_RESPONSES says, and what the ledger has of them, at once."""
    how = bridge.settings.erase_responses
    with bridge.rs_database.writing() as connection:
        # Loads write the same rows.
        acquire_lock(connection, "bridge.responses")
        found = _responses_within(connection, bridge, person)
        person_rows.remove_unmatched(connection, person)
        person_rows.remove_staged(connection, person)
        match how:
            case "keep":
                return 0
            case "anonymise":
                bridge.rs_db.anonymise(connection, found)
            case "delete":
                bridge.rs_db.remove_responses(connection, found)
    return len(found)

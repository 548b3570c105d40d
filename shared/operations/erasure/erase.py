"""erase: removes a person from everything that the bridge keeps, and has Optimizely wipe their history.

A row of the person can show by what else they are known (`shared.ledger.person`), so everything is searched until a
search shows nothing new; only then is anything changed. Every step can be repeated: the same command continues an
erasure that was interrupted.
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
from shared.ledger.leases import LeaseName
from shared.ledger.person import GivenBy, Person, clear
from shared.operations.erasure.response_files import PersonInResponseFiles
from shared.operations.erasure.staged_lists import PersonInLists
from shared.telemetry import log

#: One erasure at a time.
_LEASE: Final = LeaseName.for_chore("erase")
#: How often an erasure that lost its lease starts in all.
_ATTEMPTS: Final = 5
#: What is erased, in order. Histories are wiped while the addresses are still known. Files come before responses, so
#: that no later load brings the person back. Recipients come last, because they lead from one key to the other.
STEPS: Final = (WIPE, "response-files", "responses", "lists", "recipients")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an erasure would do."""

    person: Person
    #: How much was found, by step; for `optimizely`, the addresses whose history is to be wiped.
    found: dict[str, int]
    #: What becomes of responses: the app setting ERASE_RESPONSES.
    responses: str
    #: Broadcasts and files for FERG that contain the person and are under way: nothing is erased before they end.
    under_way: list[str]
    #: Files and broadcasts that could not be read, so that the person may be in them.
    unread: list[str]
    #: Broadcasts that are not staged yet, and so not searched.
    not_staged: int
    #: Whether an erasure of this person was interrupted.
    goes_on: bool


def plan(bridge: Bridge, given_by: GivenBy, given: str) -> Plan:
    """Search for the person with this address, URN or Communication Key everywhere. Nothing is changed.

    Raises:
        ErasureUnclear: it leads to so much that it cannot be one person.
        BridgeError: something could not be read.
    """
    person = Person(given_by, given.strip())
    goes_on = erasures.find_unfinished(bridge.ledger.database, person) is not None
    in_files, in_lists = PersonInResponseFiles(bridge), PersonInLists(bridge)
    while True:
        known = person.size
        broadcasts = in_lists.search(person)
        with bridge.rs_database.reading() as connection:
            responses = len(_find_responses(connection, bridge, person))
        rows = in_files.search(person)
        if person.size == known:
            break
    database = bridge.ledger.database
    waiting = person_rows.files_waiting_with(database, person)
    under_way = [f"broadcast {hit.broadcast.key}" for hit in broadcasts if hit.broadcast.state not in ENDED]
    if waiting:
        under_way.append(f"{waiting} files for FERG that are not delivered yet")
    found = {
        WIPE: len(person.mailed_at),
        "responses": responses,
        "response-files": rows,
        "lists": sum(hit.rows for hit in broadcasts),
        "recipients": person_rows.count_recipients(database, person),
    }
    return Plan(
        person=person,
        found=found,
        responses=bridge.settings.erase_responses,
        under_way=under_way,
        unread=sorted(in_files.unread) + sorted(f"broadcast {key}" for key in in_lists.unread),
        not_staged=bridge.ledger.broadcasts.count(State.CLAIMED),
        goes_on=goes_on,
    )


def erase(bridge: Bridge, given_by: GivenBy, given: str, *, operator: str) -> Receipt:
    """Erase a person. An interrupted erasure keeps what it did, and the same call continues it.

    An erasure that loses its lease on a busy machine continues by itself, unless another one has started by then.

    Raises:
        ErasureUnderWay: the person is in something that is under way; nothing was changed.
        ErasureBusy: another erasure runs, or a file is in use; repeat the command.
        ErasureUnclear: what was given leads to so much that it cannot be one person; nothing was changed.
        BridgeError: something could not be read or changed; repeat the command.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return _erase(bridge, given_by, given, operator)
        except LeaseLost as error:
            log.warning("The erasure continues: %s", error, extra={"action": "erase-again", "code": error.code})
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
            log.warning("Erasure %s: %d files could not be read.", erasure_id, len(planned.unread), extra=extra)
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
                # The error may promise that it is tried again by itself, which does not hold here.
                extra = {"action": "erase-unfinished", "erasure": erasure_id, "step": step, "code": error.code}
                log.warning("Erasure %s stopped at %s; the same command continues it.", erasure_id, step, extra=extra)
                raise
            erasures.record_step(database, erasure_id, step, erased, now=bridge.clock.now())
            extra = {"action": "erase", "erasure": erasure_id, "step": step, "erased": erased}
            log.info("Erasure %s: %s: %d erased.", erasure_id, step, erased, extra=extra)
        return erasures.finish(database, erasure_id, now=bridge.clock.now())


def _wipe(bridge: Bridge, person: Person, erasure_id: str) -> int:
    """Ask Optimizely to wipe the history of each address, which is the recipient id there."""
    for address in person.mailed_at:
        bridge.rest.wipe_recipient_history(address, reason=f"erasure {erasure_id}")
    return len(person.mailed_at)


def _find_responses(connection: Connection, bridge: Bridge, person: Person) -> list[int]:
    """The ids of the person's responses in RS_DB; `person` learns by what else they are known."""
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
    """Erase their responses in RS_DB as ERASE_RESPONSES says, and the ledger's rows about them, in one transaction."""
    how = bridge.settings.erase_responses
    with bridge.rs_database.writing() as connection:
        # A load writes the same rows.
        acquire_lock(connection, "bridge.responses")
        response_ids = _find_responses(connection, bridge, person)
        person_rows.remove_unmatched(connection, person)
        person_rows.remove_staged(connection, person)
        match how:
            case "keep":
                return 0
            case "anonymise":
                bridge.rs_db.anonymise(connection, response_ids)
            case "delete":
                bridge.rs_db.remove_responses(connection, response_ids)
        person_rows.detach_events(connection, response_ids)
    return len(response_ids)

"""Names of blobs are written out: what lies in a storage account was named by an earlier version."""

from shared.storage import blob_names
from tests.response_files import make_response_file


def test_the_names_of_blobs_do_not_change() -> None:
    assert blob_names.staged_list("J7-00000000") == "J7-00000000/list"
    assert blob_names.delivery_file("J7-00000000") == "J7-00000000/delivery"
    assert blob_names.reject_file("J7-00000000") == "J7-00000000/rejects.csv"
    assert blob_names.response_file(make_response_file(id=9, name="opens.csv")) == "9/opens.csv"
    assert blob_names.response_reject_file(9) == "responses/9/rejects.csv"


def test_a_reject_file_says_what_it_belongs_to() -> None:
    assert blob_names.is_of_response_file(blob_names.response_reject_file(9))
    assert not blob_names.is_of_response_file(blob_names.reject_file("J7-00000000"))
    assert blob_names.broadcast_key(blob_names.reject_file("J7-00000000")) == "J7-00000000"

"""HTTP triggers have the routes, methods and keys of the Functions host."""

import requests

from tests.contract.host.conftest import Hosts


def test_routes_methods_and_keys(hosts: Hosts) -> None:
    process, ready = hosts.start()
    url, key = ready["url"], ready["master_key"]
    assert url.startswith("http://127.0.0.1:")

    answer = requests.post(f"{url}/people/7?q=a", data=b"hi", headers={"x-functions-key": key}, timeout=10)
    assert (answer.status_code, answer.headers["x-said"]) == (201, "yes")
    assert answer.json() == {"number": "7", "q": "a", "body": "hi"}

    assert requests.post(f"{url}/people/7?code={key}", timeout=10).status_code == 201
    assert requests.post(f"{url}/people/7", timeout=10).status_code == 401
    assert requests.post(f"{url}/people/7?code=wrong", timeout=10).status_code == 401
    assert requests.get(f"{url}/people/7?code={key}", timeout=10).status_code == 405
    assert requests.post(f"{url}/people/x?code={key}", timeout=10).status_code == 404

    assert requests.get(f"{url}/open", timeout=10).text == "hello GET"
    broken = requests.get(f"{url}/broken", timeout=10)
    assert (broken.status_code, broken.text) == (500, "")
    assert "somebody@example.org" not in process.log.read_text()

"""Asking whether a server answers takes no longer than told, whatever the network does."""

import http.server
import socket
import threading
import time
from unittest import mock

import pytest
import requests

from dgm_tf.data.sources.reachability import answering, hosts_of


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def refusing_server():
    """Answers every request with 404."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_error(404)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/data.zip"
    server.shutdown()
    server.server_close()


@pytest.fixture
def silent_server():
    """Accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


def test_any_answer_counts(refusing_server):
    assert answering([refusing_server]) == [refusing_server]


def test_silence_is_no_answer_and_is_not_waited_for(silent_server, refusing_server):
    start = time.monotonic()
    assert answering([silent_server, refusing_server], seconds=0.5) == [refusing_server]
    assert time.monotonic() - start < 5


def test_what_does_not_exist_does_not_answer():
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = f"http://127.0.0.1:{server.getsockname()[1]}/"
    assert answering([closed, "http://no-such-host.invalid/", "not an address"], seconds=2) == []


def test_a_proxy_answers_for_the_servers_behind_it(monkeypatch, refusing_server):
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("http_proxy", refusing_server)
    assert answering(["http://no-such-host.invalid/"]) == ["http://no-such-host.invalid/"]


@pytest.mark.parametrize("problem, answers", [("CERTIFICATE_VERIFY_FAILED", True), ("UNEXPECTED_EOF", False)])
def test_a_certificate_that_is_not_trusted_is_an_answer(monkeypatch, problem, answers):
    monkeypatch.setattr(requests, "head", mock.Mock(side_effect=requests.exceptions.SSLError(f"[SSL: {problem}]")))
    assert answering(["https://a.test/"]) == ["https://a.test/"] * answers


def test_one_address_for_each_host():
    urls = ["http://a.test/1", "http://a.test/2", "https://b.test/", "gs://bucket/x", "file.zip"]
    hosts = hosts_of(urls)
    assert set(hosts) == {"a.test", "b.test"}
    assert set(hosts.values()) <= set(urls)

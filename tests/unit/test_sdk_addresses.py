"""host:port as people write it."""

import pytest

from vivant import addresses
from vivant.errors import InvalidRequest


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("localhost:50050", "localhost", 50050),
        (" gpu-box.example.org:1 ", "gpu-box.example.org", 1),
        ("my_service:65535", "my_service", 65535),
        ("[::1]:50050", "::1", 50050),
        ("[fe80::1%eth0]:50050", "fe80::1%eth0", 50050),
        ("10.0.0.1:8080", "10.0.0.1", 8080),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, host: str, port: int) -> None:
    assert addresses.split(text) == (host, port)
    assert addresses.split(addresses.join(host, port)) == (host, port)
    assert addresses.target(text) == text.strip()


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("localhost", "expected host:port"),
        ("localhost:", "expected host:port"),
        ("localhost:0", "expected host:port"),
        ("localhost:65536", "expected host:port"),
        ("localhost:http", "expected host:port"),
        (":50050", "expected a name"),
        ("", "expected host:port"),
        ("::1:50050", "in brackets"),
        ("[::1]", "expected host:port"),
        ("http://localhost:50050", "without http://"),
        ("two words:50050", "expected a name"),
    ],
)
def test_anything_else_is_refused_with_the_rule(text: str, rule: str) -> None:
    with pytest.raises(InvalidRequest, match=rule):
        addresses.target(text)


@pytest.mark.parametrize("target", ["dns:///asr:50051", "unix:/tmp/asr.sock", "ipv6:[::1]:50051"])
def test_grpcs_own_words_are_passed_on(target: str) -> None:
    assert addresses.target(target) == target


NEAR = """localhost LOCALHOST 127.0.0.1 127.9.9.9 ::1 [::1] 0.0.0.0 :: ::ffff:127.0.0.1 10.1.2.3 192.168.1.5 fd00::2
fe80::1%eth0 orchestrator box.local me.localhost"""


@pytest.mark.parametrize("host", NEAR.split())
def test_near_hosts_need_no_proxy(host: str) -> None:
    assert addresses.is_near(host)
    assert addresses.is_near_target(addresses.join(host.strip("[]"), 50050))


@pytest.mark.parametrize("host", ["vivant.example.org", "localhost.example.org", "8.8.8.8", "2001:4860:4860::8888"])
def test_far_hosts_may(host: str) -> None:
    assert not addresses.is_near(host)
    assert not addresses.is_near_target(addresses.join(host, 50050))
    assert not addresses.is_near_target(f"dns:///{addresses.join(host, 50050)}")

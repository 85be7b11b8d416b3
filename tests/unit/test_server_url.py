"""What a server's URL may say, what the store's client and Celery make of it, and that no piece of
a password in it is ever told.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from redis.asyncio import SSLConnection

from threadmill_shared import errors
from threadmill_shared.broker.app import make_app
from threadmill_shared.broker.sender import Sender
from threadmill_shared.servers import url_options
from threadmill_shared.servers.url import masked, parse
from threadmill_shared.settings import Settings, load_settings
from threadmill_shared.store.connections import connect
from threadmill_workers import flower

STORE = "redis://localhost:1/0"


def of(redis: str = STORE, broker: str | None = None) -> Settings:
    return Settings(
        redis_url=SecretStr(redis), broker_url=None if broker is None else SecretStr(broker)
    )


def client_options(url: str) -> dict[str, Any]:
    """What redis-py's connections are made with."""
    client = connect(url)
    pool = getattr(client, "connection_pool", None)
    kwargs = pool.connection_kwargs if pool is not None else client.nodes_manager.connection_kwargs
    asyncio.run(client.aclose())
    return dict(kwargs)


def broker_options(url: str) -> dict[str, Any]:
    """What kombu's connections to Redis are made with, by a worker's app."""
    with make_app(of(broker=url)).connection_for_read() as connection:
        transport = connection.transport
        # The channel connects when it is made; its parameters are had without one.
        channel = transport.Channel.__new__(transport.Channel)
        channel.connection = transport
        for name in transport.Channel.from_transport_options:
            if name in connection.transport_options:
                setattr(channel, name, connection.transport_options[name])
        return dict(channel._connparams())


# ---- one URL for both ----------------------------------------------------------------------------

VERIFIED = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}


@pytest.mark.parametrize("read", [client_options, broker_options])
@pytest.mark.parametrize(
    "url", ["rediss://h", "rediss://:pw@h:1/2?socket_timeout=2", "rediss+sentinel://h/main"]
)
def test_a_secure_url_that_says_nothing_else_verifies_the_certificate(
    read: Callable[[str], dict[str, Any]], url: str
) -> None:
    assert VERIFIED.items() <= read(url).items()


@pytest.mark.parametrize("host", ["h", "h1,h2"])
def test_sentinels_themselves_are_verified_too(host: str) -> None:
    url = f"rediss+sentinel://{host}/main"
    client = connect(url)
    sentinels = client.connection_pool.sentinel_manager.sentinels
    for sentinel in sentinels:
        assert VERIFIED.items() <= sentinel.connection_pool.connection_kwargs.items()
        assert issubclass(sentinel.connection_pool.connection_class, SSLConnection)
    given = make_app(of(broker=url)).conf.broker_transport_options["sentinel_kwargs"]
    assert ({"ssl": True} | VERIFIED).items() <= given.items()


def test_a_secure_cluster_is_verified() -> None:
    client = connect("rediss+cluster://h")
    assert VERIFIED.items() <= client.nodes_manager.connection_kwargs.items()
    kind = client.nodes_manager.connection_kwargs["connection_class"]
    assert issubclass(kind, SSLConnection)


@pytest.mark.parametrize("read", [client_options, broker_options])
@pytest.mark.parametrize("spelt", ["none", "CERT_NONE", "cert_none"])
def test_who_wants_no_verification_gets_it_in_either_spelling_and_is_warned(
    read: Callable[[str], dict[str, Any]], spelt: str, caplog: pytest.LogCaptureFixture
) -> None:
    from threadmill_shared.servers import tls

    tls._warn_of_strangers.cache_clear()
    for _ in range(2):
        assert read(f"rediss://h?ssl_cert_reqs={spelt}")["ssl_cert_reqs"] is ssl.CERT_NONE
    said = [one for one in caplog.messages if "not verified" in one]
    assert len(said) == 1


@pytest.mark.parametrize("spelt", ["required", "CERT_REQUIRED", "optional", "CERT_OPTIONAL"])
def test_both_spellings_of_verification_mean_the_same_to_both(spelt: str) -> None:
    url = f"rediss://h?ssl_cert_reqs={spelt}"
    wanted = ssl.CERT_REQUIRED if "eq" in spelt.lower() else ssl.CERT_OPTIONAL
    assert client_options(url)["ssl_cert_reqs"] is wanted
    assert broker_options(url)["ssl_cert_reqs"] is wanted


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("socket_timeout=1.5", {"socket_timeout": 1.5}),
        ("socket_connect_timeout=2", {"socket_connect_timeout": 2}),
        ("socket_keepalive=no", {"socket_keepalive": False}),
        ("health_check_interval=7", {"health_check_interval": 7}),
        ("client_name=billing", {"client_name": "billing"}),
        ("db=3", {"db": 3}),
        ("username=me&password=a%2Fb%20c", {"username": "me", "password": "a/b c"}),
        ("socket_timeout=&db=2", {"db": 2}),
    ],
)
def test_an_option_has_the_same_effect_on_the_store_and_on_the_broker(
    query: str, expected: dict[str, Any]
) -> None:
    url = f"redis://h?{query}"
    assert expected.items() <= client_options(url).items()
    assert expected.items() <= broker_options(url).items()


@pytest.mark.parametrize("query", ["max_connections=9&timeout=2", "retry_on_timeout=false"])
def test_options_of_the_pool_and_those_that_say_what_is_so_anyway_are_taken(query: str) -> None:
    client_options(f"redis://h?{query}")
    broker_options(f"redis://h?{query}")


def test_what_the_caller_of_connect_asks_for_comes_before_the_url() -> None:
    client = connect("redis://h?client_name=url&socket_timeout=3", client_name="own")
    assert client.connection_pool.connection_kwargs["client_name"] == "own"
    assert client.connection_pool.connection_kwargs["socket_timeout"] == 3


def test_a_socket_takes_options_a_database_and_a_password() -> None:
    url = "unix://:a%2Fb@/run/redis.sock?db=2&socket_timeout=3"
    expected = {"password": "a/b", "path": "/run/redis.sock", "socket_timeout": 3.0}
    assert (expected | {"db": 2}).items() <= client_options(url).items()
    options = broker_options(url)
    assert (expected | {"db": 2}).items() <= options.items()


@pytest.mark.parametrize("name", sorted(url_options.SETTLED | url_options.CONNECTION))
@pytest.mark.parametrize("scheme", ["redis", "redis+sentinel", "unix"])
def test_an_option_whose_value_cannot_be_is_refused_by_its_name(name: str, scheme: str) -> None:
    place = {"redis+sentinel": "h/main", "unix": "/run/x"}.get(scheme, "h")
    for read in (connect, lambda url: of(url).celery_settings()):
        with pytest.raises(errors.NotConfigured, match=f"{name} in THREADMILL_REDIS_URL") as said:
            read(f"{scheme}://{place}?{name}=nö pe")
        assert "\n" not in str(said.value)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("decode_responses=false", "text"),
        ("retry_on_timeout=true", "retries"),
        ("retry=3", "retries"),
        ("retry_on_error=[]", "retries"),
        ("legacy_responses=false", "default"),
        ("max_connections=1", "at least 4"),
        ("socket_timeout=0", "above 0"),
        ("socket_timeout=inf", "above 0"),
        ("socket_timeout=nan", "above 0"),
        ("protocol=4", "2 or 3"),
        ("socket_timeot=3", r"socket_timeout is\).*Known options: client_name, "),
        ("ssl_ca_certs=/x", "rediss://"),
        ("db=1&db=2", "each once"),
        ("db", "name=value"),
        ("db=-1", "number"),
    ],
)
def test_an_option_that_would_break_something_is_refused_with_the_reason(
    query: str, why: str
) -> None:
    for refuse in (connect, lambda url: of(url).celery_settings(), lambda url: Sender(of(url))):
        with pytest.raises(errors.NotConfigured, match=why):
            refuse(f"redis://h?{query}")


@pytest.mark.parametrize("query", ["ssl_password=hush-hush", "ssl_ca_certs=/nowhere/ca.pem"])
def test_tls_options_that_cannot_be_used_are_refused_before_a_connection(query: str) -> None:
    for refuse in (connect, lambda url: of(url).celery_settings()):
        with pytest.raises(errors.NotConfigured, match=query.partition("=")[0]):
            refuse(f"rediss://h?{query}")


@pytest.mark.parametrize(
    "url",
    [
        *("redis://h:0", "redis://h:65536", "redis://h:x", "redis://h/x", "redis://a,b", "h:6379"),
        *("redis://[::1", "redis://h/1?db=2", "redis+cluster://h/1", "unix://run/x", "", " "),
        *("http://h", "amqp://h", "sentinel://h", "redis://h/0#x", "redis://%ff@h"),
    ],
)
def test_a_url_that_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(errors.NotConfigured, match="THREADMILL_REDIS_URL"):
        connect(url)


def test_an_ipv6_address_is_understood_by_both() -> None:
    assert client_options("redis://[::1]:7/1")["host"] == "::1"
    assert broker_options("redis://[::1]:7/1")["host"] == "::1"


@pytest.mark.parametrize("url", ["amqps://u:p@h//", "amqps://u:p@h/v?heartbeat=5"])
def test_a_rabbitmq_with_tls_is_verified_and_its_name_compared(url: str) -> None:
    told = of(broker=url).celery_settings()["broker_use_ssl"]
    assert told == {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": "h"}


def test_a_rabbitmq_is_not_verified_if_that_is_asked_for() -> None:
    told = of(broker="amqps://h?ssl_cert_reqs=none").celery_settings()["broker_use_ssl"]
    assert told == {"cert_reqs": ssl.CERT_NONE}


def test_brokers_of_a_list_must_be_alike() -> None:
    settings = of(broker="amqps://a;amqps://a:5673").celery_settings()
    assert settings["broker_url"] == "amqps://a:5671/;amqps://a:5673/"
    with pytest.raises(errors.NotConfigured, match="must name the same host"):
        of(broker="amqps://a;amqps://b").celery_settings()
    by_ca = of(broker=";".join(f"amqps://{h}?ssl_check_hostname=false" for h in "ab"))
    assert "server_hostname" not in by_ca.celery_settings()["broker_use_ssl"]
    with pytest.raises(errors.NotConfigured, match="same scheme"):
        of(broker="rediss://a;redis://b").celery_settings()


@pytest.mark.parametrize("scheme", ["rediss", "redis", "amqps", "rediss+sentinel"])
def test_the_case_of_a_scheme_changes_nothing(scheme: str) -> None:
    place = f"://:hush-hush@h{'/main' if 'sentinel' in scheme else ''}"
    alike = of(broker=f"{scheme}{place}").celery_settings()
    for spelt in (scheme.upper(), scheme.title()):
        assert of(broker=f"{spelt}{place}").celery_settings() == alike
    if not scheme.startswith("amqp"):
        assert parse(f"{scheme.upper()}{place}") == parse(f"{scheme}{place}")


@pytest.mark.parametrize(
    "url", ["memory://;rediss://:p@h", "rediss://:p@h;MEMORY://", "SENTINEL://h"]
)
def test_no_url_of_a_list_passes_the_checks_by(url: str) -> None:
    with pytest.raises(errors.NotConfigured):
        of(broker=url).celery_settings()


@pytest.mark.parametrize("scheme", ["confluentkafka", "qpid", "nothing", "sqs"])
def test_a_broker_that_kombu_cannot_use_is_refused_in_one_line(scheme: str) -> None:
    with pytest.raises(errors.NotConfigured, match=r"Set it to a Redis or a RabbitMQ") as refused:
        of(broker=f"{scheme}://user:hush-hush@h").celery_settings()
    assert "hush" not in str(refused.value)


def test_celery_finds_nothing_insecure_in_a_url_alone(caplog: pytest.LogCaptureFixture) -> None:
    app = make_app(of(broker="rediss://:hush-hush@h"))
    with caplog.at_level(logging.DEBUG):
        shown = repr(app.conf.humanize())
        from celery.app.utils import filter_hidden_settings

        shown += repr(filter_hidden_settings({"broker_url": app.conf.broker_url}))
    assert "insecure" not in caplog.text
    assert "hush-hush" not in shown


# ---- passwords -----------------------------------------------------------------------------------

_SLASH = "\uff0f"
"""Which Python normalizes to a slash."""
_SPECIAL = st.sampled_from(f"/?#@:%[]{{}}&=+;, \t\n\\'\"|<>^`~!$*()\x00\x7fäß√℀\u2028{_SLASH}")
_WORDS = st.text(st.sampled_from("QZXJ"), min_size=4, max_size=8)
PASSWORDS = st.lists(st.one_of(_WORDS, _SPECIAL), min_size=2, max_size=7).map("".join)
FORMS = [
    "redis://:{}@127.0.0.1:1/0",
    "redis://user:{}@127.0.0.1:1/0",
    "rediss://:{}@127.0.0.1:1/0",
    "redis://:{}@127.0.0.1:port/0",
    "redis://:{}@127.0.0.1:1/zero",
    "redis://:{}@[::1/0",
    "redis://:{}@",
    "redis://{}",
    "redis://user:{}",
    ":{}@127.0.0.1:1",
    "//:{}@127.0.0.1:1",
    "redis:/:{}@127.0.0.1:1",
    "{}://127.0.0.1:1",
    "redis://127.0.0.1:1/0?password={}",
    "redis://127.0.0.1:1/0?username=me&password={}&db=1",
    "redis://127.0.0.1:1/{}",
    "unix://:{}@/run/nowhere.sock",
    "redis+socket://:{}@/run/nowhere.sock",
    "redis+sentinel://:{}@127.0.0.1:1,127.0.0.1:2/main/0",
    "rediss+sentinel://:{}@127.0.0.1:1/main/0",
    "redis+cluster://:{}@127.0.0.1:1",
    "amqp://user:{}@127.0.0.1:1//",
    "amqps://user:{}@127.0.0.1:1//",
    "bogus://user:{}@127.0.0.1:1",
    "sqs://user:{}@127.0.0.1:1",
    "redis://:{}@a:1/0;redis://:{}@b:1/0",
]
AS_A_PLACE = ("redis://{}", "redis://user:{}", "redis://127.0.0.1:1/{}")
"""Forms that may be read as a host, a port or a database: what is shown of a place shows it."""


def pieces(password: str) -> set[str]:
    """The parts of 4 or more characters, of those that make up the password's words."""
    runs = "".join(c if c in "QZXJ" else " " for c in password).split()
    return {run[at : at + 4] for run in runs for at in range(len(run) - 3)}


def everything_of(error: BaseException) -> str:
    said, at, seen = [], [error], set()
    while at:
        one = at.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        said += [str(one), repr(one), repr(one.args), *traceback.format_exception(one)]
        at += [one.__cause__, one.__context__]
    return "\n".join(said)


def shows(chosen: Settings) -> Iterator[Callable[[], object]]:
    """Whatever reads the URLs, and may be shown."""
    yield lambda: connect(chosen.store_url())
    yield lambda: Sender(chosen)
    yield lambda: shown_by_celery(chosen)
    yield lambda: flower.build(chosen).broker_uri
    # What is returned to Celery must hold what it needs to log in.
    yield lambda: chosen.celery_settings() and None
    yield lambda: chosen.celery_url() and None


def shown_by_celery(chosen: Settings) -> object:
    connection = make_app(chosen).connection_for_write()
    return connection, connection.as_uri()


def told_of(url: str, variable: str, *, is_place: bool) -> str:
    """All that is said of a URL by whatever reads it."""
    chosen = of(redis=url) if variable == "redis" else of(broker=url)
    told = [repr(chosen)] if is_place else [repr(chosen), masked(url)]
    for show in shows(chosen):
        try:
            shown = repr(show())
        except errors.NotConfigured as error:
            told.append(everything_of(error))
        else:
            told += [] if is_place else [shown]
    return "\n".join(told)


@pytest.mark.parametrize(
    "password",
    [
        *("QZXJ/ZZQQ", "QZXJ?ZZQQ=XXQJ", "QZXJ#ZZQQ", "QZXJ@ZZQQ/JJQX@QQXX", "QZXJ://ZZQQ"),
        *("@/QZXJ", "QZXJ@/ZZQQ"),
        *("[QZXJ]ZZQQ", "%ffQZXJZZQQ", f"QZXJ{_SLASH}ZZQQ℀"),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_nothing_tells_a_piece_of_a_password_that_is_not_encoded(
    form: str, password: str, caplog: pytest.LogCaptureFixture
) -> None:
    for variable in ("redis", "broker"):
        told = told_of(form.replace("{}", password), variable, is_place=form in AS_A_PLACE)
        assert not [piece for piece in pieces(password) if piece in told + caplog.text]


@settings(max_examples=60, deadline=None)
@given(form=st.sampled_from(FORMS), variable=st.sampled_from(["redis", "broker"]), pw=PASSWORDS)
def test_nothing_tells_a_piece_of_any_password(form: str, variable: str, pw: str) -> None:
    told = told_of(form.replace("{}", pw), variable, is_place=form in AS_A_PLACE)
    assert not [piece for piece in pieces(pw) if piece in told]


@pytest.mark.parametrize("special", ["/", "?", "#", "x/y@z", "\n", "\x00"])
def test_a_password_that_is_not_encoded_is_refused_with_advice(special: str) -> None:
    for refuse in (connect, lambda url: of(broker=url).celery_settings()):
        with pytest.raises(errors.NotConfigured, match="percent-encoded, for example / as %2F"):
            refuse(f"redis://:Winter2031{special}more@127.0.0.1:1/0")


@given(password=st.text(st.characters(codec="utf-8"), min_size=1))
@settings(deadline=None, max_examples=50)
def test_an_encoded_password_arrives_as_it_is_at_both(password: str) -> None:
    url = f"redis://:{quote(password, safe='')}@h:1/0"
    assert client_options(url)["password"] == password
    assert broker_options(url)["password"] == password
    assert parse(f"{url}?client_name=x").password == password


def test_a_setting_that_cannot_be_tells_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADMILL_NAMESPACE", "hush hush:QZXJ")
    load_settings.cache_clear()
    with pytest.raises(errors.NotConfigured, match="THREADMILL_NAMESPACE") as refused:
        load_settings()
    load_settings.cache_clear()
    assert "QZXJ" not in everything_of(refused.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h:1/0", "redis://h:1/0"),
        ("redis://me:pw@h:1/0?password=pw", "redis://***@h:1/0"),
        ("https://me:pw@h/v1", "https://***@h/v1"),
        ("unix://:pw@/run/x.sock", "unix://***@/run/x.sock"),
        ("redis+sentinel://:pw@a:1,b/main/0", "redis+sentinel://***@a:1,b/main/0"),
        ("redis://:p/w@h", "***"),
        (":pw@h", "***"),
    ],
)
def test_a_masked_url_shows_where_a_server_is_and_nothing_to_log_in_with(
    url: str, expected: str
) -> None:
    assert masked(url) == expected


def test_a_file_of_cas_is_named_in_the_url_of_both(tmp_path: Path) -> None:
    authorities = ssl.get_default_verify_paths().cafile
    if authorities is None:
        pytest.skip("this machine has no file of CAs")
    url = f"rediss://h?ssl_ca_certs={authorities}"
    assert client_options(url)["ssl_ca_certs"] == authorities
    assert broker_options(url)["ssl_ca_certs"] == authorities


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("rediss://h?ssl_keyfile=k.pem", "ssl_keyfile in THREADMILL_REDIS_URL needs ssl_certfile"),
        ("rediss://h?ssl_ca_path=/nowhere", "ssl_ca_path in THREADMILL_REDIS_URL must be a folder"),
        ("redis://h?socket_timeout=1e10", "socket_timeout .* at most 86400"),
        ("unix://", "must name the path of a socket"),
    ],
)
def test_what_would_fail_later_is_refused_at_once(url: str, words: str) -> None:
    for read in (lambda: connect(url), lambda: of(url).celery_settings()):
        with pytest.raises(errors.NotConfigured, match=words):
            read()

"""What object storage refuses, or cannot be reached for, is said in words, and no secret is."""

from __future__ import annotations

import json

import pytest

from unembed.errors import InputError, LoadError
from unembed.index.bucket import checked_tables, reaching, unreachable
from unembed.index.corpus.build import index_corpus
from unembed.index.corpus.opening import corpora, open_corpus

from .buckets import SECRET, environment, served, within

LAYERS = [1]


@pytest.fixture(scope="module")
def buckets():
    with served() as found:
        yield found


@pytest.fixture
def bucket(buckets):
    """The name of a new bucket."""
    return buckets.make()


@pytest.fixture
def tables(bucket):
    return f"s3://{bucket}/some/where"


def test_tables_that_are_gone_or_cut_are_damage(buckets, bucket, tables, model, texts, tmp_path):
    found = index_corpus(model, texts, "one", LAYERS, folder=tmp_path, tables=tables)
    found._rows.cut("L1.z", "row", 10)
    with pytest.raises(LoadError, match=r"L1.z in s3://.* has 10 of \d+ rows"):
        open_corpus(model, "one", folder=tmp_path)
    buckets.empty(bucket)
    with pytest.raises(LoadError, match=r"L1.resid_post in s3://.* is missing") as caught:
        open_corpus(model, "one", folder=tmp_path)
    assert "--restart" in caught.value.fix
    said = json.loads((found.version / "tables.json").read_text())
    for wrong in (b"{", json.dumps(said | {"at": "s3://other/precious"}).encode()):
        (found.version / "tables.json").write_bytes(wrong)
        with pytest.raises(LoadError, match=r"tables\.json"):
            open_corpus(model, "one", folder=tmp_path)
    again = index_corpus(model, texts, "one", LAYERS, folder=tmp_path, tables=tables, restart=True)
    assert len(buckets.tables(bucket)) == len(again.sites)


def test_a_bucket_that_is_not_there_is_said_before_anything_is_built(
    buckets, model, texts, tmp_path
):
    with pytest.raises(LoadError, match=r"there is no bucket 'no-such'") as caught:
        index_corpus(model, texts, "one", LAYERS, folder=tmp_path, tables="s3://no-such/x")
    assert (caught.value.field, caught.value.value) == ("tables", "s3://no-such/x")
    assert not list((tmp_path / "one").glob("v-*"))


def test_a_reader_without_network_is_told_and_what_there_is_is_listed_all_the_same(
    buckets, tables, model, texts, tmp_path
):
    found = index_corpus(model, texts, "one", LAYERS, folder=tmp_path, tables=tables)
    nobody = environment("http://127.0.0.1:9")  # where nobody listens
    with within(nobody), pytest.raises(LoadError, match="nobody answers at its server") as caught:
        open_corpus(model, "one", folder=tmp_path)
    assert (caught.value.field, "AWS_ENDPOINT" in caught.value.fix) == ("tables", True)
    assert corpora(model, folder=tmp_path) == (found.about,)


ANSWER = 'Generic { store: "S3", source: RetryError { inner: Status { status: %s, body: "%s" } } }'


@pytest.mark.parametrize(
    ("said", "meant", "fix"),
    [
        (ANSWER % (404, "<Code>NoSuchBucket</Code>"), "there is no bucket 'b'", "create it"),
        (ANSWER % (403, f"<Code>SignatureDoesNotMatch</Code> {SECRET}"), "not accepted", "AWS_SEC"),
        (ANSWER % (400, "<Code>ExpiredToken</Code>"), "have expired", "AWS_SESSION_TOKEN"),
        (ANSWER % (403, "<Code>AccessDenied</Code>"), "access is denied", "the right to"),
        (ANSWER % (301, "<Code>PermanentRedirect</Code>"), "another region", "AWS_REGION"),
        (ANSWER % (503, "<Code>SlowDown</Code>"), "refuses for now", "later"),
        (ANSWER % (418, SECRET), "refuses what is asked", "rights"),
        ("Failed to get AWS credentials: ProviderError", "there are no credentials", "AWS_ACCESS"),
        ("Http(HttpError { kind: Timeout, source: TimedOut })", "does not answer", "network"),
        ('ConnectError("dns error", lookup address', "name of its server", "AWS_ENDPOINT"),
        ("reqwest::Error { kind: Builder, source: BadScheme }", "http", "AWS_ALLOW_HTTP"),
    ],
)
def test_what_storage_refuses_is_said_without_its_words(said, meant, fix):
    """It answers with parts of what was signed, which belong into no message or traceback."""
    with pytest.raises(LoadError, match=meant) as caught, reaching("s3://b/c"):
        raise OSError(said)
    assert fix in caught.value.fix
    assert SECRET not in f"{caught.value!r} {caught.value.fix} {caught.value}"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("said", "meant", "fix"),
    [
        (ANSWER % (404, "<Code>ContainerNotFound</Code>"), "there is no bucket 'b'", "create it"),
        (ANSWER % (403, "<Message>Server failed to authenticate"), "not accepted", "ACCOUNT_KEY"),
        ("LanceError(IO): Generic MicrosoftAzure error: Invalid Access Key", "not accepted", "KEY"),
        ("no Azure account name in URI", "there are no credentials", "STORAGE_ACCOUNT_NAME"),
        ("source: BadScheme", "http", "AZURE_STORAGE_ALLOW_HTTP"),
        ("kind: ConnectionRefused", "nobody answers", "AZURE_STORAGE_ENDPOINT"),
    ],
)  # as Azurite and Lance say it
def test_what_azure_refuses_is_said_with_its_own_names(said, meant, fix):
    with pytest.raises(LoadError, match=meant) as caught, reaching("az://b/c"):
        raise RuntimeError(said)
    assert fix in caught.value.fix
    assert "AWS" not in caught.value.fix


def test_an_error_of_a_table_is_none_of_storage():
    assert unreachable("s3://b/c", ValueError("Table 'L1.z' was not found")) is None
    with pytest.raises(ValueError, match="not found"), reaching("s3://b/c"):
        raise ValueError("Table 'L1.z' was not found")


@pytest.mark.parametrize(
    "uri",
    ["ftp://host/x", "/a/folder", "s3:/bucket", "s3://", "s3://bucket/../x", "s3://a b/c",
     "file:///tmp", "s3://bucket//x"],
)  # fmt: skip
def test_what_is_no_object_storage_is_refused_with_what_is(uri, model, texts, tmp_path):
    with pytest.raises(InputError, match="tables is") as caught:
        index_corpus(model, texts, "one", LAYERS, folder=tmp_path, tables=uri)
    assert (caught.value.field, caught.value.value) == ("tables", uri)
    assert all(scheme in caught.value.legal for scheme in ("s3://", "gs://", "az://"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("uri", [f"s3://me:{SECRET}@host/x", f"s3://bucket/x?key={SECRET}"])
def test_a_secret_in_a_uri_is_refused_and_not_repeated(uri):
    with pytest.raises(InputError, match="credentials and options are no part of it") as caught:
        checked_tables(uri)
    assert SECRET not in f"{caught.value} {caught.value.value}"


@pytest.mark.parametrize("uri", ["s3://bucket", "gs://b-1/a/b_c.d/", "az://container/x=1"])
def test_buckets_and_their_folders_are_taken(uri):
    assert checked_tables(uri) == uri.rstrip("/")


def test_the_command_line_takes_tables(cli, source, tables, texts, tmp_path, monkeypatch):
    monkeypatch.setenv("UNEMBED_CACHE_DIR", str(tmp_path))
    asked = ("index", "corpus", source, str(texts[0]), "--name", "one", "--layers", "1")
    status, said, _ = cli(*asked, "--tables", tables)
    assert (status, f"vectors in {tables}" in said) == (0, True)
    status, _, err = cli(*asked, "--tables", "s3://other")
    assert (status, f"stand in {tables}, and not in s3://other" in err) == (2, True)

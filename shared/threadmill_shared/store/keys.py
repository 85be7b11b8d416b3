"""All keys of the store are named here, with their types, owners and lifetimes.

All keys of a bucket share one hash tag, so one script may touch them together, also in a cluster.
Scripts build the names of further keys from the bucket's prefix; they use the same words.
"""

from __future__ import annotations

import hashlib
import re

from threadmill_shared.ids import BUCKETS, bucket_of


class Keys:
    """The names of all keys of one namespace.

    In a bucket (`<namespace>:{bb}:`):

    | key | type | what | lifetime |
    |---|---|---|---|
    | `run:<run>` | hash | the run's record | `run_days` after its end |
    | `log:<run>` | stream | its events; also a channel that says so | `log_seconds` after its end |
    | `compacted:<run>` | stream | what takes the log's place, while it is made | as the log |
    | `steps:<run>` | hash | its steps: body, began, ended, error | as the record |
    | `files:<run>` | hash | files that it has made, in Base64, by id | as the record |
    | `calls:<run>` | hash | open calls' closing outputs, and marks (below) | as the record |
    | `thread:<thread>` | hash | its head (the run that holds it), last position, ... | its own |
    | `items:<thread>` | stream | its items, by position | the thread's |
    | `messages:<thread>` | sorted set | message id -> position | the thread's |
    | `attached:<thread>` | hash | files, the provider's ids of them | the thread's; before it 1 h |
    | `line:<thread>` | sorted set | runs that wait, in order | until empty |
    | `runs:<thread>` | sorted set | its runs by time of creation | the thread's |
    | `refused:<run>` | string | how it was refused; another is sent behind it | 1 min |
    | `idem:<thread>:<hash>` | hash | idempotency key -> run | 24 h after the run's end |
    | `tomb:<thread>`, `deleted:<thread>` | sorted set, string | a deleted thread | 1 h, 1 min |
    | `deleted:<thread>:<message>` | string | a mark that the message was deleted | 1 min |
    | `dispatched` | sorted set | index: queued runs at a head, by when to look | until empty |
    | `unreported` | sorted set | index: ended without a holder, by when to report | as its runs |
    | `held:<worker>`, `holders` | sorted sets | index: runs in progress, by worker | until empty |
    | `parked` | sorted set | index: runs that wait for an outside answer | until empty |
    | `deadlines` | sorted set | when somebody must look at a run | until empty |
    | `all_runs`, `status:<status>` | sorted sets | lists: runs by time of creation | the record's |
    | `assistant:<hash>`, `error:<hash>` | sorted sets | lists: the same | the record's |
    | `expiring` | sorted set | ended runs and their lists, by the record's end | the record's |
    | `active`, `metadata:<hash>` | sorted sets | lists: threads by last activity | the thread's |
    | `indexed` | string | the keys of metadata that `metadata:<hash>` is kept for | none |
    | `file:<file>` | hash | an uploaded file, in Base64 | until deleted, its own; before it 1 h |
    | `all_files` | sorted set | lists: uploaded files by time of creation | the file's |
    | `deleted:<file>` | string | where a deleted file stood in `all_files` | 10 min |
    | `tombs` | sorted set | deleted threads whose runs are still there | until empty |
    | `request:<digest>` | hash | what a client's request has created | 24 h, 10 min, 10 s |
    | `mark` | string | written behind what a replica is to confirm | 1 min |

    Marks of a call: `!<call>` a worker has begun it; `?<call>` it waits for somebody outside
    (`approval`, `output`); `+<call>` it was approved; `~<call>` the output that it gets at the
    run's end if nobody has begun it; `@<call>` the process that has taken it, and until when;
    `=<call>` the digest of the output that somebody outside gave. At the run's end `+` and `=`
    stay, and `~` of a call that nobody has begun.

    Of the namespace (`<namespace>:{workers}:`, `<namespace>:{assistants}:`): `alive` (hash: worker
    -> registration) and `lease:<worker>` (string, 3 s); `tools:<worker>` (set, 60 s);
    `state:<worker>` (string: what it is doing, 60 s);
    `deaths` (stream: the last 100 workers that were declared dead, 1 day after the last);
    `counting` (string: the worker that counts waiting runs for the metrics, 15 s);
    `probe:<queue>` (string, 10 s);
    `published:<name>` and `created:<id>` (strings: definitions; 30 days after the last worker
    published it, or until deleted) with `names`, `since` and
    `registered` (sorted sets); `deleted:<id>` (string: where it stood in `registered`, 10 min);
    `request:<digest>` as in a bucket;
    `format` (string, the namespace's);
    `indexing` (hash: how far the indexes of lists are), `indexer` (string, 15 s: who repairs them).
    """

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def bucket(self, id: str) -> str:
        """The prefix of the bucket that the id of a thread, a run or a file belongs to."""
        return f"{self.namespace}:{{{bucket_of(id)}}}:"

    def buckets(self) -> list[str]:
        """The prefixes of all buckets."""
        return [f"{self.namespace}:{{{number:02x}}}:" for number in range(BUCKETS)]

    def deadlines(self, bucket: str) -> str:
        """The index of a bucket, by its prefix, that says when somebody must look at a run."""
        return f"{bucket}deadlines"

    def held(self, bucket: str, worker_id: str) -> str:
        """The runs that a worker holds in a bucket, by its prefix."""
        return f"{bucket}held:{worker_id}"

    def holders(self, bucket: str) -> str:
        """The workers that hold runs in a bucket, by its prefix."""
        return f"{bucket}holders"

    def dispatched(self, bucket: str) -> str:
        """The queued runs at a head in a bucket, by its prefix."""
        return f"{bucket}dispatched"

    def parked(self, bucket: str) -> str:
        """The runs of a bucket, by its prefix, that wait for an answer from outside."""
        return f"{bucket}parked"

    def indexed(self, bucket: str) -> str:
        """The keys of metadata that a bucket, by its prefix, has indexes for."""
        return f"{bucket}indexed"

    def expiring(self, bucket: str) -> str:
        """The ended runs of a bucket, by its prefix, that are to leave the indexes."""
        return f"{bucket}expiring"

    def run(self, run_id: str) -> str:
        """The run's record."""
        return f"{self.bucket(run_id)}run:{run_id}"

    def log(self, run_id: str) -> str:
        """The run's events, and the channel that says that there are more."""
        return f"{self.bucket(run_id)}log:{run_id}"

    def steps(self, run_id: str) -> str:
        """The run's steps."""
        return f"{self.bucket(run_id)}steps:{run_id}"

    def calls(self, run_id: str) -> str:
        """The run's open tool calls."""
        return f"{self.bucket(run_id)}calls:{run_id}"

    def files(self, run_id: str) -> str:
        """The files that the run has made."""
        return f"{self.bucket(run_id)}files:{run_id}"

    def thread(self, thread_id: str) -> str:
        """The thread's record."""
        return f"{self.bucket(thread_id)}thread:{thread_id}"

    def all_threads(self) -> str:
        """A pattern that matches the records of all threads."""
        return f"{_literally(self.namespace)}:{{??}}:thread:thread_*"

    def items(self, thread_id: str) -> str:
        """The thread's items."""
        return f"{self.bucket(thread_id)}items:{thread_id}"

    def messages(self, thread_id: str) -> str:
        """The positions of the thread's messages."""
        return f"{self.bucket(thread_id)}messages:{thread_id}"

    def file(self, file_id: str) -> str:
        """A file that a user has uploaded."""
        return f"{self.bucket(file_id)}file:{file_id}"

    def all_files(self, file_id: str) -> str:
        """The uploaded files of this one's bucket, by the time of their creation."""
        return f"{self.bucket(file_id)}all_files"

    def deleted_file(self, file_id: str) -> str:
        """A note that the file was deleted."""
        return f"{self.bucket(file_id)}deleted:{file_id}"

    def attached(self, thread_id: str) -> str:
        """The files that are attached to the thread's messages."""
        return f"{self.bucket(thread_id)}attached:{thread_id}"

    def line(self, thread_id: str) -> str:
        """The runs that wait for the thread."""
        return f"{self.bucket(thread_id)}line:{thread_id}"

    def runs(self, thread_id: str) -> str:
        """The thread's runs."""
        return f"{self.bucket(thread_id)}runs:{thread_id}"

    def tomb(self, thread_id: str) -> str:
        """The runs of a deleted thread."""
        return f"{self.bucket(thread_id)}tomb:{thread_id}"

    def deleted(self, thread_id: str, message_id: str | None = None) -> str:
        """The mark that a thread, or one of its messages, was deleted."""
        key = f"{self.bucket(thread_id)}deleted:{thread_id}"
        return key if message_id is None else f"{key}:{message_id}"

    def idempotency(self, thread_id: str, key: str) -> str:
        """The run that an idempotency key belongs to. The key may be any text, so it is hashed."""
        digest = hashlib.sha256(key.encode()).hexdigest()[:32]
        return f"{self.bucket(thread_id)}idem:{thread_id}:{digest}"

    def request(self, id: str, digest: str) -> str:
        """What a client's request has created that names a thread or a file of this id's bucket."""
        return f"{self.bucket(id)}request:{digest}"

    def request_for_assistant(self, digest: str) -> str:
        """The assistant that a client's request has created."""
        return f"{self.namespace}:{{assistants}}:request:{digest}"

    def mark(self, id: str) -> str:
        """What is written behind what a replica is to confirm."""
        return f"{self.bucket(id)}mark"

    def worker_channel(self, worker_id: str) -> str:
        """The channel on which a worker is told that one of its runs is to stop."""
        return f"{self.namespace}:bell:{worker_id}"

    def alive(self) -> str:
        """The registrations of workers."""
        return f"{self.namespace}:{{workers}}:alive"

    def lease(self, worker_id: str) -> str:
        """A worker's lease: while it exists, the worker lives."""
        return f"{self.namespace}:{{workers}}:lease:{worker_id}"

    def tools(self, worker_id: str) -> str:
        """The tools that a worker can execute."""
        return f"{self.namespace}:{{workers}}:tools:{worker_id}"

    def worker_state(self, worker_id: str) -> str:
        """What a worker is doing."""
        return f"{self.namespace}:{{workers}}:state:{worker_id}"

    def deaths(self) -> str:
        """The workers that were declared dead last."""
        return f"{self.namespace}:{{workers}}:deaths"

    def probe(self, queue: str) -> str:
        """A probe that is under way in a queue."""
        return f"{self.namespace}:{{workers}}:probe:{queue}"

    def counting_worker(self) -> str:
        """The worker that counts waiting runs for the metrics of the fleet."""
        return f"{self.namespace}:{{workers}}:counting"

    def published(self, name: str) -> str:
        """The definition that workers publish under a name."""
        return f"{self.namespace}:{{assistants}}:published:{name}"

    def created(self, assistant_id: str) -> str:
        """The definition that somebody created."""
        return f"{self.namespace}:{{assistants}}:created:{assistant_id}"

    def deleted_assistant(self, assistant_id: str) -> str:
        """A note that the assistant was deleted."""
        return f"{self.namespace}:{{assistants}}:deleted:{assistant_id}"

    def all_created(self) -> str:
        """A pattern that matches the definitions that somebody created."""
        return f"{_literally(self.namespace)}:{{assistants}}:created:*"

    def registered(self) -> str:
        """The ids of the definitions that somebody created, by the time of that."""
        return f"{self.namespace}:{{assistants}}:registered"

    def assistants(self) -> str:
        """What the keys of definitions begin with."""
        return f"{self.namespace}:{{assistants}}:"

    def all_listed(self) -> str:
        """A pattern that matches the records and the indexes of lists, and a few other keys."""
        return f"{_literally(self.namespace)}:{{*}}:[tcasem][hrlcste]*"

    def names(self) -> str:
        """The names of the published definitions, by the time of their last publication."""
        return f"{self.namespace}:{{assistants}}:names"

    def first_published(self) -> str:
        """The names of the published definitions, by the time of their first publication."""
        return f"{self.namespace}:{{assistants}}:since"

    def indexer(self) -> str:
        """The worker that repairs the indexes of lists."""
        return f"{self.namespace}:{{workers}}:indexer"

    def indexing(self) -> str:
        """How far the indexes of lists are."""
        return f"{self.namespace}:{{workers}}:indexing"

    def format(self) -> str:
        """The number of the store's format."""
        return f"{self.namespace}:{{workers}}:format"


def _literally(namespace: str) -> str:
    """The namespace as it is written in a pattern of Redis."""
    return re.sub(r"([\\*?\[\]])", r"\\\1", namespace)

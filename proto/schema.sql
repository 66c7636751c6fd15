-- The bridge's own tables, as its programs create them when they are missing. Nothing in them is ours
-- to change: same names, same columns in the same order, same constraints, no index.

CREATE TABLE IF NOT EXISTS conversations (
    id TEXT PRIMARY KEY,
    session_a_role TEXT NOT NULL,
    session_b_role TEXT NOT NULL,
    session_a_token TEXT NOT NULL,
    session_b_token TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id TEXT NOT NULL,
    from_session TEXT NOT NULL,
    to_session TEXT NOT NULL,
    message TEXT NOT NULL,
    metadata TEXT,
    timestamp TEXT NOT NULL,
    read INTEGER DEFAULT 0,
    FOREIGN KEY (conversation_id) REFERENCES conversations(id)
);

CREATE TABLE IF NOT EXISTS session_status (
    conversation_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    status TEXT NOT NULL,
    last_heartbeat TEXT NOT NULL,
    PRIMARY KEY (conversation_id, session_id)
);

CREATE TABLE IF NOT EXISTS audit_log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id TEXT,
    session_id TEXT,
    action TEXT NOT NULL,
    details TEXT,
    timestamp TEXT NOT NULL
);

-- Tailgate's own tables (everything below this line).

CREATE TABLE IF NOT EXISTS tailgate_meta (
    key TEXT PRIMARY KEY,
    value NOT NULL
) WITHOUT ROWID;

-- Queries whose attempts outlast memory: in a worker's hands for long, failed, claimed, dead. Fast
-- work never stands here, and an answer takes its row away in the transaction that commits it.
CREATE TABLE IF NOT EXISTS tailgate_delivery (
    message_id INTEGER PRIMARY KEY,
    conversation_id TEXT NOT NULL,
    service TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('leased', 'waiting', 'dead')),
    claimed INTEGER NOT NULL DEFAULT 0, -- its read flag was set by us, before it was answered
    attempt INTEGER NOT NULL,           -- the number of the last attempt begun
    failed INTEGER NOT NULL,            -- attempts that count as failed
    worker TEXT,                        -- that had it last
    pid INTEGER,                        -- that worker's, where it is on this host; else NULL
    leased_at TEXT,                     -- when the last attempt began
    due_at TEXT,                        -- leased: when its lease ends; waiting: when its pause ends
    reason TEXT,                        -- why the last attempt failed
    history TEXT NOT NULL DEFAULT '[]', -- JSON: [{"attempt","worker","reason","at"}]
    redriven INTEGER,                   -- dead: the row that asks it again
    updated_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS tailgate_delivery_dead ON tailgate_delivery (updated_at) WHERE state = 'dead';
CREATE INDEX IF NOT EXISTS tailgate_delivery_open ON tailgate_delivery (message_id) WHERE state <> 'dead';

-- Answers that were paid for and do not stand whole in a reply row.
CREATE TABLE IF NOT EXISTS tailgate_answer (
    id INTEGER PRIMARY KEY,
    message_id INTEGER NOT NULL,
    conversation_id TEXT NOT NULL,
    why TEXT NOT NULL CHECK (why IN ('cut', 'superseded', 'expired', 'deleted', 'refused')),
    worker TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    kept_at TEXT NOT NULL, -- before the long columns: retention reads no further
    answer TEXT NOT NULL,
    metadata TEXT
);
CREATE INDEX IF NOT EXISTS tailgate_answer_message ON tailgate_answer (message_id);

-- Unsettled queries at or below the low-water mark (tailgate_meta.low_water), which the next start
-- would not find otherwise.
CREATE TABLE IF NOT EXISTS tailgate_parked (
    message_id INTEGER PRIMARY KEY
);

-- Queries above the low-water mark whose end without an answer is in the audit log: what looks at them
-- again, after a restart too, does not record it twice. The mark takes them away.
CREATE TABLE IF NOT EXISTS tailgate_ended (
    message_id INTEGER PRIMARY KEY
);

-- Conversations that `tailgate ask`, or the gateway for a client, made for itself, to be cleaned up after
-- their time.
CREATE TABLE IF NOT EXISTS tailgate_made (
    conversation_id TEXT PRIMARY KEY,
    expires_at TEXT NOT NULL,
    last_id INTEGER -- of all messages when its time was over: none of its own is above it
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tailgate_made_live ON tailgate_made (expires_at) WHERE last_id IS NULL;
CREATE INDEX IF NOT EXISTS tailgate_made_over ON tailgate_made (expires_at) WHERE last_id IS NOT NULL;

-- Conversations that the gateway made for a client of its gate: who asks, and whom. They stand in
-- tailgate_made, too.
CREATE TABLE IF NOT EXISTS tailgate_client (
    conversation_id TEXT PRIMARY KEY,
    principal TEXT NOT NULL, -- "uid:1000", "tcp"
    service TEXT NOT NULL,
    made_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tailgate_client_asks ON tailgate_client (principal, service, made_at);

-- Requests of clients, for as long as the same one, asked again, is to attach to its row.
CREATE TABLE IF NOT EXISTS tailgate_request (
    message_id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL, -- of principal, service and body
    reply_id INTEGER,     -- its reply row, while nobody is known to have had that
    asked_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS tailgate_request_digest ON tailgate_request (digest);

-- What a request can be asked for by, later (titanic.request).
CREATE TABLE IF NOT EXISTS tailgate_ticket (
    ticket TEXT PRIMARY KEY,
    message_id INTEGER NOT NULL,
    reply_id INTEGER, -- the reply row, once it is there
    expires_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tailgate_ticket_message ON tailgate_ticket (message_id);
CREATE INDEX IF NOT EXISTS tailgate_ticket_over ON tailgate_ticket (expires_at);

-- Who sent the rows that the gateway itself made, as its door has verified it: their metadata says the
-- same, but that can be written by whoever writes to the bridge.
CREATE TABLE IF NOT EXISTS tailgate_sender (
    message_id INTEGER PRIMARY KEY,
    principal TEXT NOT NULL, -- "uid:1000", "key:<fingerprint>"
    name TEXT,               -- that the gateway's list had for the key
    made_at TEXT NOT NULL    -- as in the row: one with another timestamp is not the one that was made
);

-- Queries that were submitted through the gate under a key (tailgate.submit): the same key again makes no second
-- row, for as long as its row stands here.
CREATE TABLE IF NOT EXISTS tailgate_idempotency (
    conversation_id TEXT NOT NULL,
    session TEXT NOT NULL, -- that asks
    key TEXT NOT NULL,
    digest BLOB NOT NULL,  -- of the query as it was submitted
    message_id INTEGER NOT NULL,
    query_id TEXT NOT NULL,
    made_at TEXT NOT NULL, -- as in the query's row
    PRIMARY KEY (conversation_id, session, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tailgate_idempotency_over ON tailgate_idempotency (made_at);

-- Bodies that do not stand in their row: the packed frames of a request or of a raw answer.
CREATE TABLE IF NOT EXISTS tailgate_blob (
    message_id INTEGER PRIMARY KEY, -- of the row whose body it is
    kept_at TEXT NOT NULL,
    data BLOB NOT NULL
);

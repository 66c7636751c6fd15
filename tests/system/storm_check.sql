-- What must be true of a bridge after the storm, and at any moment of it. It is given, as temporary tables:
--   written(id, name, conversation_id)  queries whose commit the writers were told of      taking(id)  they may have set its read flag,
--   took(id)              and this one they did                              deleting(conversation_id)  may be deleted
--   checking(final)       1: everything has come to rest, nothing may be pending any more
-- It fills broken(promise, id, detail): empty when all promises hold. And tally(what, number).

CREATE TEMP TABLE broken (promise TEXT, id INTEGER, detail TEXT);

CREATE TEMP TABLE query AS
SELECT m.id, m.conversation_id, m.from_session, m.to_session, coalesce(m.read, 0) <> 0 AS read,
       json_extract(m.message, '$.query_id') AS name, json_extract(m.message, '$.question') AS question,
       coalesce(c.expires_at > strftime('%Y-%m-%dT%H:%M:%f', 'now'), 0) AS live
FROM main.messages m LEFT JOIN main.conversations c ON c.id = m.conversation_id
WHERE m.from_session = 'a' AND json_extract(m.message, '$.type') = 'query';
CREATE UNIQUE INDEX temp.query_id ON query (id);

CREATE TEMP TABLE reply AS
SELECT m.id, m.conversation_id, m.from_session, m.to_session, m.timestamp, length(m.message) AS length,
       CAST(json_extract(m.metadata, '$.in_reply_to') AS INTEGER) AS query_id, json_extract(m.message, '$.query_id') AS name,
       json_extract(m.message, '$.type') = 'error' AS dead, json_extract(m.message, '$.answer') AS answer
FROM main.messages m WHERE m.from_session = 'b';
CREATE INDEX temp.reply_query ON reply (query_id);

CREATE TEMP TABLE ended AS
SELECT CAST(json_extract(details, '$.message_id') AS INTEGER) AS query_id, action, conversation_id
FROM main.audit_log WHERE action IN ('query_dead', 'query_expired', 'query_superseded', 'query_deleted');
CREATE INDEX temp.ended_query ON ended (query_id);

-- Deleted with its conversation by its own program, as far as we may tell.
CREATE TEMP TABLE gone AS SELECT conversation_id FROM deleting
WHERE conversation_id NOT IN (SELECT id FROM main.conversations);

-- Queries and replies.

INSERT INTO broken SELECT 'the file is sound', NULL, integrity_check
FROM pragma_integrity_check WHERE integrity_check <> 'ok';

INSERT INTO broken SELECT 'a committed query stays', w.id, w.name
FROM written w LEFT JOIN query q ON q.id = w.id AND q.name = w.name
WHERE q.id IS NULL AND w.conversation_id NOT IN (SELECT conversation_id FROM gone);

INSERT INTO broken SELECT 'a query has one reply', query_id, count(*) || ' replies'
FROM reply GROUP BY query_id HAVING count(*) > 1;

INSERT INTO broken SELECT 'a reply has its query', r.id, 'in reply to ' || coalesce(r.query_id, 'nothing')
FROM reply r LEFT JOIN query q ON q.id = r.query_id AND q.conversation_id = r.conversation_id
    AND q.to_session = r.from_session AND q.from_session = r.to_session
WHERE q.id IS NULL OR NOT EXISTS (SELECT 1 FROM main.conversations c WHERE c.id = r.conversation_id);

INSERT INTO broken SELECT 'an answer is that of its query', r.id, coalesce(r.answer, r.name)
FROM reply r JOIN query q ON q.id = r.query_id
WHERE r.name IS NOT q.name OR (NOT r.dead AND r.answer IS NOT 're: ' || q.question);

INSERT INTO broken SELECT 'a query with a reply is read', q.id, q.name
FROM query q WHERE NOT q.read AND EXISTS (SELECT 1 FROM reply r WHERE r.query_id = q.id);

-- Claimed: its flag was taken before it was handed out (claim dispatch); its row says so until it ends.
INSERT INTO broken SELECT 'a read query has a reply', q.id, q.name
FROM query q WHERE q.read AND NOT EXISTS (SELECT 1 FROM reply r WHERE r.query_id = q.id)
    AND q.id NOT IN (SELECT id FROM taking)
    AND q.id NOT IN (SELECT message_id FROM main.tailgate_delivery WHERE claimed = 1 AND state <> 'dead')
    AND NOT (NOT q.live AND EXISTS (SELECT 1 FROM ended e WHERE e.query_id = q.id AND e.action = 'query_expired'));

INSERT INTO broken SELECT 'what somebody else took is not answered', t.id, NULL
FROM took t WHERE EXISTS (SELECT 1 FROM reply r WHERE r.query_id = t.id);

-- Who is still waiting.

CREATE TEMP TABLE pending AS
SELECT q.id, q.name FROM query q LEFT JOIN main.tailgate_delivery d ON d.message_id = q.id AND d.state <> 'dead'
WHERE q.live AND (NOT q.read OR d.claimed = 1) AND NOT EXISTS (SELECT 1 FROM reply r WHERE r.query_id = q.id);

INSERT INTO broken SELECT 'nothing is pending at the end', p.id, p.name FROM pending p, checking WHERE final;

INSERT INTO broken SELECT 'the next start finds what is pending', p.id, p.name
FROM pending p WHERE p.id <= (SELECT value FROM main.tailgate_meta WHERE key = 'low_water')
    AND p.id NOT IN (SELECT message_id FROM main.tailgate_parked)
    AND p.id NOT IN (SELECT message_id FROM main.tailgate_delivery WHERE state <> 'dead');

INSERT INTO broken SELECT 'nothing is left in hand at the end', message_id, state || ' of ' || service
FROM main.tailgate_delivery, checking WHERE final AND state <> 'dead';

INSERT INTO broken SELECT 'nothing is left parked at the end', message_id, NULL
FROM main.tailgate_parked, checking WHERE final;

-- The audit rows.

CREATE TEMP TABLE sent AS
SELECT conversation_id, timestamp, json_extract(details, '$.to') AS to_session,
       json_extract(details, '$.message_length') AS length, count(*) AS number
FROM main.audit_log WHERE action = 'send_message' AND session_id = 'b'
    AND conversation_id NOT IN (SELECT conversation_id FROM gone) GROUP BY 1, 2, 3, 4;
CREATE TEMP TABLE standing AS
SELECT conversation_id, timestamp, to_session, length, count(*) AS number FROM reply GROUP BY 1, 2, 3, 4;

INSERT INTO broken SELECT 'a reply has its audit row', NULL, conversation_id || ' at ' || timestamp
FROM (SELECT * FROM standing EXCEPT SELECT * FROM sent);
INSERT INTO broken SELECT 'an audit row has its reply', NULL, conversation_id || ' at ' || timestamp
FROM (SELECT * FROM sent EXCEPT SELECT * FROM standing);

INSERT INTO broken SELECT 'a dead query has its audit row', r.query_id, NULL
FROM reply r WHERE r.dead AND NOT EXISTS (SELECT 1 FROM ended e WHERE e.query_id = r.query_id AND e.action = 'query_dead');

INSERT INTO broken SELECT 'a dead query is listed', r.query_id, NULL
FROM reply r WHERE r.dead AND r.query_id NOT IN (SELECT message_id FROM main.tailgate_delivery WHERE state = 'dead');

INSERT INTO broken SELECT 'what is listed as dead has an error reply', d.message_id, d.reason
FROM main.tailgate_delivery d WHERE d.state = 'dead' AND d.conversation_id NOT IN (SELECT conversation_id FROM gone)
    AND NOT EXISTS (SELECT 1 FROM reply r WHERE r.query_id = d.message_id AND r.dead);

-- Once more when an answer came after it had ended, which is kept.
INSERT INTO broken SELECT 'a query ends once', e.query_id, group_concat(e.action)
FROM ended e GROUP BY e.query_id HAVING count(DISTINCT e.action) > 1
    AND e.query_id NOT IN (SELECT w.id FROM written w WHERE w.conversation_id IN (SELECT conversation_id FROM gone))
    OR count(*) > 1 + EXISTS (SELECT 1 FROM main.tailgate_answer k WHERE k.message_id = e.query_id
                              AND 'query_' || k.why = e.action);

INSERT INTO broken SELECT 'a query ends once', e.query_id, 'answered, and ' || e.action
FROM ended e JOIN reply r ON r.query_id = e.query_id AND NOT (r.dead AND e.action = 'query_dead');

INSERT INTO broken SELECT 'an end is true', e.query_id, e.action
FROM ended e LEFT JOIN query q ON q.id = e.query_id
WHERE e.conversation_id NOT IN (SELECT conversation_id FROM gone) AND CASE e.action
    WHEN 'query_superseded' THEN e.query_id NOT IN (SELECT id FROM taking)
    WHEN 'query_expired' THEN q.live IS NOT 0
    WHEN 'query_deleted' THEN q.id IS NOT NULL
        OR e.query_id IN (SELECT w.id FROM written w WHERE w.conversation_id NOT IN (SELECT conversation_id FROM gone))
    ELSE NOT EXISTS (SELECT 1 FROM reply r WHERE r.query_id = e.query_id) END;

-- How it all ended.

CREATE TEMP TABLE tally AS
SELECT 'queries' AS what, (SELECT count(*) FROM query)
    + (SELECT count(*) FROM written WHERE conversation_id IN (SELECT conversation_id FROM gone)) AS number
UNION ALL SELECT 'answered', count(*) FROM reply WHERE NOT dead
UNION ALL SELECT 'dead', count(*) FROM reply WHERE dead
UNION ALL SELECT 'pending', count(*) FROM pending
UNION ALL SELECT 'expired', count(*) FROM query q
    WHERE NOT q.live AND NOT EXISTS (SELECT 1 FROM reply r WHERE r.query_id = q.id)
    AND (NOT q.read OR q.id NOT IN (SELECT id FROM taking))
UNION ALL SELECT 'superseded', count(*) FROM query q
    WHERE q.read AND q.id IN (SELECT id FROM taking) AND NOT EXISTS (SELECT 1 FROM reply r WHERE r.query_id = q.id)
    AND q.id NOT IN (SELECT id FROM pending)
UNION ALL SELECT 'deleted', count(*) FROM written WHERE conversation_id IN (SELECT conversation_id FROM gone)
UNION ALL SELECT 'double replies', count(*) FROM broken WHERE promise = 'a query has one reply'
UNION ALL SELECT 'lost', count(*) FROM broken WHERE promise IN
    ('a committed query stays', 'a read query has a reply', 'the next start finds what is pending');

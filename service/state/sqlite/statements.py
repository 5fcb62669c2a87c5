"""The SQL of the run store, beside the tables of `schema.sql`."""

HEAD = "SELECT generation, version, step, document, created_at, updated_at FROM runs WHERE run = ?"
HEADS = """\
SELECT run, generation, version, step, document, created_at, updated_at
FROM runs WHERE run > ? ORDER BY run LIMIT ?"""
WRITE_HEAD = "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)"

RECORDS = "SELECT step, line FROM records WHERE run = ? AND step > ? ORDER BY step LIMIT ?"
LATEST_RECORD = """\
SELECT step, line FROM records WHERE run = ? AND step <= ? ORDER BY step DESC LIMIT 1"""
WRITE_RECORD = "INSERT INTO records VALUES (?, ?, ?, ?)"
TRIM_RECORDS = "DELETE FROM records WHERE run = ? AND version <= ?"

ANSWER = "SELECT fingerprint, body FROM answers WHERE run = ? AND step = ? AND part = ?"
WRITE_ANSWER = "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?)"
TRIM_ANSWERS = "DELETE FROM answers WHERE run = ? AND version <= ?"
EXPIRE_ANSWERS = "DELETE FROM answers WHERE run IN (SELECT run FROM runs WHERE updated_at < ?)"

OPEN_STEPS = "SELECT step FROM open_steps WHERE run = ?"
TERMS = "SELECT terms FROM open_steps WHERE run = ? AND step = ?"
ENTRIES = "SELECT key, payload FROM entries WHERE run = ? AND step = ?"
COUNT_ENTRIES = "SELECT count(*) FROM entries WHERE run = ? AND step = ?"
WRITE_OPEN_STEP = """\
INSERT INTO open_steps VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET gathered_at = excluded.gathered_at"""
WRITE_ENTRY = "INSERT OR IGNORE INTO entries VALUES (?, ?, ?, ?)"
CLOSE_STEPS = "DELETE FROM open_steps WHERE run = ? AND step <= ?"
EXPIRE_OPEN_STEPS = "DELETE FROM open_steps WHERE gathered_at < ?"

FORGET_OPEN_STEPS = "DELETE FROM open_steps WHERE run = ?"
FORGET_AFTER = (
    "DELETE FROM records WHERE run = ? AND step > ?",
    "DELETE FROM answers WHERE run = ? AND step > ?",
)
DELETE_RUN = (
    "DELETE FROM records WHERE run = ?",
    "DELETE FROM answers WHERE run = ?",
    "DELETE FROM open_steps WHERE run = ?",
    "DELETE FROM runs WHERE run = ?",
)

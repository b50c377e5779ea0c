//! The table and its constraints, by version.

use postgres::Client;

/// What makes each version of the one before it. A released step is never changed.
const STEPS: [&str; 1] = [ENTRIES];

/// Version 1: the lines, in the order of their numbers.
///
/// - A row continues the row before it: the foreign key names that row's number and hash.
/// - Two writers that continue the same row collide in the primary key.
/// - Nothing is changed or removed, whatever the role. A superuser can take the triggers off, which
///   is why clients keep copies.
const ENTRIES: &str = "
CREATE TABLE {schema}.entries (
    seq bigint PRIMARY KEY CHECK (seq >= 1),
    prev_seq bigint GENERATED ALWAYS AS (NULLIF(seq - 1, 0)) STORED,
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    prev_hash bytea NOT NULL CHECK (octet_length(prev_hash) = 32),
    line bytea NOT NULL CHECK (octet_length(line) BETWEEN 1 AND 1048576),
    UNIQUE (seq, hash),
    FOREIGN KEY (prev_seq, prev_hash) REFERENCES {schema}.entries (seq, hash)
);
COMMENT ON TABLE {schema}.entries IS 'The lines of one ledger. Only ever appended to.';

CREATE FUNCTION {schema}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a ledger is only ever appended to' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON {schema}.entries
    FOR EACH ROW EXECUTE FUNCTION {schema}.refuse_change();
CREATE TRIGGER append_only_table BEFORE TRUNCATE ON {schema}.entries
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change();

CREATE FUNCTION {schema}.announce() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('{schema}_entries', '');
    RETURN NULL;
END $$;
CREATE TRIGGER announce_entries AFTER INSERT ON {schema}.entries
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.announce();
";

/// The version that this program knows.
pub(super) const VERSION: i32 = STEPS.len() as i32;

/// Brings `schema` to [`VERSION`]. Doing it again, or from two places at once, does no harm.
pub(super) fn migrate(client: &mut Client, schema: &str) -> Result<(), postgres::Error> {
    let mut transaction = client.transaction()?;
    transaction.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('althing schema ' || $1, 0))",
        &[&schema],
    )?;
    transaction.batch_execute(&format!(
        "CREATE SCHEMA IF NOT EXISTS {schema};
         CREATE TABLE IF NOT EXISTS {schema}.migrations (
             version integer PRIMARY KEY,
             applied_at timestamptz NOT NULL DEFAULT now()
         );"
    ))?;
    let done = transaction.query_one(
        &format!("SELECT coalesce(max(version), 0) FROM {schema}.migrations"),
        &[],
    )?;
    let done: i32 = done.get(0);
    for (version, step) in (1..=VERSION).zip(STEPS) {
        if version > done {
            transaction.batch_execute(&step.replace("{schema}", schema))?;
            let insert = format!("INSERT INTO {schema}.migrations (version) VALUES ($1)");
            transaction.execute(&insert, &[&version])?;
        }
    }
    transaction.commit()
}

/// The version that the database holds; `None` where there is no such schema.
pub(super) fn version(client: &mut Client, schema: &str) -> Result<Option<i32>, postgres::Error> {
    let table = format!("{schema}.migrations");
    let found = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&table])?;
    if !found.get::<_, bool>(0) {
        return Ok(None);
    }
    let row = client.query_one(
        &format!("SELECT coalesce(max(version), 0) FROM {table}"),
        &[],
    )?;
    Ok(Some(row.get(0)))
}

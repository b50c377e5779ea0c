//! The table and its constraints, by version.

use postgres::Client;

/// What makes each version of the one before it. A released step is never changed.
const STEPS: [&str; 2] = [ENTRIES, BATCHES];

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

/// Version 2: a row is a batch, so that constraints are looked at once for each and not for each line.
///
/// - A row continues the head, or is refused: `continue_head` holds its number and its first line to the
///   last row, and its columns to its lines. It believes nothing that the caller could put into its
///   search path.
/// - Two writers that continue the same head collide in the primary key.
/// - A batch is there whole or not at all, as any row.
/// - As before, nothing is changed or removed.
///
/// Whatever privileges there were to read and append to the old table hold for the new one.
const BATCHES: &str = r#"
LOCK TABLE {schema}.entries IN ACCESS EXCLUSIVE MODE;
CREATE TABLE {schema}.batches (
    first bigint PRIMARY KEY,
    last bigint NOT NULL,
    hash bytea NOT NULL,
    lines bytea NOT NULL
);
ALTER TABLE {schema}.batches ALTER lines SET STORAGE EXTERNAL;
COMMENT ON TABLE {schema}.batches IS 'The batches of one ledger. Only ever appended to.';
COMMENT ON COLUMN {schema}.batches.first IS 'The number of the first line.';
COMMENT ON COLUMN {schema}.batches.last IS 'The number of the last line.';
COMMENT ON COLUMN {schema}.batches.hash IS 'The hash of the last line.';
COMMENT ON COLUMN {schema}.batches.lines IS 'The lines, each with its line feed.';

INSERT INTO {schema}.batches (first, last, hash, lines)
SELECT min(seq), max(seq), (array_agg(hash ORDER BY seq DESC))[1],
    string_agg(line, '\x0a' ORDER BY seq) || '\x0a'
FROM (
    SELECT seq, hash, line, sum(begins) OVER (ORDER BY seq) AS number
    FROM (
        SELECT seq, hash, line,
            (position('"batch":[1,'::bytea IN substr(line, 1, 64)) > 0)::integer AS begins
        FROM {schema}.entries
    ) AS marked
) AS numbered
GROUP BY number;

CREATE FUNCTION {schema}.continue_head() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    head_last bigint;
    head_hash bytea;
    lines integer := NEW.last - NEW.first + 1;
    size integer := octet_length(NEW.lines);
    first_end integer := position('\x0a'::bytea IN NEW.lines);
BEGIN
    SELECT last, hash INTO head_last, head_hash FROM {schema}.batches ORDER BY first DESC LIMIT 1;
    IF NOT FOUND THEN
        head_last := 0;
        head_hash := decode(repeat('00', 32), 'hex');
    END IF;
    IF NEW.first <> head_last + 1 OR substr(NEW.lines, first_end - 146, 64)
        <> convert_to(encode(head_hash, 'hex'), 'UTF8')
    THEN
        RAISE EXCEPTION 'batch % does not continue the head, which is entry %', NEW.first, head_last
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF size > lines * 1048577::bigint
        OR position(convert_to('"seq":' || NEW.first || ',"batch":[1,' || lines || '],', 'UTF8')
            IN substr(NEW.lines, 1, 64)) = 0
        OR substr(NEW.lines, size - 66) <> convert_to(encode(NEW.hash, 'hex') || E'"}\n', 'UTF8')
    THEN
        RAISE EXCEPTION 'batch % is not what its lines say', NEW.first
            USING ERRCODE = 'check_violation';
    END IF;
    PERFORM pg_notify('{schema}_entries', '');
    RETURN NEW;
END $$;
CREATE TRIGGER continue_head BEFORE INSERT ON {schema}.batches
    FOR EACH ROW EXECUTE FUNCTION {schema}.continue_head();
CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON {schema}.batches
    FOR EACH ROW EXECUTE FUNCTION {schema}.refuse_change();
CREATE TRIGGER append_only_table BEFORE TRUNCATE ON {schema}.batches
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change();

DO $$
DECLARE
    granted record;
BEGIN
    FOR granted IN
        SELECT privilege_type AS privilege,
            CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS grantee
        FROM pg_class, aclexplode(relacl)
        WHERE pg_class.oid = '{schema}.entries'::regclass AND grantee <> relowner
            AND privilege_type IN ('SELECT', 'INSERT')
    LOOP
        EXECUTE format('GRANT %s ON {schema}.batches TO %s', granted.privilege, granted.grantee);
    END LOOP;
END $$;
DROP TABLE {schema}.entries;
DROP FUNCTION {schema}.announce();
"#;

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

-- Version 1 of the schema as `althing init` made it, to migrate from. Never changed.
CREATE SCHEMA {schema};
CREATE TABLE {schema}.migrations (
    version integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO {schema}.migrations (version) VALUES (1);

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

-- Roles as a deployment has them: one logs in, and may become the others it was granted. "vault_owner" is not
-- granted to it, and owns what the others must not see.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'vault_login') THEN
    CREATE ROLE vault_login LOGIN NOINHERIT PASSWORD 'conformance';
    CREATE ROLE vault_guest NOLOGIN;
    CREATE ROLE vault_clerk NOLOGIN;
    CREATE ROLE vault_owner NOLOGIN;
    GRANT vault_guest, vault_clerk TO vault_login;
    ALTER ROLE vault_clerk SET statement_timeout = '7s';
  END IF;
END $$;

CREATE SCHEMA vault;
CREATE SCHEMA hidden;
GRANT USAGE ON SCHEMA vault TO vault_guest, vault_clerk;

CREATE TABLE vault.item (id integer PRIMARY KEY, label text, attributes jsonb, made timestamptz, owner_id integer);
CREATE TABLE vault.secret (id integer PRIMARY KEY, item_id integer REFERENCES vault.item, code text);
CREATE TABLE vault.mine (id integer PRIMARY KEY, owner text, note text);
CREATE TABLE hidden.treasure (id integer PRIMARY KEY, item_id integer REFERENCES vault.item, gold text);
CREATE SEQUENCE vault.counter;
INSERT INTO vault.item VALUES (1, 'lamp', '{"colour": "red", "size": 1}', '2026-01-01 00:00+00', 1);
INSERT INTO vault.secret VALUES (1, 1, 'TOPSECRET');
INSERT INTO vault.mine VALUES (1, 'vault_guest', 'guests note'), (2, 'vault_clerk', 'CLERKSNOTE');
INSERT INTO hidden.treasure VALUES (1, 1, 'GOLDBARS');
GRANT SELECT, INSERT, UPDATE, DELETE ON vault.item TO vault_guest, vault_clerk;
GRANT SELECT ON vault.secret TO vault_clerk;
GRANT SELECT ON vault.mine TO vault_guest, vault_clerk;
ALTER TABLE vault.mine ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON vault.mine USING (owner = current_setting('role'));
CREATE VIEW vault.my_view WITH (security_invoker = true) AS SELECT * FROM vault.mine;
CREATE VIEW vault.secret_view WITH (security_invoker = true) AS SELECT * FROM vault.secret;
GRANT SELECT ON vault.my_view, vault.secret_view TO vault_guest, vault_clerk;

CREATE FUNCTION vault.whoami() RETURNS json LANGUAGE sql STABLE AS $$
  SELECT json_build_object(
    'user', current_user, 'role', current_setting('role'), 'path', current_setting('search_path'),
    'zone', current_setting('timezone'), 'claims', current_setting('request.jwt.claims', true),
    'headers', current_setting('request.headers', true), 'cookies', current_setting('request.cookies', true),
    'request_path', current_setting('request.path', true), 'timeout', current_setting('statement_timeout'),
    'read_only', current_setting('transaction_read_only'))
$$;
CREATE FUNCTION vault.echo(given text) RETURNS text LANGUAGE sql STABLE AS $$ SELECT given $$;
CREATE FUNCTION vault.owners_only() RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'GOLDBARS' $$;
REVOKE ALL ON FUNCTION vault.owners_only() FROM public;

-- Each does, with the rights of a superuser, what a mirrored read must not do.
CREATE FUNCTION vault.attempt(what text) RETURNS text LANGUAGE plpgsql VOLATILE SECURITY DEFINER
  SET search_path = pg_catalog, vault AS $$
BEGIN
  CASE what
    WHEN 'insert' THEN INSERT INTO vault.item (id) VALUES (99);
    WHEN 'read_write' THEN
      PERFORM set_config('transaction_read_only', 'off', true);
      INSERT INTO vault.item (id) VALUES (99);
    WHEN 'set_transaction' THEN
      EXECUTE 'SET TRANSACTION READ WRITE';
      INSERT INTO vault.item (id) VALUES (99);
    WHEN 'characteristics' THEN
      EXECUTE 'SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE';
      INSERT INTO vault.item (id) VALUES (99);
    WHEN 'commit' THEN EXECUTE 'COMMIT';
    WHEN 'truncate' THEN EXECUTE 'TRUNCATE vault.item CASCADE';
    WHEN 'create' THEN EXECUTE 'CREATE TABLE vault.made (id integer)';
    WHEN 'copy_from_program' THEN EXECUTE $c$COPY vault.item (label) FROM PROGRAM 'echo 1'$c$;
    WHEN 'nextval' THEN PERFORM nextval('vault.counter');
    WHEN 'setval' THEN PERFORM setval('vault.counter', 4711);
    WHEN 'large_object' THEN PERFORM lo_create(4711);
    WHEN 'lock_row' THEN PERFORM 1 FROM vault.item FOR UPDATE;
    WHEN 'notify' THEN PERFORM pg_notify('vault', 'heard');
    WHEN 'listen' THEN EXECUTE 'LISTEN vault';
    WHEN 'advisory_lock' THEN PERFORM pg_advisory_lock(4711);
    WHEN 'advisory_lock_and_fail' THEN
      PERFORM pg_advisory_lock(4711);
      RAISE EXCEPTION 'failed on purpose';
    WHEN 'temporary_table' THEN EXECUTE 'CREATE TEMP TABLE item (id integer)';
    WHEN 'session_setting' THEN PERFORM set_config('timezone', 'Pacific/Chatham', false);
    WHEN 'session_role' THEN PERFORM set_config('search_path', 'hidden', false);
    WHEN 'cursor' THEN EXECUTE 'DECLARE open_cursor CURSOR WITH HOLD FOR SELECT 1';
    WHEN 'prepared_transaction' THEN EXECUTE $c$PREPARE TRANSACTION 'vault'$c$;
    WHEN 'application_name' THEN PERFORM set_config('default_transaction_read_only', 'off', false);
  END CASE;
  RETURN 'done';
END $$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA vault TO vault_clerk;
REVOKE ALL ON FUNCTION vault.owners_only() FROM vault_clerk;

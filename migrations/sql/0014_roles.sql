-- The role of who rotates a keyring: it works beside a running installation, with the private halves on the operator's own
-- safe host. It sees what is sealed and to which version, and exchanges a sealed value for the same one sealed anew; it
-- reads no other column, and nothing of the register.
DO $$
BEGIN
  BEGIN
    CREATE ROLE koppelpunt_keys NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
  EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
  END;
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO koppelpunt_keys', current_database());
END $$;

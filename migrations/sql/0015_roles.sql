-- The one role that may take rows out of the register. Nobody works as it: it owns the functions that look, inside the
-- database, whether a term has passed and no stop stands, and it can do nothing else.
DO $$
BEGIN
  BEGIN
    CREATE ROLE koppelpunt_vernietiger NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
  EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
  END;
  IF NOT pg_has_role(current_user, 'koppelpunt_vernietiger', 'SET') THEN
    EXECUTE format('GRANT koppelpunt_vernietiger TO %I', current_user);
  END IF;
END $$;

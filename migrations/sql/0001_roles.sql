-- Roles of the cluster. They cannot log in: an operator makes login users and puts each in exactly one of them.
-- koppelpunt_owner owns tables, koppelpunt_writer owns the register's writing functions; nobody works as either.
DO $$
DECLARE
  v_role text;
BEGIN
  FOREACH v_role IN ARRAY ARRAY['koppelpunt_owner', 'koppelpunt_writer', 'koppelpunt_gateway', 'koppelpunt_tenants',
                                'koppelpunt_inzage', 'koppelpunt_sealer'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', v_role);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL;
    END;
  END LOOP;
  -- The migrating user works as the owners, so that no object belongs to a person.
  IF NOT pg_has_role(current_user, 'koppelpunt_owner', 'SET') OR NOT pg_has_role(current_user, 'koppelpunt_writer', 'SET') THEN
    EXECUTE format('GRANT koppelpunt_owner, koppelpunt_writer TO %I', current_user);
  END IF;
  EXECUTE format('GRANT CREATE ON DATABASE %I TO koppelpunt_owner', current_database());
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO koppelpunt_gateway, koppelpunt_tenants, koppelpunt_inzage, koppelpunt_sealer, koppelpunt_owner, koppelpunt_writer',
                 current_database());
END $$;

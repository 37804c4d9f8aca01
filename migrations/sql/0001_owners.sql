-- The writing functions go to the role that may write. Last of all, and by the migrating user: koppelpunt_owner
-- cannot give anything to a role that it is not a member of, and must not become one.
GRANT CREATE ON SCHEMA register, proef TO koppelpunt_writer;
ALTER FUNCTION register.begin_writer OWNER TO koppelpunt_writer;
ALTER FUNCTION register.running_of OWNER TO koppelpunt_writer;
ALTER FUNCTION register.write OWNER TO koppelpunt_writer;
ALTER FUNCTION proef.begin_writer OWNER TO koppelpunt_writer;
ALTER FUNCTION proef.running_of OWNER TO koppelpunt_writer;
ALTER FUNCTION proef.write OWNER TO koppelpunt_writer;
REVOKE CREATE ON SCHEMA register, proef FROM koppelpunt_writer;

-- What the gateway hands to the writing function. The identities of a row are not among it: they come by join.
CREATE SCHEMA register AUTHORIZATION koppelpunt_owner;
CREATE SCHEMA proef AUTHORIZATION koppelpunt_owner;
GRANT USAGE ON SCHEMA register, proef TO koppelpunt_writer, koppelpunt_gateway, koppelpunt_tenants, koppelpunt_sealer;
GRANT USAGE ON SCHEMA register TO koppelpunt_inzage;

CREATE TYPE register.data_key_in AS (data_key_id uuid, tenant_id bigint, year smallint, wrapped bytea);
-- base: the last number that this writer gave out for this tenant. refusal: null, or why the gateway itself refused.
CREATE TYPE register.opening_in AS (
  id uuid, tenant_id bigint, base bigint, machtiging_id bigint, machtiging_version integer, aansluiting_id bigint,
  aansluiting_version integer, taaksysteem_tenant_id bigint, taaksysteem_id bigint, taaksysteem_version integer, key_id bigint,
  credential_id bigint, fingerprint bytea, refusal text, api text, operation text, question_type text, zoekrubrieken text,
  rubrieken text, messages text[], trace_id uuid, user_index uuid, data_key_id uuid, sealed bytea);
CREATE TYPE register.closing_in AS (
  id uuid, tenant_id bigint, base bigint, outcome text, status smallint, code text, persons integer, unidentified integer,
  question_bytes integer, answer_bytes integer, token_us integer, upstream_us integer, total_us integer, data_key_id uuid, sealed bytea);
CREATE TYPE register.person_in AS (id uuid, tenant_id bigint, person uuid, message_id text);
CREATE TYPE register.message_in AS (id uuid, tenant_id bigint, message_id text);

-- The lowest UUIDv7 of a moment: the first 48 bits are milliseconds since 1970 (RFC 9562, 5.7).
CREATE FUNCTION register.uuid_floor(p_at timestamptz) RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT (lpad(to_hex((extract(epoch FROM p_at) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
$$;
-- Canonical row: a JSON array of text, integers and null, so that any reader can hash it again.

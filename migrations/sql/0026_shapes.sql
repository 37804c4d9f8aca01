-- What was asked, apart from about whom: a few hundred texts that return in every opening. Kept once per tenant and named by an
-- id from the row. docs/decisions/0026.
--
-- While a release runs that reads openings only as they were, they are written as they were. Whether that is so, nobody here can
-- see: it is false until an operator says so (`koppelpunt migrate --finish`), and true from the start where nothing ran before.
-- A function and no row, so that it is part of the plan of whoever writes and costs a call nothing.
CREATE FUNCTION register.keeps_question_shapes() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT false $$;

-- The id is made of what it stands for, so nobody has to be asked for it: half of a SHA-256.
CREATE FUNCTION register.question_shape_of(p_question_type text, p_zoekrubrieken text, p_rubrieken text) RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT encode(substring(sha256(convert_to(json_build_array(p_question_type, p_zoekrubrieken, p_rubrieken)::text, 'UTF8')) FOR 16), 'hex')::uuid
$$;
REVOKE ALL ON FUNCTION register.keeps_question_shapes, register.question_shape_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register.keeps_question_shapes, register.question_shape_of TO koppelpunt_writer;

-- A request for inzage that is sent again with its key is one request: what was answered is kept in the transaction that made it,
-- as the role that writes it. Of such an answer nothing is kept but that it was given, and where what was made can be read.
CREATE POLICY inzage_scope ON registry.answered_request FOR SELECT TO koppelpunt_inzage
  USING (tenant_id = registry.scope() AND answered_at > now() - interval '24 hours');
CREATE POLICY inzage_answers ON registry.answered_request FOR INSERT TO koppelpunt_inzage WITH CHECK (tenant_id = registry.scope() AND body IS NULL);
GRANT SELECT ON registry.answered_request TO koppelpunt_inzage;
GRANT INSERT (tenant_id, actor, key_digest, request_hash, hash_version, status, headers, showed_secret) ON registry.answered_request TO koppelpunt_inzage;
GRANT EXECUTE ON FUNCTION registry.forget_answered_requests TO koppelpunt_inzage;

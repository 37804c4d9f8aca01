-- As the openings: a tenant's scope, and a reading that is on record.
CREATE POLICY inzage_scope ON register.question_shape FOR SELECT TO koppelpunt_inzage
  USING (tenant_id = registry.scope() AND (SELECT register.reading_is_recorded()));
GRANT SELECT ON register.question_shape, register.opening_whole TO koppelpunt_inzage;

-- With the second confirmation of the end of a contract everything of the tenant that could still let something in, or send
-- something out, ends: in the transaction of that confirmation, by who gave it, in the tenant's history. What is left is what its own people
-- read with, until the end is complete. A certificate that another tenant stands on stays for that one. Withdrawn, nothing of it comes back by itself.
CREATE FUNCTION register.end_of_contract() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  UPDATE registry.taaksysteem_key k SET state = 'withdrawn' WHERE k.tenant_id = NEW.tenant_id AND k.state = 'active';
  UPDATE registry.idp i SET state = 'ended' WHERE i.tenant_id = NEW.tenant_id AND i.state = 'active';
  UPDATE registry.taaksysteem s SET state = 'ended' WHERE s.tenant_id = NEW.tenant_id AND s.state = 'active';
  UPDATE registry.aansluiting a SET state = 'beeindigd' WHERE a.tenant_id = NEW.tenant_id AND a.state <> 'beeindigd';
  UPDATE registry.credential r SET state = 'retired' WHERE r.tenant_id = NEW.tenant_id AND r.state <> 'retired';
  UPDATE registry.certificate c SET state = 'retired' WHERE c.tenant_id = NEW.tenant_id AND c.state IN ('active', 'retiring')
    AND NOT EXISTS (SELECT 1 FROM registry.aansluiting a WHERE a.certificate_tenant_id = c.tenant_id AND a.certificate_id = c.certificate_id AND a.state <> 'beeindigd');
  UPDATE registry.logboek_destination d SET state = 'ended', key_sealed = NULL, secret_sealed = NULL WHERE d.tenant_id = NEW.tenant_id AND d.state = 'active';
  UPDATE registry.contact c SET state = 'ended' WHERE c.tenant_id = NEW.tenant_id AND c.state = 'active';
  RETURN NULL;
END $f$;
REVOKE ALL ON FUNCTION register.end_of_contract FROM PUBLIC;
CREATE TRIGGER end_of_contract AFTER INSERT ON register.contracteinde_stap FOR EACH ROW WHEN (NEW.kind = 'meebevestigd') EXECUTE FUNCTION register.end_of_contract();
DO $$
DECLARE
  v_table text;
BEGIN
  -- Those that its owner does not change for another reason yet.
  FOREACH v_table IN ARRAY ARRAY['idp', 'taaksysteem', 'aansluiting', 'contact'] LOOP
    EXECUTE format('CREATE POLICY owner_ends ON registry.%I FOR UPDATE TO koppelpunt_owner USING (tenant_id = registry.scope())', v_table);
  END LOOP;
END $$;

-- An AfnemerID is one active afnemer's. Who moves to another tenant (herindeling, another supplier) or was registered in the wrong
-- place ends here and begins there; the row that ended stays, with the history and the register that name it.
ALTER TABLE registry.afnemer DROP CONSTRAINT afnemer_afnemer_id_key;
CREATE UNIQUE INDEX afnemer_afnemer_id_key ON registry.afnemer (afnemer_id) WHERE state = 'active';

-- Where its checkpoints go is the tenant's own too: they are what tells it that a tree was changed, by whoever runs it.
CREATE TRIGGER hold_eigen BEFORE INSERT OR UPDATE ON registry.checkpoint_destination FOR EACH ROW EXECUTE FUNCTION registry.hold_eigen();

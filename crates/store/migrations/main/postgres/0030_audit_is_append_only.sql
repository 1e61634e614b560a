-- How whoever did it got in, and from where.
ALTER TABLE audit ADD COLUMN via    TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN remote TEXT;

CREATE TRIGGER audit_is_not_edited BEFORE UPDATE ON audit
    FOR EACH ROW EXECUTE FUNCTION refuse('the audit is append-only');

CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION refuse('the audit is append-only');

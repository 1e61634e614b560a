-- `TRUNCATE` takes rows away without a deletion that the other triggers would see.
CREATE TRIGGER audit_is_not_emptied BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('the audit is append-only');

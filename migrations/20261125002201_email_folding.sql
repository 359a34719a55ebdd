-- E-mail addresses are compared in any case of their ASCII letters, whatever the database's locale folds besides: a Turkish I is no
-- other spelling of an i.
DROP INDEX users_email_key;
CREATE UNIQUE INDEX users_email_key ON users (lower(email COLLATE "C"))
    WHERE email IS NOT NULL AND (email_verified OR role IN ('nodal_officer', 'admin', 'auditor'));

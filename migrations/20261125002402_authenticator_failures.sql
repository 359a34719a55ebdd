-- How often each authenticator of a user failed since it last succeeded: {"password": 7}. At 100 it is off until it is set anew.
ALTER TABLE users ADD COLUMN authenticator_failures jsonb NOT NULL DEFAULT '{}'
    CHECK (jsonb_typeof(authenticator_failures) = 'object');

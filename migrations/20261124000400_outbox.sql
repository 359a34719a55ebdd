-- Committed messages on their way to JetStream. A row belongs to a lane by its key (the user), and a relay takes whole
-- lanes under a row lock: several relays work side by side, and what concerns one user leaves in order.
CREATE TABLE outbox_lanes (lane smallint PRIMARY KEY);
INSERT INTO outbox_lanes SELECT generate_series(0, 15);

CREATE TABLE outbox (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id   uuid NOT NULL UNIQUE,
    lane         smallint NOT NULL CHECK (lane BETWEEN 0 AND 15),
    key          bigint NOT NULL,
    -- The NATS subject.
    subject      text NOT NULL,
    payload      jsonb NOT NULL,
    request_id   text,
    created_at   timestamptz NOT NULL,
    -- After this moment nobody needs the message any more.
    expires_at   timestamptz,
    published_at timestamptz
);
-- What a relay reads.
CREATE INDEX outbox_pending ON outbox (lane, id) WHERE published_at IS NULL;
-- What the clean-up and a replay read.
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;

-- What the send breaker refused, or would have refused: counts by hour, kept for a month. No number and no whole address.

CREATE TABLE otp_decisions (
    hour     timestamptz NOT NULL,
    rule     text NOT NULL,
    -- Whether it was refused; otherwise it was only recorded.
    enforced boolean NOT NULL,
    country  text NOT NULL,
    -- The /24 of IPv4 or /48 of IPv6 that asked.
    network  text NOT NULL,
    count    bigint NOT NULL CHECK (count > 0),
    PRIMARY KEY (hour, rule, enforced, country, network)
);

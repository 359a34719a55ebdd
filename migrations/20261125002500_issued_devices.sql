-- Only a token that this service issued makes a device known. A row is a device that was issued one, or the kind of a
-- device that sends none back, for which it tells whether a sign-in is worth a notice.

ALTER TABLE known_devices
    -- Whether the client sent the token back: it is kept before those that never do.
    ADD COLUMN returned boolean NOT NULL DEFAULT false,
    -- A kind: whether the token that was issued to it came back, so that the kind stands for nothing any more.
    ADD COLUMN replaced boolean NOT NULL DEFAULT false;

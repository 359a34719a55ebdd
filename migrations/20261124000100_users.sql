-- Users, departments and the areas assigned to moderators. What must always hold of a row is stated here, so that no
-- program, however wrong, can store anything else.
CREATE TABLE departments (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL UNIQUE CHECK (char_length(name) BETWEEN 1 AND 200),
    description   text,
    keywords      text[] NOT NULL DEFAULT '{}',
    contact_email text,
    contact_phone text,
    created_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
    id                   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    phone                text NOT NULL UNIQUE CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
    email                text CHECK (char_length(email) <= 254 AND email LIKE '%_@_%'),
    full_name            text CHECK (char_length(full_name) BETWEEN 1 AND 200),
    password_hash        text,
    role                 text NOT NULL DEFAULT 'citizen'
        CHECK (role IN ('citizen', 'contributor', 'moderator', 'nodal_officer', 'admin', 'auditor')),
    profile_completion   text NOT NULL DEFAULT 'minimal' CHECK (profile_completion IN ('minimal', 'basic', 'complete')),
    reputation_score     integer NOT NULL DEFAULT 0 CHECK (reputation_score >= 0),
    is_active            boolean NOT NULL DEFAULT true,
    phone_verified       boolean NOT NULL DEFAULT false,
    email_verified       boolean NOT NULL DEFAULT false,
    total_reports        integer NOT NULL DEFAULT 0 CHECK (total_reports >= 0),
    total_validations    integer NOT NULL DEFAULT 0 CHECK (total_validations >= 0),
    helpful_validations  integer NOT NULL DEFAULT 0 CHECK (helpful_validations BETWEEN 0 AND total_validations),
    primary_address      text CHECK (char_length(primary_address) <= 500),
    primary_latitude     double precision CHECK (primary_latitude BETWEEN -90 AND 90),
    primary_longitude    double precision CHECK (primary_longitude BETWEEN -180 AND 180),
    bio                  text CHECK (char_length(bio) <= 2000),
    avatar_url           text CHECK (char_length(avatar_url) <= 2048),
    preferred_language   text NOT NULL DEFAULT 'en' CHECK (preferred_language IN ('en', 'hi', 'bn', 'te', 'mr', 'ta', 'ur')),
    push_notifications   boolean NOT NULL DEFAULT true,
    sms_notifications    boolean NOT NULL DEFAULT true,
    email_notifications  boolean NOT NULL DEFAULT true,
    department_id        bigint REFERENCES departments (id),
    employee_id          text CHECK (char_length(employee_id) BETWEEN 1 AND 64),
    aadhaar_linked       boolean NOT NULL DEFAULT false,
    digilocker_linked    boolean NOT NULL DEFAULT false,
    two_fa_enabled       boolean NOT NULL DEFAULT false,
    account_created_via  text NOT NULL CHECK (account_created_via IN ('otp', 'password', 'admin', 'operator')),
    created_at           timestamptz NOT NULL,
    updated_at           timestamptz NOT NULL,
    last_login           timestamptz,
    last_login_method    text,
    login_count          bigint NOT NULL DEFAULT 0 CHECK (login_count >= 0),
    CHECK ((primary_latitude IS NULL) = (primary_longitude IS NULL)),
    -- Roles that enter with a password have one, with e-mail and employee id.
    CHECK (role NOT IN ('nodal_officer', 'admin', 'auditor')
           OR (password_hash IS NOT NULL AND email IS NOT NULL AND employee_id IS NOT NULL))
) WITH (fillfactor = 85); -- Every login updates its row in place.

-- Find by e-mail, in any letter case; an address belongs to one account.
CREATE UNIQUE INDEX users_email_key ON users (lower(email)) WHERE email IS NOT NULL;
CREATE UNIQUE INDEX users_employee_id_key ON users (employee_id) WHERE employee_id IS NOT NULL;
-- Officers of a department; administrators (the last of whom must stay).
CREATE INDEX users_department ON users (department_id, id) WHERE department_id IS NOT NULL;
CREATE INDEX users_staff ON users (role, id) WHERE role <> 'citizen';

CREATE TABLE area_assignments (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id     bigint NOT NULL REFERENCES users (id),
    area_type   text NOT NULL CHECK (area_type IN ('district', 'ward', 'radius', 'polygon')),
    area_name   text NOT NULL CHECK (char_length(area_name) BETWEEN 1 AND 200),
    area_data   jsonb NOT NULL,
    notes       text,
    is_active   boolean NOT NULL DEFAULT true,
    assigned_by bigint REFERENCES users (id),
    created_at  timestamptz NOT NULL
);
-- The areas of one user.
CREATE INDEX area_assignments_of_user ON area_assignments (user_id) WHERE is_active;

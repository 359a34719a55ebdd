//! Shows what is in force.

use super::{SECRET_KEYS, Settings};

/// The settings as TOML, secrets redacted and keys without a value left out.
pub fn in_force(settings: &Settings) -> String {
    let Ok(mut tree) = serde_json::to_value(settings) else { return String::new() };
    if let Some(sections) = tree.as_object_mut() {
        for (name, section) in sections {
            let Some(fields) = section.as_object_mut() else { continue };
            fields.retain(|key, value| {
                let full = format!("{name}.{key}");
                if SECRET_KEYS.contains(&full.as_str()) {
                    *value = shown(settings, &full).into();
                }
                !value.is_null()
            });
        }
    }
    toml::to_string_pretty(&tree).unwrap_or_default()
}

/// How a secret is shown: whether it is set, never what it is.
fn shown(settings: &Settings, key: &str) -> &'static str {
    let secret = match key {
        "database.url" => &settings.database.url,
        "redis.url" => &settings.redis.url,
        "nats.url" => &settings.nats.url,
        "token.secret" => &settings.token.secret,
        "otp.secret" => &settings.otp.secret,
        "otp.previous_secret" => &settings.otp.previous_secret,
        "csrf.secret" => &settings.csrf.secret,
        "csrf.previous_secret" => &settings.csrf.previous_secret,
        "email.smtp_url" => &settings.email.smtp_url,
        "sms.api_key" => &settings.sms.api_key,
        "sms.api_secret" => &settings.sms.api_secret,
        "secrets.sealing_key" => &settings.secrets.sealing_key,
        "secrets.previous_sealing_key" => &settings.secrets.previous_sealing_key,
        "secrets.hash_key" => &settings.secrets.hash_key,
        "secrets.previous_hash_key" => &settings.secrets.previous_hash_key,
        "secrets.password_pepper" => &settings.secrets.password_pepper,
        "secrets.previous_password_pepper" => &settings.secrets.previous_password_pepper,
        // A secret that is not in this list yet is not shown as unset.
        _ => return "[redacted]",
    };
    if secret.is_empty() { "" } else { "[redacted]" }
}

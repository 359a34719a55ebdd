//! The private `PostgreSQL`.

use std::ffi::OsString;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{Connection, PgConnection};

use super::Durability;
use super::server::{Answer, Server};

/// The role that owns the database, and the database.
pub(super) const NAME: &str = "civiclens";

/// Where it listens and how much it takes. It has no socket file: nobody can come in without the password.
pub(super) fn arguments(server: &Server) -> Vec<OsString> {
    let mut settings = vec![
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={}", server.port),
        "unix_socket_directories=".to_owned(),
        "max_connections=200".to_owned(),
        "shared_buffers=64MB".to_owned(),
        "log_line_prefix=%m [%p] ".to_owned(),
        "lc_messages=C".to_owned(),
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
        "jit=off".to_owned(),
    ];
    if server.durability == Durability::Ephemeral {
        settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"].map(str::to_owned));
    }
    let mut arguments = vec![OsString::from("-D"), server.folder.clone().into_os_string()];
    arguments.extend(settings.into_iter().flat_map(|setting| [OsString::from("-c"), setting.into()]));
    arguments
}

/// Whether our role can use our database.
pub(super) async fn ask(server: &Server) -> Answer {
    let options = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(server.port)
        .username(NAME)
        .password(&server.password)
        .database(NAME)
        .ssl_mode(PgSslMode::Disable);
    match PgConnection::connect_with(&options).await {
        Ok(connection) => {
            let _ = connection.close().await;
            Answer::Ready
        }
        Err(error) => {
            let code =
                error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default().into_owned();
            // A wrong password, a role or a database that is not there. Everything else may be over soon.
            let hopeless = ["28P01", "28000", "3D000"].contains(&code.as_str());
            if hopeless { Answer::Never(error.to_string()) } else { Answer::NotYet(error.to_string()) }
        }
    }
}

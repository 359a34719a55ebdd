//! `PgBouncer` between the service and PostgreSQL.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use civiclens_actors::domain::secret::Secret;
use civiclens_actors::store::{Config, Db, Losses};

use crate::support::{eventually, shared, story_with};

/// A pooler, with a folder of its own; both go with it.
struct PgBouncer {
    process: Child,
    folder: PathBuf,
    port: u16,
}

impl PgBouncer {
    /// Starts one before the server of `url`. Its settings are those of the package, as far as they are not about places.
    fn before(url: &str) -> Self {
        let url = url::Url::parse(url).unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let folder = std::env::temp_dir().join(format!("civiclens-it-{}-pgbouncer", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (host, server) = (url.host_str().unwrap(), url.port().unwrap());
        let (user, password) = (url.username(), url.password().unwrap_or_default());
        let users = folder.join("users.txt");
        std::fs::write(&users, format!("\"{user}\" \"{password}\"\n")).unwrap();
        let settings = format!(
            "[databases]\n* = host={host} port={server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\npool_mode = session\ndefault_pool_size = 50\n",
            users.display()
        );
        std::fs::write(folder.join("pgbouncer.ini"), settings).unwrap();
        Self { process: start(&folder), folder, port }
    }

    fn takes_over(&self, url: &mut Secret) {
        let mut through = url::Url::parse(url.expose()).unwrap();
        through.set_port(Some(self.port)).unwrap();
        *url = Secret::from(through.as_str());
    }
}

/// `PgBouncer` does not run as root.
fn start(folder: &Path) -> Child {
    let program = if Path::new("/usr/sbin/pgbouncer").exists() { "/usr/sbin/pgbouncer" } else { "pgbouncer" };
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let mut command = if is_root {
        let _ = Command::new("chown").arg("-R").arg("postgres").arg(folder).status();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "postgres", "--clear-groups", program]);
        command
    } else {
        Command::new(program)
    };
    command.arg(folder.join("pgbouncer.ini")).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| panic!("no PgBouncer, run scripts/setup: {error}"))
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[actix::test]
async fn session_pooling_works_and_keeps_the_time_limits() {
    let pooler = PgBouncer::before(&shared().database);
    eventually("PgBouncer", async || std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, pooler.port)).ok()).await;
    story_with(
        |settings| pooler.takes_over(&mut settings.database.url),
        async |app| {
            let (ravi, meera) = (app.citizen("98765 43210"), app.citizen("98765 43211"));
            let session = ravi.signs_in().await;
            meera.signs_in().await;
            for _ in 0..3 {
                session.me().await.ok();
            }
            app.events(4).await;
            session.logs_out().await.ok();
            // The limits are there, although they are no start-up parameters.
            let config = Config {
                url: app.settings.database.url.clone(),
                max_connections: 1,
                acquire_timeout: Duration::from_secs(10),
                statement_timeout: Duration::from_secs(10),
                losses: Losses::default(),
            };
            let db = Db::new(&config).unwrap();
            for (setting, value) in [("statement_timeout", "9s"), ("lock_timeout", "8s"), ("timezone", "UTC")] {
                let sql = sqlx::AssertSqlSafe(format!("SELECT current_setting('{setting}')"));
                let found: String = sqlx::query_scalar(sql).fetch_one(&db).await.unwrap();
                assert_eq!(found, value, "{setting}");
            }
            db.close().await;
        },
    )
    .await;
}

//! The private NATS server, with `JetStream`.

use std::fs;

use super::child::{Child, Plan, Spawner};
use super::data_dir::{DataDir, write_private};
use super::{Durability, Error, Options, Service};

/// Starts it.
pub(super) async fn launch(dir: &DataDir, options: &Options, spawner: &Spawner) -> Result<(Child, String), Error> {
    let (server, _) = options.binaries.find_at_least("nats-server", "nats-server 2.11 or newer", "2.11")?;
    let data = dir.path().join("nats");
    fs::create_dir_all(&data).map_err(Error::file(&data))?;
    let (port, password) = (dir.port(Service::Nats)?, dir.password(Service::Nats)?);
    let sync = if options.durability == Durability::Durable { "always" } else { "\"10m\"" };
    let config = data.join("nats.conf");
    write_private(
        &config,
        &format!(
            "listen: \"127.0.0.1:{port}\"\nserver_name: \"civiclens-dev\"\nmax_payload: 1MB\n\
             authorization {{ user: civiclens, password: \"{password}\" }}\n\
             jetstream {{ store_dir: \"{}\", max_mem: 256MB, max_file: 4GB, sync_interval: {sync} }}\n",
            data.display()
        ),
    )?;
    let plan = Plan {
        name: Service::Nats.name(),
        program: &server,
        arguments: vec!["-c".to_owned(), config.display().to_string()],
        user: None,
        log: dir.log(Service::Nats),
        pid_file: dir.pid_file(Service::Nats),
        stop_signal: "TERM",
    };
    let address = format!("127.0.0.1:{port}");
    let child = Child::spawn(plan, spawner)?.wait_until_ready(|| ready(address.clone(), password.clone())).await?;
    Ok((child, format!("nats://civiclens:{password}@{address}")))
}

async fn ready(address: String, password: String) -> Result<(), String> {
    let options = async_nats::ConnectOptions::new().user_and_password("civiclens".to_owned(), password);
    let client = options.connect(address).await.map_err(|error| error.to_string())?;
    let context = async_nats::jetstream::new(client);
    context.query_account().await.map(|_| ()).map_err(|error| error.to_string())
}

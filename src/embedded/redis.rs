//! The private Redis.

use std::fs;

use super::child::{Child, Plan, Spawner};
use super::data_dir::{DataDir, write_private};
use super::{Durability, Error, Options, Service};

/// Starts it.
pub(super) async fn launch(dir: &DataDir, options: &Options, spawner: &Spawner) -> Result<(Child, String), Error> {
    let (server, _) = options.binaries.find_at_least("redis-server", "redis-server", "7")?;
    let data = dir.path().join("redis");
    fs::create_dir_all(&data).map_err(Error::file(&data))?;
    let (port, password) = (dir.port(Service::Redis)?, dir.password(Service::Redis)?);
    let keep = if options.durability == Durability::Durable { "yes" } else { "no" };
    // The password stands in a file and not on the command line, where everybody could read it.
    let config = data.join("redis.conf");
    write_private(
        &config,
        &format!(
            "bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir \"{}\"\nsave \"\"\nappendonly {keep}\n\
             appendfsync everysec\ndaemonize no\nmaxmemory-policy noeviction\n",
            data.display()
        ),
    )?;
    let plan = Plan {
        name: Service::Redis.name(),
        program: &server,
        arguments: vec![config.display().to_string()],
        user: None,
        log: dir.log(Service::Redis),
        pid_file: dir.pid_file(Service::Redis),
        stop_signal: "TERM",
    };
    let url = format!("redis://:{password}@127.0.0.1:{port}/");
    let child = Child::spawn(plan, spawner)?.wait_until_ready(|| ready(url.clone())).await?;
    Ok((child, url))
}

async fn ready(url: String) -> Result<(), String> {
    let client = redis::Client::open(url).map_err(|error| error.to_string())?;
    let mut connection = client.get_multiplexed_async_connection().await.map_err(|error| error.to_string())?;
    redis::cmd("PING").query_async::<()>(&mut connection).await.map_err(|error| error.to_string())
}

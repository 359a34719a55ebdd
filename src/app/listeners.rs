//! Where a process listens, and what it answers there.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use anyhow::Context;
use civiclens_actors::domain::entropy;
use civiclens_actors::limits::AddressLimit;
use futures::future::join_all;
use tokio::time::Instant;
use url::Url;

use super::foundation::Foundation;
use crate::config::Settings;
use crate::http::{self, ApiState, NodeState, Readiness, Surface, Tasks};
use crate::telemetry::start_metrics;

/// The HTTP servers of a process.
pub(super) struct Listeners {
    tasks: Tasks,
    /// The most that their stop may take.
    grace: Duration,
    servers: Vec<ServerHandle>,
    /// Where the API is.
    pub(super) api: Option<String>,
    /// Where operators look.
    pub(super) operators: Option<String>,
}

impl Listeners {
    /// Answers the API and, where they have an address, operators. Without one they are answered beside the API in a
    /// development environment, and nowhere in production: what they see is not for the public.
    pub(super) fn of_node(foundation: &Foundation, ready: Arc<dyn Readiness>, api: ApiState) -> anyhow::Result<Self> {
        let settings = &foundation.settings;
        let (public, url) = listen(settings.server.listen)?;
        let operators = settings.server.operator_listen.map(listen).transpose()?;
        let surface = match &operators {
            Some(_) => Surface::Public,
            None if settings.is_production() => {
                tracing::info!("metrics and documentation are answered nowhere: server.operator_listen is not set");
                Surface::Public
            }
            None => Surface::All,
        };
        let mut node = node_state(foundation, ready)?;
        let tasks = node.tasks.clone();
        let mut servers = vec![serve(node.clone(), Some(api), public, surface)?];
        let operators = match operators {
            Some((listener, address)) => {
                node.api_elsewhere = Some(settings.server.public_url.clone().map_or_else(|| Url::parse(&url), Ok)?);
                servers.push(serve(node, None, listener, Surface::Operators)?);
                Some(address)
            }
            None => None,
        };
        Ok(Self { tasks, grace: grace(settings), servers, api: Some(url), operators })
    }

    /// Answers operators, where they have an address.
    pub(super) fn of_worker(foundation: &Foundation, ready: Arc<dyn Readiness>) -> anyhow::Result<Self> {
        let (tasks, grace) = (Tasks::default(), grace(&foundation.settings));
        let Some(address) = foundation.settings.server.operator_listen else {
            return Ok(Self { tasks, grace, servers: Vec::new(), api: None, operators: None });
        };
        let (listener, url) = listen(address)?;
        let node = NodeState { tasks: tasks.clone(), ..node_state(foundation, ready)? };
        let server = serve(node, None, listener, Surface::Worker)?;
        Ok(Self { tasks, grace, servers: vec![server], api: None, operators: Some(url) })
    }

    /// Accepts nothing more and finishes what was accepted, also for clients that are gone: their requests are on the threads
    /// of the servers, which end as soon as they have no connections, so they are waited for first.
    pub(super) async fn stop(&self) {
        let until = Instant::now() + self.grace;
        join_all(self.servers.iter().map(ServerHandle::pause)).await;
        self.tasks.wait(self.grace).await;
        let stop = join_all(self.servers.iter().map(|server| server.stop(true)));
        if tokio::time::timeout_at(until, stop).await.is_err() {
            tracing::warn!("requests did not end in time");
        }
    }
}

fn grace(settings: &Settings) -> Duration {
    settings.server.request_timeout + http::STOP_GRACE
}

fn listen(address: SocketAddr) -> anyhow::Result<(TcpListener, String)> {
    let advice = "choose another address in [server], or with --listen";
    let listener = TcpListener::bind(address).with_context(|| format!("cannot listen on {address} ({advice})"))?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}

fn serve(
    node: NodeState,
    api: Option<ApiState>,
    listener: TcpListener,
    surface: Surface,
) -> anyhow::Result<ServerHandle> {
    let server = http::run(node, api, listener, surface)?;
    let handle = server.handle();
    actix::spawn(server);
    Ok(handle)
}

fn node_state(foundation: &Foundation, readiness: Arc<dyn Readiness>) -> anyhow::Result<NodeState> {
    let (clock, ids) = (Arc::clone(&foundation.clock), Arc::clone(&foundation.ids));
    Ok(NodeState {
        readiness,
        metrics: start_metrics()?,
        settings: Arc::clone(&foundation.settings),
        request_ids: Arc::new(move || {
            entropy::uuid_v7(clock.now(), &*ids).map(|id| id.to_string()).unwrap_or_default()
        }),
        requests: AddressLimit::new(foundation.settings.rate_limit.requests_per_address, Arc::clone(&foundation.clock)),
        tasks: Tasks::default(),
        api_elsewhere: None,
    })
}

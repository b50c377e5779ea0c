//! Sockets: where may be listened, connections and their limits, the end.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tower_service::Service as _;

use super::access::Peer;
use super::service::Service;
use super::writer::{self, Surroundings};
use super::{Config, Program, ServeError, routes};

/// The most bytes that the head of a request takes.
const HEAD_BYTES: usize = 32 << 10;

/// How long nobody is listened to after no connection could be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// Where the certificate and its key are, as PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate, and those above it.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Why a service can't listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Others could read along.
    #[error(
        "{0} can be reached from other machines, and without TLS anyone on the way could read tokens"
    )]
    Insecure(SocketAddr),
    /// The system refuses.
    #[error("can't listen on {address}: {source}")]
    Address {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The certificate or the key can't be used.
    #[error("{path}: {problem}")]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

impl BindError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Insecure(_) => "server.insecure",
            Self::Address { .. } => "server.address",
            Self::Tls { .. } => "server.tls",
        }
    }
}

pub(super) async fn run<P: Program>(
    config: Config,
    program: P,
    listening: impl FnOnce(SocketAddr) + Send,
) -> Result<(), ServeError<P::Error>> {
    let is_private = config.tls.is_some() || config.listen.ip().is_loopback();
    if !is_private && !config.insecure {
        return Err(BindError::Insecure(config.listen).into());
    }
    let tls = config.tls.as_ref().map(acceptor).transpose()?;
    let address = config.listen;
    let refused = |source| BindError::Address { address, source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let mut ends = Ends::new()?;
    listening(listener.local_addr()?);

    let (wait, grace) = (config.wait, config.grace);
    let service = Arc::new(Service::new(config));
    let surroundings = Surroundings {
        entries: service.entries().clone(),
        wait,
        shown: Arc::clone(service.shown()),
        metrics: Arc::clone(service.metrics()),
        health: Arc::clone(service.health()),
    };
    let (queue, thread) = writer::start(program, surroundings, service.limits().queue)?;
    service.open_queue(queue);
    let mut writer = tokio::task::spawn_blocking(move || thread.join());
    let connections = GracefulShutdown::new();
    let front = Front {
        tls,
        router: routes::router(&service),
        service: Arc::clone(&service),
        places: Arc::new(Semaphore::new(service.limits().connections)),
    };
    let ended = tokio::select! {
        () = front.accept(&listener, &connections) => None,
        () = ends.asked() => None,
        // It could not open the ledger, or panicked.
        ended = &mut writer => Some(ended),
    };
    drop(listener);
    tracing::info!("ending: no more connections are taken");
    service.end();
    if timeout(grace, connections.shutdown()).await.is_err() {
        tracing::warn!("some connections did not end in time");
    }
    service.close_queue();
    let ended = match ended {
        Some(ended) => ended,
        None => writer.await,
    };
    let ended = ended.map_err(io::Error::other)?;
    ended
        .map_err(|_| io::Error::other("the writer ended in a panic"))?
        .map_err(ServeError::Open)
}

/// What tells the process to end.
struct Ends {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Ends {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What every connection is served with.
struct Front {
    tls: Option<TlsAcceptor>,
    router: Router,
    service: Arc<Service>,
    places: Arc<Semaphore>,
}

impl Front {
    async fn accept(&self, listener: &TcpListener, connections: &GracefulShutdown) {
        loop {
            // Where all places are taken, the system lets clients wait.
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
                return;
            };
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            let _ = stream.set_nodelay(true);
            let counted = self.service.metrics().connection();
            let served = self.serve(stream, peer, connections.watcher());
            tokio::spawn(async move {
                let _kept = (place, counted);
                served.await;
            });
        }
    }

    fn serve(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        watcher: hyper_util::server::graceful::Watcher,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (tls, router) = (self.tls.clone(), self.router.clone());
        let patience = self.service.limits().patience;
        async move {
            let stream = Patient::new(stream, patience);
            let Some(tls) = tls else {
                return speak(stream, peer, router, patience, watcher).await;
            };
            match timeout(patience, tls.accept(stream)).await {
                Ok(Ok(stream)) => speak(stream, peer, router, patience, watcher).await,
                Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS"),
                Err(_) => tracing::debug!(%peer, "TLS took too long"),
            }
        }
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    peer: SocketAddr,
    router: Router,
    patience: Duration,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let answer = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut router = router.clone();
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(peer));
            Ok::<_, Infallible>(
                router
                    .call(request)
                    .await
                    .unwrap_or_else(|never| match never {}),
            )
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_header_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), answer);
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, BindError> {
    let problem = |path: &PathBuf, problem: &dyn ToString| BindError::Tls {
        path: path.clone(),
        problem: problem.to_string(),
    };
    let read = |path: &PathBuf| fs::read(path).map_err(|error| problem(path, &error));
    let TlsFiles { certificate, key } = files;
    let chain = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| problem(certificate, &error))?;
    let private =
        PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| problem(key, &error))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| problem(certificate, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A stream that gives up on a reader who takes nothing for a while.
struct Patient<S> {
    stream: S,
    patience: Duration,
    /// Set while a write waits.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    const fn new(stream: S, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            deadline: None,
        }
    }

    /// `poll` as it is, or an error where it has been waiting for too long.
    fn judge<T>(
        &mut self,
        poll: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if poll.is_ready() {
            self.deadline = None;
            return poll;
        }
        let patience = self.patience;
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(deadline.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(poll, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(context);
        self.judge(poll, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judge(poll, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.judge(poll, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

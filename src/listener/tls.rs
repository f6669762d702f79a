//! TLS on a listener: one configuration for the life of the process, a certificate that can be
//! replaced under it.
//!
//! Everything but the certificate is set once, in `settings`: a reload has no way to change the
//! protocol versions, and a running connection keeps what it was opened with.

mod certificate;

use std::{fmt, io, net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{
    AlertDescription, ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tracing::{debug, info};

pub use certificate::{Certificate, TlsError};

use crate::metrics::{Metrics, TlsMetrics, outcome::TlsHandshake};

/// What a handshake may end in; nothing older, whatever the certificate.
const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
/// RFC 7301 names, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// For whoever typed `http://`; a browser would show no more than a broken connection.
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
    content-length: 38\r\nconnection: close\r\n\r\nThis port speaks https: use https://.\n";
/// Read, and thrown away, of a request in plain text before it is answered.
const PLAIN_HTTP_READ: usize = 8192;

/// TLS of one listener. The certificate can be [replaced](Self::replace) while it runs.
pub struct Tls {
    acceptor: TlsAcceptor,
    current: Arc<Current>,
    metrics: TlsMetrics,
}

/// The certificate for handshakes from now on. It is the only one, so the name that a client asks
/// for (SNI) does not matter.
#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

// === impl Tls ===

impl Tls {
    /// Starts with this certificate.
    ///
    /// # Errors
    /// [`TlsError::Settings`] if the cryptography refuses the settings, which no file can cause.
    pub fn new(certificate: Certificate, metrics: &Metrics) -> Result<Self, TlsError> {
        let metrics = metrics.tls();
        announce(&certificate, &metrics);
        let current = Arc::new(Current(ArcSwap::new(certificate.into_key())));
        let config = settings(Arc::clone(&current)).map_err(TlsError::Settings)?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), current, metrics })
    }

    /// Uses this certificate in every handshake from now on. Open connections keep theirs.
    pub fn replace(&self, certificate: Certificate) {
        announce(&certificate, &self.metrics);
        self.current.0.store(certificate.into_key());
    }

    /// Whether handshakes use this certificate already.
    pub fn uses(&self, certificate: &Certificate) -> bool {
        certificate.has_chain_of(&self.current.0.load())
    }

    /// The handshake; `None`, counted and logged, if it does not succeed before `deadline`.
    pub(super) async fn handshake(
        &self,
        mut stream: TcpStream,
        peer: SocketAddr,
        deadline: Instant,
    ) -> Option<TlsStream<TcpStream>> {
        let attempt = async {
            if is_plain_text(&stream).await? {
                refuse_plain_text(&mut stream).await?;
                return Ok(None);
            }
            self.acceptor.accept(stream).await.map(Some)
        };
        let (secured, outcome) = match timeout_at(deadline, attempt).await {
            Ok(Ok(Some(secured))) => (Some(secured), TlsHandshake::Ok),
            Ok(Ok(None)) => (None, TlsHandshake::PlainHttp),
            Ok(Err(error)) => (None, outcome_of(&error)),
            Err(_elapsed) => (None, TlsHandshake::Timeout),
        };
        self.metrics.handshake(outcome);
        if secured.is_none() {
            // The outcome alone: an error's own text can carry what the other side sent.
            debug!(%peer, outcome = outcome.as_str(), "no TLS handshake");
        }
        secured
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tls").finish_non_exhaustive()
    }
}

// === impl Current ===

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// Tells which certificate is in use from now on.
fn announce(certificate: &Certificate, metrics: &TlsMetrics) {
    metrics.certificate(certificate.name(), certificate.not_after().0);
    info!(certificate = certificate.name(), not_after = %certificate.not_after(), "TLS certificate");
}

/// Where keys come from and what may be negotiated with them.
fn provider() -> CryptoProvider {
    aws_lc_rs::default_provider()
}

fn settings(current: Arc<Current>) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&VERSIONS)?
        .with_no_client_auth()
        .with_cert_resolver(current);
    config.alpn_protocols = PROTOCOLS.iter().map(|name| name.to_vec()).collect();
    // Resumption without a table: nobody's handshakes push somebody else's session out.
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(config)
}

/// Whether the first byte is a letter, as in `GET`. A TLS record starts with 22.
async fn is_plain_text(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    Ok(stream.peek(&mut first).await? == 1 && first.iter().all(u8::is_ascii_alphabetic))
}

async fn refuse_plain_text(stream: &mut TcpStream) -> io::Result<()> {
    // A socket closed with unread bytes in it is reset, and the answer would be lost.
    let mut request = [0; PLAIN_HTTP_READ];
    let _read = stream.read(&mut request).await?;
    stream.write_all(PLAIN_HTTP).await?;
    stream.shutdown().await
}

/// Why a handshake failed, as a word of a closed set.
fn outcome_of(error: &io::Error) -> TlsHandshake {
    use rustls::Error as Reason;
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        None => TlsHandshake::Closed,
        Some(Reason::PeerIncompatible(_) | Reason::NoApplicationProtocol) => TlsHandshake::Incompatible,
        Some(Reason::AlertReceived(alert)) if is_about_certificate(*alert) => TlsHandshake::CertificateRefused,
        Some(_) => TlsHandshake::ProtocolError,
    }
}

/// RFC 8446 section 6.2: the client does not want our certificate.
fn is_about_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
    )
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

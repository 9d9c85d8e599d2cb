//! TLS of the server: one certificate, read anew when asked to.
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate with its key, in force. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    config: Arc<RwLock<Arc<ServerConfig>>>,
}

impl Tls {
    /// Reads the chain of certificates and the private key, both PEM.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, String> {
        let config = Arc::new(RwLock::new(Arc::new(config(certificate, key)?)));
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), config })
    }

    /// Reads both files again. On an error the ones before stay in force.
    pub fn reload(&self) -> Result<(), String> {
        let config = Arc::new(config(&self.certificate, &self.key)?);
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

fn config(certificate: &Path, key: &Path) -> Result<ServerConfig, String> {
    let of = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|it| of(certificate, &it))?;
    if chain.is_empty() {
        return Err(of(certificate, &"there is no certificate in this file"));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|it| of(key, &it))?;
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|it| it.to_string())?
        .with_no_client_auth()
        .with_single_cert(chain, private);
    let mut config =
        config.map_err(|it| of(key, &format!("this key and {} do not work together: {it}", certificate.display())))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

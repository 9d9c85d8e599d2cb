//! Whether a delivery comes from who knows the secret: HMAC-SHA256 over the raw body, as GitHub signs.
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use sha2::Digest as _;
use sha2::Sha256;
use std::fmt;
use subtle::ConstantTimeEq;

/// The header that a sender signs in.
pub const SIGNATURE: &str = "x-hub-signature-256";

/// The secrets in force: the one senders have, and the one before while they are being changed. Empty: nothing is checked.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(Vec<String>);

/// What a delivery brings to prove where it comes from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Proof<'a> {
    /// `X-Hub-Signature-256`.
    pub hub: Option<&'a [u8]>,
    /// `x-ci-signature`.
    pub ci: Option<&'a [u8]>,
    /// `X-Gitlab-Token`, where GitLab is the sender.
    pub gitlab: Option<&'a [u8]>,
}

impl<'a> Proof<'a> {
    fn signatures(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        [self.hub, self.ci].into_iter().flatten()
    }
}

/// Why a delivery is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unproved {
    #[error(
        "missing webhook signature: send X-Hub-Signature-256 or x-ci-signature, sha256=<hex of HMAC-SHA256 over the body>"
    )]
    Missing,
    #[error("invalid webhook signature")]
    Wrong,
}

impl Secrets {
    /// Takes the secrets that are set; empty ones do not count.
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        Self(secrets.into_iter().filter(|it| !it.is_empty()).collect())
    }

    /// Whether deliveries are checked at all.
    pub fn is_set(&self) -> bool {
        !self.0.is_empty()
    }

    /// Refuses what no body can make right: no proof at all, a signature of another form, a wrong token.
    pub fn check_head(&self, proof: &Proof<'_>) -> Result<(), Unproved> {
        if !self.is_set() {
            return Ok(());
        }
        let are_formed = proof.signatures().all(|it| digest_in(it).is_some());
        if !are_formed || proof.gitlab.is_some_and(|it| !self.has_named(it)) {
            return Err(Unproved::Wrong);
        }
        let has_any = proof.gitlab.is_some() || proof.signatures().next().is_some();
        if has_any { Ok(()) } else { Err(Unproved::Missing) }
    }

    /// Checks a delivery in constant time. Every signature it brings must be right.
    pub fn check(&self, proof: &Proof<'_>, body: &[u8]) -> Result<(), Unproved> {
        self.check_head(proof)?;
        let is_right = !self.is_set() || proof.signatures().all(|it| self.has_signed(it, body));
        if is_right { Ok(()) } else { Err(Unproved::Wrong) }
    }

    /// Returns the signature of a body with the current secret, none without one.
    pub fn sign(&self, body: &[u8]) -> Option<String> {
        let mac = mac(self.0.first()?, body)?;
        Some(format!("sha256={}", hex::encode(mac.finalize().into_bytes())))
    }

    fn has_signed(&self, signature: &[u8], body: &[u8]) -> bool {
        let Some(given) = digest_in(signature) else { return false };
        // All secrets are tried, so that the time says nothing of which one it was.
        self.0
            .iter()
            .fold(false, |found, secret| found | mac(secret, body).is_some_and(|it| it.verify_slice(&given).is_ok()))
    }

    fn has_named(&self, token: &[u8]) -> bool {
        let given = Sha256::digest(token);
        self.0.iter().fold(false, |found, secret| {
            found | bool::from(given.as_slice().ct_eq(Sha256::digest(secret.as_bytes()).as_slice()))
        })
    }
}

/// Shows no secret.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

/// Returns the digest that a signature writes.
fn digest_in(signature: &[u8]) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    hex::decode_to_slice(signature.strip_prefix(b"sha256=")?, &mut digest).ok()?;
    Some(digest)
}

fn mac(secret: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(body);
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// GitHub's documentation, "Validating webhook deliveries".
    const DOCUMENTED: &[u8] = b"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    const BODY: &[u8] = b"Hello, World!";

    fn documented() -> Secrets {
        Secrets::new(["It's a Secret to Everybody".to_owned()])
    }

    fn hub(signature: &[u8]) -> Proof<'_> {
        Proof { hub: Some(signature), ..Proof::default() }
    }

    #[test]
    fn the_documented_signature_is_right() {
        assert_eq!(documented().sign(BODY).as_deref().map(str::as_bytes), Some(DOCUMENTED));
        assert_eq!(documented().check(&hub(DOCUMENTED), BODY), Ok(()));
        assert_eq!(documented().check(&Proof { ci: Some(DOCUMENTED), ..Proof::default() }, BODY), Ok(()));
    }

    #[test]
    fn everything_else_is_refused() {
        let secrets = documented();
        let (cut, other) = (&DOCUMENTED[..DOCUMENTED.len() - 2], &DOCUMENTED[b"sha256=".len()..]);
        for wrong in [&b""[..], b"sha256=", b"sha256=zz", b"sha1=757107ea", cut, other, b"\xff"] {
            assert_eq!(secrets.check(&hub(wrong), BODY), Err(Unproved::Wrong), "{wrong:?}");
            assert_eq!(secrets.check_head(&hub(wrong)), Err(Unproved::Wrong), "{wrong:?}");
        }
        assert_eq!(secrets.check_head(&Proof::default()), Err(Unproved::Missing));
        assert_eq!(secrets.check_head(&hub(DOCUMENTED)), Ok(()), "only the body tells");
        assert_eq!(secrets.check(&hub(DOCUMENTED), b"Hello, World?"), Err(Unproved::Wrong));
        assert_eq!(secrets.check(&Proof::default(), BODY), Err(Unproved::Missing));
        let two = Proof { ci: Some(b"sha256=00"), ..hub(DOCUMENTED) };
        assert_eq!(secrets.check(&two, BODY), Err(Unproved::Wrong));
    }

    /// What the service of seed 004 took for a signature; it covers the log alone.
    #[test]
    fn the_older_scheme_is_no_signature() {
        let older = format!("sha256={}", hex::encode(Sha256::digest(b"It's a Secret to Everybody:Hello, World!")));
        assert_eq!(documented().check(&hub(older.as_bytes()), BODY), Err(Unproved::Wrong));
    }

    #[test]
    fn a_secret_can_be_changed_without_losing_a_delivery() {
        let both = Secrets::new(["new".to_owned(), "It's a Secret to Everybody".to_owned()]);
        assert_eq!(both.check(&hub(DOCUMENTED), BODY), Ok(()));
        let signed = both.sign(BODY).unwrap();
        assert_eq!(Secrets::new(["new".to_owned()]).check(&hub(signed.as_bytes()), BODY), Ok(()));
        let token = |it: &'static [u8]| Proof { gitlab: Some(it), ..Proof::default() };
        assert_eq!(both.check(&token(b"new"), BODY), Ok(()));
        assert_eq!(both.check(&token(b"newer"), BODY), Err(Unproved::Wrong));
    }

    #[test]
    fn without_a_secret_nothing_is_checked() {
        let none = Secrets::new([String::new()]);
        assert!(!none.is_set() && none.check(&Proof::default(), BODY).is_ok() && none.sign(BODY).is_none());
        assert_eq!(format!("{:?}", documented()), "Secrets(1)");
    }
}

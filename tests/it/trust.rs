//! Trust as a library: keys, signatures that openssl makes, and the policies that demand them.

mod bundle;
mod containers;
mod file;
mod keys;
mod simple;
mod verbs;

use std::error::Error;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use coracle::base::digest::Digest;
use coracle::base::path::HostPath;
use coracle::oci::source::Source;
use coracle::trust::{
    Candidate, Demand, Form, Identity, Places, Policy, Proof, Requirement, Rule, TrustError,
    TrustedKey,
};

use crate::support::Sandbox;

/// The image that is asked for wherever a test does not say more.
const IMAGE: &str = "registry.example/team/app:1";
/// Its repository.
const REPOSITORY: &str = "registry.example/team/app";

/// A home with keys and policies in it.
struct Bench(Sandbox);

/// A private key, and the public one beside it.
struct Signer {
    private: PathBuf,
    public: PathBuf,
    kind: Kind,
}

/// The kinds of keys, and how they sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    P256,
    P384,
    /// As cosign and containers/image do with every curve.
    P384Sha256,
    P521,
    Ed25519,
    Rsa(u32),
    RsaPss(u32),
}

impl Bench {
    fn new() -> Bench {
        Bench(Sandbox::new())
    }

    /// Runs `openssl`, which succeeds.
    fn run(&self, line: &str) {
        let words = ["openssl"].into_iter().chain(line.split_whitespace());
        self.0.command(words).run().success();
    }

    /// What an `openssl` command writes.
    fn bytes(&self, command: &str, line: &str) -> Vec<u8> {
        let file = self.0.path("home/output");
        self.run(&format!("{command} -out {} {line}", file.display()));
        std::fs::read(file).expect("openssl wrote it")
    }

    /// A new key.
    fn signer(&self, name: &str, kind: Kind) -> Signer {
        let signer = Signer {
            private: self.0.path(format!("home/{name}.key")),
            public: self.0.path(format!("home/{name}.pub")),
            kind,
        };
        let form = match kind {
            Kind::P256 => "EC -pkeyopt ec_paramgen_curve:P-256".to_owned(),
            Kind::P384 | Kind::P384Sha256 => "EC -pkeyopt ec_paramgen_curve:P-384".to_owned(),
            Kind::P521 => "EC -pkeyopt ec_paramgen_curve:P-521".to_owned(),
            Kind::Ed25519 => "ED25519".to_owned(),
            Kind::Rsa(bits) | Kind::RsaPss(bits) => format!("RSA -pkeyopt rsa_keygen_bits:{bits}"),
        };
        let (private, public) = (signer.private.display(), signer.public.display());
        self.run(&format!("genpkey -quiet -algorithm {form} -out {private}"));
        self.run(&format!("pkey -in {private} -pubout -out {public}"));
        signer
    }

    /// What `signer` makes of `message`.
    fn sign(&self, signer: &Signer, message: &[u8]) -> Vec<u8> {
        let file = self.0.file("home/message", message);
        let (key, file) = (signer.private.display(), file.display());
        let pss = "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest";
        match signer.kind {
            Kind::Ed25519 => {
                self.bytes("pkeyutl", &format!("-sign -rawin -inkey {key} -in {file}"))
            }
            Kind::P384 => self.bytes("dgst", &format!("-sha384 -sign {key} {file}")),
            Kind::RsaPss(_) => self.bytes("dgst", &format!("-sha256 -sign {key} {pss} {file}")),
            _ => self.bytes("dgst", &format!("-sha256 -sign {key} {file}")),
        }
    }

    /// A simple signature over `payload`.
    fn simple(&self, signer: &Signer, payload: &str) -> Candidate {
        let signature = STANDARD.encode(self.sign(signer, payload.as_bytes()));
        simple(payload, signature)
    }

    /// A bundle with a statement, signed by each of `signers`.
    fn bundle(&self, signers: &[&Signer], statement: &str) -> Candidate {
        let bytes = pae(PAYLOAD_TYPE, statement);
        let signatures = signers.iter().map(|signer| self.sign(signer, &bytes));
        bundle(PAYLOAD_TYPE, statement, &signatures.collect::<Vec<_>>())
    }

    /// The text of a bundle with a certificate in it that `signer` made for himself, and that has expired.
    fn with_expired_certificate(&self, signer: &Signer, bundle: &str) -> String {
        let key = signer.private.display();
        let file = self.0.path("home/old.csr");
        let file = file.display();
        self.run(&format!("req -new -key {key} -subj /CN=old -out {file}"));
        let expired = format!("-req -in {file} -signkey {key} -days -1 -outform DER");
        let der = STANDARD.encode(self.bytes("x509", &expired));
        let certificate = format!(r#""certificate":{{"rawBytes":"{der}"}},"tlogEntries":[]"#);
        bundle.replace(r#""publicKey":{"hint":"x"}"#, &certificate)
    }

    /// Writes a policy of each kind that is given; the places, with nothing elsewhere.
    fn places(&self, system: Option<&str>, user: Option<&str>) -> Places {
        let file = |name: &str, text: Option<&str>| match text {
            Some(text) => HostPath::new(self.0.file(name, text)),
            None => HostPath::new(self.0.path(format!("home/no-{name}"))),
        };
        Places {
            system: file("system.toml", system),
            user: Some(file("user.toml", user)),
            containers_system: file("system.json", None),
            containers_user: Some(file("user.json", None)),
        }
    }

    /// What a system's `trust.toml` alone demands of an image.
    fn demand(&self, system: &str, image: &str) -> Result<Demand, TrustError> {
        Policy::load(&self.places(Some(system), None))?.demand(&source(image))
    }
}

const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
const PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

fn source(text: &str) -> Source {
    text.parse().expect(text)
}

/// A digest; that of an image, as far as these tests know.
fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

/// A payload for an image, as cosign writes it.
fn payload(image: &Digest, name: &str) -> String {
    format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"{name}"}},"image":{{"docker-manifest-digest":"{image}"}},"type":"cosign container image signature"}},"optional":null}}"#
    )
}

fn simple(payload: &str, signature: String) -> Candidate {
    Candidate {
        found: "layer 1 of `sha256-0.sig`".into(),
        form: Form::Simple {
            payload: payload.as_bytes().to_vec(),
            signature,
        },
    }
}

/// A statement about images, as cosign writes it.
fn statement(images: &[&Digest]) -> String {
    let subjects = images
        .iter()
        .map(|image| format!(r#"{{"digest":{{"sha256":"{}"}}}}"#, image.hex()));
    let subjects = subjects.collect::<Vec<_>>().join(",");
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{subjects}],"predicateType":"{PREDICATE}","predicate":{{}}}}"#
    )
}

/// The pre-authentication encoding, written down once more. dsse, protocol.md
fn pae(kind: &str, body: &str) -> Vec<u8> {
    format!("DSSEv1 {} {kind} {} {body}", kind.len(), body.len()).into_bytes()
}

fn bundle(kind: &str, statement: &str, signatures: &[Vec<u8>]) -> Candidate {
    let signatures = signatures
        .iter()
        .map(|one| format!(r#"{{"sig":"{}"}}"#, STANDARD.encode(one)));
    let signatures = signatures.collect::<Vec<_>>().join(",");
    let payload = STANDARD.encode(statement);
    json_bundle(&format!(
        r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{{"publicKey":{{"hint":"x"}}}},"dsseEnvelope":{{"payload":"{payload}","payloadType":"{kind}","signatures":[{signatures}]}}}}"#
    ))
}

fn json_bundle(json: &str) -> Candidate {
    Candidate {
        found: "the bundle sha256:0".into(),
        form: Form::Bundle {
            json: json.as_bytes().to_vec(),
        },
    }
}

/// A demand for signatures by so many of `signers`.
fn requirement(signers: &[&Signer], threshold: usize, identity: Identity) -> Requirement {
    let key = |signer: &&Signer| {
        let pem = std::fs::read(&signer.public).expect("a public key");
        TrustedKey::from_pem(&pem).unwrap_or_else(|error| panic!("{:?}: {error}", signer.kind))
    };
    let rule = Rule {
        keys: signers.iter().map(key).collect(),
        threshold,
        identity,
        by: HostPath::new("/etc/coracle/trust.toml"),
        scope: REPOSITORY.into(),
    };
    Requirement { rules: vec![rule] }
}

/// Whether `candidates` are enough for [`IMAGE`], whose index and manifest are `index` and `manifest`.
fn check(requirement: &Requirement, candidates: &[Candidate]) -> Result<Proof, TrustError> {
    let images = [digest("index"), digest("manifest")];
    requirement.check(&source(IMAGE), &images, candidates)
}

/// Fails unless the candidates are refused, with a message that says `why`.
#[track_caller]
fn refused(requirement: &Requirement, candidates: &[Candidate], why: &str) {
    let error = check(requirement, candidates).expect_err(why);
    assert!(matches!(error, TrustError::Unsigned { .. }), "{error:?}");
    let message = whole(&error);
    assert!(message.contains(why), "{message:?} lacks {why:?}");
}

/// An error with its causes.
fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!("; {error}");
        cause = error.source();
    }
    text
}

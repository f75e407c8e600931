//! The scripts: what goes wrong at which request of a pull, how often, and how the pull has to end.
//!
//! `"name" [setting]: request times fault, ... => end;` where `*` times is always. Without a fault the name tells of the
//! setting. Beside these, `dns` has a name with sixty addresses, `tls` what is older than TLS 1.2, `mirrors` endpoints
//! that take over from each other, `contents` odd but right images, `trust` lists of signatures that are not there, empty,
//! on pages, or wrong.

use super::documents::{
    confused, deep, far_up, huge_layer, malformed, many_layers, no_layer_list, nonsense_config,
    old, other_layer, other_platform, two_faced, unknown_digest, wrong_size,
};
use super::fault::{At::*, Fault::*, Where};
use super::scene::{ALWAYS, Planned};
use super::{Certificate::*, Ends, Ends::*, Script, Special::*, Way::*};

/// One script a line.
macro_rules! scripts {
    ($($name:literal $([$($special:expr),*])?: $($at:ident $times:tt $fault:expr),* => $ends:expr;)*) => {
        &[$(Script {
            name: $name,
            specials: &[$($($special),*)?],
            faults: &[$(Planned { at: $at, times: times!($times), fault: $fault }),*],
            ends: $ends,
        }),*]
    };
}
macro_rules! times {
    (*) => {
        ALWAYS
    };
    ($times:literal) => {
        $times
    };
}

const BROKEN: Ends = Fails("network", "then the connection closed");
const UNREACHABLE: Ends = Fails("network", "cannot reach");
const WRONG: Ends = Fails("integrity", "got digest");
const LENGTH: Ends = Fails("integrity", "bytes, expected");

pub(super) const SCRIPTS: &[Script] = scripts! {
    "nothing goes wrong": => Well;

    // Who we are.
    "a helper has the credentials" [Helper]: Manifest 1 Status(503), Layer 1 Cut(70_000), Layer * Redirect(Where::Storage) => Well;
    "one header with several demands": Manifest * Demand(r#"Negotiate, Basic realm="a, b", Bearer realm="REGISTRY/token",service="s""#) => Well;
    "a demand without quotes": Manifest * Demand("Bearer realm=REGISTRY/token,service=s") => Well;
    "a demand with a quote that never ends": Manifest * Demand(r#"Bearer service="s",realm="REGISTRY/token"#) => Well;
    "a demand that is all quotes": Manifest * Demand(r#"Bearer realm=""""#) => Fails("integrity", "no web address");
    "a password is wanted": Manifest * Demand(r#"Basic realm="x""#) => Well;
    "a demand of a kind that nobody knows": Manifest * Demand("Negotiate"), Door 1 Demand("Negotiate"), Door * Demand("Negotiate") => Fails("denied", "denies access");
    "what is demanded is told at the door alone": Manifest * Demand("") => Well;
    "a token service in a file": Manifest * Demand(r#"Bearer realm="file:///etc/passwd",service="s""#) => Fails("integrity", "no web address");
    "a token service without encryption" [Secured(Good)]: Manifest * Demand(r#"Bearer realm="STORAGE/token",service="s""#) => Fails("refused", "without encryption");
    "a token service without encryption, of a registry without" [StorageIsShut]: Manifest * Demand(r#"Bearer realm="STORAGE/token",service="s""#) => Fails("refused", "with the credentials for");
    "a token that allows too little, once": Layer 1 Refused("insufficient_scope") => Well;
    "a token that always allows too little": Layer * Refused("insufficient_scope") => Fails("denied", "denies access");
    "a token that is refused, once": Layer 1 Refused("invalid_token") => Well;
    "a token that is always refused": Manifest * Refused("invalid_token") => Fails("denied", "denies access");
    "a token that is good for two requests" [Uses(2)]: => Well;
    "a token that is good for one request, and a layer in pieces" [Uses(1)]: Layer 1 Cut(70_000), Layer 1 Reset(20_000) => Well;
    "a token service that gives none": Token * Body("{}") => Fails("integrity", "gave no token");
    "a token service that gives a page": Token * Page(200) => Fails("integrity", "gave no token");
    "a token with a line feed": Token * Body("{\"token\":\"a\\r\\nX: y\"}") => Fails("integrity", "gave no token");
    "a token of three million blanks": Token * Blanks(3_000_000) => Fails("integrity", "gave no token");
    "a token service that refuses": Token * Status(401) => Fails("denied", "denies access");
    "a token service that fails twice": Token 2 Status(503) => Well;
    "a token service that always fails": Token * Status(503) => Fails("network", "got status 503");
    "a token service that hangs up": Token 2 HangUp => Well;
    "a token that is cut off": Token 1 Cut(9) => Well;
    "a token service that leads elsewhere": Token * Redirect(Where::Storage) => Fails("network", "got status 307");
    "access is denied": Manifest * Status(403) => Fails("denied", "not now");

    // Who is busy, or fails.
    "too many requests, zero seconds": Manifest 2 Busy(429, "0") => Well;
    "too many requests, one second": Layer 1 Busy(429, "1") => Well;
    "too many requests, until a date": Manifest 2 Busy(429, "Sun, 06 Nov 1994 08:49:37 GMT") => Well;
    "too many requests, until whenever": Manifest 2 Status(429) => Well;
    "too many requests, until nonsense": Manifest 2 Busy(429, "soon") => Well;
    "too many requests, for a week": Manifest * Busy(429, "99999999999999999999") => Fails("network", "limits how often");
    "too many requests, until a date far away": Layer * Busy(429, "Mon, 01 Jan 2970 00:00:09 GMT") => Fails("network", "limits how often");
    "always too many requests": Manifest * Status(429) => Fails("network", "limits how often");
    "a burst of 500": Manifest 3 Status(500) => Well;
    "a burst of 502": Layer 4 Status(502) => Well;
    "a burst of 503": Config 3 Status(503) => Well;
    "a burst of 503 with a date": Config 3 Busy(503, "Sun, 06 Nov 1994 08:49:37 GMT") => Well;
    "a burst of 504": Layer 4 Status(504) => Well;
    "one of each": Layer 1 Status(500), Layer 1 Status(502), Layer 1 Status(503), Layer 1 Status(504) => Well;
    "always 500": Manifest * Status(500) => Fails("network", "got status 500");
    "always 503": Layer * Status(503) => Fails("network", "got status 503");
    "a request that took too long": Config 1 Status(408) => Well;
    "a status of nobody": Manifest * Status(418) => Fails("network", "got status 418");
    "an error of two million bytes": Manifest * LongError(400, 2_000_000) => Fails("network", "got status 400");
    "a page of an error": Layer 2 Page(502) => Well;
    "there is no such image": Manifest * Status(404) => Fails("notfound", "has no `");
    "there is no such layer": Layer * Status(404) => Fails("notfound", "has no blob");
    "there is no such config": Config * Page(404) => Fails("notfound", "has no blob");
    "a range that repeats what was shown": Layer 1 Cut(70_000), Layer * Header("Content-Range", "bytes SECRET") => Fails("integrity", "Content-Range");
    "a type that repeats what was shown": Manifest * Header("Content-Type", "SECRET") => Well;
    "a registry that repeats what it was shown": Manifest * Header("Warning", "299 - \"you said SECRET\"") => Well;
    "limits that repeat what they were shown": Manifest * Header("RateLimit-Remaining", "SECRET") => Well;

    // Connections.
    "the door is slammed once": Door 1 HangUp => Well;
    "the door is shut": Door * HangUp => UNREACHABLE;
    "no answer, twice": Manifest 2 HangUp => Well;
    "never an answer": Manifest * HangUp => UNREACHABLE;
    "a manifest that is cut off": Manifest 2 Cut(30) => Well;
    "a manifest that is always cut off": Manifest * Cut(30) => UNREACHABLE;
    "a manifest that is reset": Manifest 1 Reset(30) => Well;
    "a config that is cut off": Config 2 Cut(30) => Well;
    "a layer that is cut off": Layer 1 Cut(70_000) => Well;
    "a layer that is cut off four times": Layer 1 Cut(70_000), Layer 1 Cut(1), Layer 1 Cut(0), Layer 1 Cut(50_000) => Well;
    "a layer that always ends at once": Layer * Cut(0) => BROKEN;
    "a layer that is reset": Layer 1 Reset(70_000) => Well;
    "a layer that is always reset": Layer * Reset(100) => BROKEN;
    "a layer with no answer, four times": Layer 4 HangUp => Well;
    "both layers in pieces": Layer 2 Cut(40_000), Small 3 Reset(1) => Well;
    "a layer without a length": Layer * Unframed => Well;
    "a layer without a length that is cut off": Layer 2 UnframedCut(50_000) => Well;
    "a manifest without a length": Manifest * Unframed => Well;
    "a layer in chunks": Layer * Chunked => Well;
    "a layer in chunks without an end": Layer 1 Unended(1_000_000) => Well;
    "a layer in chunks that is cut off": Layer 2 Unended(50_000) => Well;
    "a manifest in chunks without an end": Manifest 1 Unended(1_000_000) => Well;
    "a layer byte by byte, once": Layer 1 Trickle(70_000) => Well;
    "a layer always byte by byte": Layer * Trickle(100) => Fails("network", "expected at least");
    "a manifest byte by byte, once": Manifest 1 Trickle(1) => Well;
    "a layer that falls silent": Layer 1 Silence(70_000) => Well;
    "a layer that is always silent": Layer * Silence(0) => BROKEN;
    "half a head, and silence": Manifest 1 StalledHead => Well;
    "always half a head, and silence": Layer * StalledHead => UNREACHABLE;
    "a hundred thousand headers": Manifest * Headers(100_000) => UNREACHABLE;
    "a header of a million bytes": Layer * LongHeader(1_000_000) => UNREACHABLE;
    "no HTTP at all": Manifest * Garbage => UNREACHABLE;
    "no HTTP at all, once": Layer 1 Garbage => Well;
    "HTTP of 1996": Manifest * Http10, Layer * Http10 => Well;
    "an interim answer": Manifest * EarlyHints, Layer * EarlyHints => Well;

    // Bytes.
    "a bit of a layer is another": Layer * Flip => WRONG;
    "a bit of a config is another": Config * Flip => WRONG;
    "other bytes, as many": Layer * Other => WRONG;
    "a layer that is a byte too long": Layer * Longer => LENGTH;
    "a layer that is a byte too short": Layer * Shorter => LENGTH;
    "a layer of half the length, as its head says": Layer * Understated => LENGTH;
    "two lengths": Layer * TwoLengths => Fails("network", "");
    "a page instead of a layer": Layer * Page(200) => LENGTH;
    "a page instead of a manifest": Manifest * Page(200) => Fails("integrity", "manifest");
    "a compressed answer": Layer * Gzip => LENGTH;
    "a compressed manifest": Manifest * Gzip => WRONG;
    "an answer that is only called compressed": Layer * CalledGzip => Well;

    // Ranges.
    "the whole instead of the rest" [WithoutRanges]: Layer 1 Cut(70_000), Layer 1 Reset(90_000) => Well;
    "the whole instead of the rest, which breaks off before the rest" [WithoutRanges]: Layer 1 Cut(70_000), Layer 2 Cut(20_000) => Well;
    "a range that cannot be had": Layer 1 Cut(70_000), Layer 1 Unsatisfiable => Well;
    "a rest that does not say where it is from": Layer 1 Cut(70_000), Layer * NoRange => Fails("integrity", "Content-Range");
    "a rest from elsewhere": Layer 1 Cut(70_000), Layer * WrongRange => Fails("integrity", "Content-Range");
    "a rest of who knows how much": Layer 1 Cut(70_000), Layer * OpenRange => Well;
    "a rest with another bit": Layer 1 Cut(70_000), Layer * Flip => WRONG;
    "a rest that is too long": Layer 1 Cut(70_000), Layer * Longer => LENGTH;
    "a part that was not asked for": Layer * PartForWhole => Fails("integrity", "Content-Range");

    // Redirects.
    "to another address of the same host": Layer * Redirect(Where::Path), Manifest * Redirect(Where::Path) => Well;
    "to another address, in every way to say so": Manifest 1 Moved(301), Config 1 Moved(302), Layer 1 Moved(303), Small 1 Moved(308) => Well;
    "to a relative address": Layer * Redirect(Where::Relative) => Well;
    "to a storage elsewhere": Layer * Redirect(Where::Storage), Small * Redirect(Where::Storage), Config * Redirect(Where::Storage) => Well;
    "to a storage that breaks off": Layer * Redirect(Where::Storage), Stored 1 Cut(70_000), Stored 1 Reset(9) => Well;
    "to a storage whose addresses expire": Layer 1 Redirect(Where::Storage), Stored 1 Cut(70_000), Layer * Redirect(Where::Storage) => Well;
    "to an address that has expired": Layer * Redirect(Where::Expired) => Fails("denied", "sends for blob");
    "to a storage that wants to know who we are": Layer * Redirect(Where::Storage), Stored * Refused("x") => Fails("denied", "sends for blob");
    "to a storage that is busy": Layer * Redirect(Where::Storage), Stored 2 Busy(503, "0") => Well;
    "to a storage that leads back": Layer 1 Redirect(Where::Storage), Stored 1 Redirect(Where::Address("/v2/x")) => Fails("denied", "sends for blob");
    "in a circle": Layer * Redirect(Where::Itself) => Fails("integrity", "more than 10 times");
    "from https to http" [Secured(Good)]: Layer * Redirect(Where::Storage) => Fails("integrity", "redirects from https");
    "to a host that nobody allowed to be spoken to in the clear" [StorageIsShut]: Layer * Redirect(Where::Storage) => Fails("refused", "without encryption");
    "to a file": Layer * Redirect(Where::Address("file:///etc/passwd")) => Fails("integrity", "neither http nor https");
    "to an address with a password": Layer * Redirect(Where::Address("http://user:word@127.0.0.1/")) => Fails("integrity", "neither http nor https");
    "to a host without a name": Layer * Redirect(Where::Address("https:///x")) => Fails("integrity", "neither http nor https");
    "to nowhere": Manifest * Redirect(Where::Nowhere) => Fails("integrity", "neither http nor https");

    // Documents.
    "a type that is not said": Manifest * NoHeader("Content-Type") => Well;
    "a type that is not that of the document": Manifest * Header("Content-Type", "application/vnd.oci.image.index.v1+json") => Fails("integrity", "expected `application/vnd.oci.image.index.v1+json` as announced");
    "a digest that is not that of the document": Manifest * Header("Docker-Content-Digest", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855") => WRONG;
    "a digest that is none": Manifest * Header("Docker-Content-Digest", "md5:../../x") => Well;
    "a manifest of four million bytes and more": Manifest * Blanks((4 << 20) + 1) => Fails("integrity", "manifest");
    "a manifest that is nothing": Manifest * Body("") => WRONG;
    "a manifest that is no document": Manifest * Body("[]") => WRONG;
    "fifty indexes in each other" [Holds(deep)]: => Fails("integrity", "4 levels deep");
    "an index and a manifest at once" [Holds(two_faced)]: => Fails("integrity", "both `manifests` and");
    "a type inside that is not that of the fields" [Holds(confused)]: => Fails("integrity", "");
    "a manifest of 2016" [Holds(old)]: => Fails("integrity", "");
    "no image for this machine" [Holds(other_platform)]: => Fails("notfound", "linux/s390x");
    "a config that is no document" [Holds(nonsense_config)]: => Fails("integrity", "config");
    "a layer that the config does not know" [Holds(other_layer)]: => Fails("integrity", "uncompressed layer");
    "more layers than the config knows" [Holds(many_layers)]: => Fails("integrity", "diffIDs");
    "a list of layers that is none" [Holds(no_layer_list)]: => Fails("integrity", "manifest");
    "a layer of another size than the manifest says" [Holds(wrong_size)]: => LENGTH;
    "a layer larger than any disk" [Holds(huge_layer)]: => Fails("storage", "");
    "a layer that is no archive" [Holds(malformed)]: => Fails("integrity", "checksum");
    "a digest of a kind that nobody knows" [Holds(unknown_digest)]: => Fails("integrity", "");
    "a digest that leads out of the store" [Holds(far_up)]: => Fails("integrity", "");

    // An image that is here already.
    "here already" [Twice]: => Well;
    "here already, at a registry that knows no HEAD" [Twice]: Head * Status(405) => Well;
    "here already, at a registry that fails at HEAD" [Twice]: Head * Status(500) => Well;
    "here already, at a registry that does not say its digest" [Twice]: Head * NoHeader("Docker-Content-Digest") => Well;
    "here already, at a registry that hangs up" [Twice]: Head * HangUp => Well;
    "here already, at a registry that falls silent" [Twice]: Head * StalledHead => Well;
    "here already, at a registry that has it no more" [Twice]: Head * Status(404), Manifest * Status(404) => Fails("notfound", "has no `");

    // Ways there.
    "a certificate of a private authority" [Secured(Good)]: => Well;
    "a certificate of an authority that nobody knows" [Secured(Unknown)]: => Fails("network", "cannot speak TLS");
    "a certificate that has expired" [Secured(Expired)]: => Fails("network", "has expired");
    "a certificate of another" [Secured(Stranger)]: => Fails("network", "for another name");
    "a certificate is wanted of us, and there is none" [Secured(ClientMissing)]: => Fails("network", "certs.d");
    "a certificate is wanted of us" [Secured(ClientShown)]: => Well;
    "TLS that takes its time" [Secured(Slow)]: => Well;
    "TLS that never comes" [Secured(Stalled)]: => Fails("network", "");
    "faults under TLS" [Secured(Good)]: Layer 2 Cut(70_000), Manifest 1 Silence(3), Config 1 Status(502) => Well;
    "no TLS where it must be" [EncryptionIsMust]: => Fails("network", "cannot speak TLS");
    "nobody is there" [Via(Nobody)]: => UNREACHABLE;
    "an address of IPv6" [Via(Ipv6)]: Layer 1 Cut(70_000) => Well;
    "a proxy by CONNECT, with a password" [Via(Connect)]: Layer 1 Cut(70_000) => Well;
    "a proxy by CONNECT, with a wrong password" [Via(ConnectWrong)]: => Fails("network", "407");
    "a proxy by SOCKS, with a password" [Via(Socks)]: Layer 1 Reset(70_000) => Well;
    "a proxy by SOCKS, with a wrong password" [Via(SocksWrong)]: => Fails("network", "through the proxy");
};

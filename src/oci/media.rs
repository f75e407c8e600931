//! Media types: what a document or a layer says that it is.
//!
//! image-spec, media-types.md; the Docker twins are those of distribution's
//! "image manifest version 2, schema 2".

/// An OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// An OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Docker's twin of the index.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker's twin of the manifest.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// An OCI image config.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Docker's twin of the config.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// A plain tar layer.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// What to send as `Accept` for a manifest. All four: some registries answer
/// "not found" for a document of a type that was not asked for.
pub const ACCEPT_MANIFEST: [&str; 4] = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST];

/// The two shapes behind a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A list of manifests, one per platform.
    Index,
    /// One image: config and layers.
    Manifest,
}

impl Shape {
    /// The shape that `media_type` names, parameters ignored; `None` where it names neither.
    pub fn of(media_type: &str) -> Option<Shape> {
        match essence(media_type) {
            OCI_INDEX | DOCKER_LIST => Some(Shape::Index),
            OCI_MANIFEST | DOCKER_MANIFEST => Some(Shape::Manifest),
            _ => None,
        }
    }
}

/// How a layer is compressed, as its media type says. Media types lie; readers look
/// at the first bytes, and the digest decides whether they are the right ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, possibly of several members.
    Gzip,
    /// zstd, possibly of several frames.
    Zstd,
}

/// The compression of a tar layer, the deprecated non-distributable kinds included;
/// `None` for what is not a tar layer.
pub fn layer_compression(media_type: &str) -> Option<Compression> {
    let layer = essence(media_type)
        .strip_prefix("application/vnd.oci.image.layer.")
        .map(|rest| rest.strip_prefix("nondistributable.").unwrap_or(rest))
        .and_then(|rest| rest.strip_prefix("v1.tar"));
    let docker = || {
        essence(media_type)
            .strip_prefix("application/vnd.docker.image.rootfs.")
            .map(|rest| rest.strip_prefix("foreign.").unwrap_or(rest))
            .and_then(|rest| rest.strip_prefix("diff.tar"))
    };
    match layer.or_else(docker)? {
        "" => Some(Compression::None),
        "+gzip" | ".gzip" => Some(Compression::Gzip),
        "+zstd" | ".zstd" => Some(Compression::Zstd),
        _ => None,
    }
}

/// Whether a layer is one of the deprecated kinds that a registry need not hand out, as their makers forbid it.
pub fn is_foreign_layer(media_type: &str) -> bool {
    let kind = essence(media_type);
    let is_marked = kind.contains(".layer.nondistributable.") || kind.contains(".rootfs.foreign.");
    is_marked && layer_compression(kind).is_some()
}

/// A media type without parameters and blanks; RFC 9110, 8.3.1.
pub fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_layer_is_known() {
        let oci = "application/vnd.oci.image.layer";
        let docker = "application/vnd.docker.image.rootfs";
        for (name, expected) in [
            (format!("{oci}.v1.tar"), Some(Compression::None)),
            (format!("{oci}.v1.tar+gzip"), Some(Compression::Gzip)),
            (
                format!("{oci}.nondistributable.v1.tar+zstd"),
                Some(Compression::Zstd),
            ),
            (format!("{docker}.diff.tar.gzip"), Some(Compression::Gzip)),
            (
                format!("{docker}.foreign.diff.tar.gzip"),
                Some(Compression::Gzip),
            ),
            (format!("{docker}.diff.tar"), Some(Compression::None)),
            (format!("{oci}.v1.tar+encrypted"), None),
            (
                "application/vnd.cncf.helm.chart.content.v1.tar+gzip".into(),
                None,
            ),
        ] {
            assert_eq!(layer_compression(&name), expected, "{name}");
        }
    }
}

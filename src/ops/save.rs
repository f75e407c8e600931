//! `save`: images as one archive that `docker load` reads and that is an OCI layout too, as Docker writes it since 25.
//!
//! moby, image/spec/v1.2, and image-spec, image-layout.md. Manifests, configs and layers are packed as they were served,
//! so that digests stay what they are. The same images make the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::base::digest::VerifyingReader;
use crate::base::fault::{BoxFault, Fault, Kind, While};
use crate::base::path::HostPath;
use crate::oci::MAX_DOCUMENT;
use crate::oci::descriptor::Descriptor;
use crate::oci::manifest::{Document, Manifest};
use crate::oci::media;
use crate::oci::reference::Reference;
use crate::oci::source::Source;
use crate::ops::export::{Unwritten, into_file};
use crate::ops::images;
use crate::ops::load::FULL_NAME;
use crate::ops::pull::archive::REF_NAME;
use crate::ops::tarball::{Member, Tarball};
use crate::ops::vouch::{self, Packed};
use crate::store::{ImageRecord, Store, StoreError};

/// A blob that must be there and is an index where a manifest is expected.
#[derive(Debug, thiserror::Error)]
#[error("the record of image `{0}` names no manifest")]
struct NoManifest(String);

impl Fault for NoManifest {
    fn kind(&self) -> Kind {
        Kind::Integrity
    }
}

/// Writes the images that `texts` name, by names or first digits of digests, to `out`.
pub fn save(home: &HostPath, texts: &[String], out: &mut dyn Write) -> Result<(), BoxFault> {
    let store = Store::open(home.clone())?;
    let archive = Archive::of(&store, texts)?;
    let written = archive.write(&store, out);
    written.map_err(|cause| While::new(format!("cannot save {}", listed(texts)), cause).into())
}

/// The same into the file `path`, which appears whole or not at all and replaces one that is there.
pub fn save_to(home: &HostPath, texts: &[String], path: &HostPath) -> Result<(), BoxFault> {
    into_file(path, 0o666, |out| save(home, texts, out))
}

fn listed(texts: &[String]) -> String {
    let quoted: Vec<_> = texts.iter().map(|text| format!("`{text}`")).collect();
    quoted.join(", ")
}

/// One image with all its names.
struct Image {
    record: ImageRecord,
    bytes: Vec<u8>,
    media_type: String,
    manifest: Manifest,
    /// Names in registries, without those that are a digest alone.
    names: BTreeSet<Reference>,
    /// Its signatures, as far as they are kept.
    packed: Packed,
}

/// What goes into the archive.
struct Archive {
    images: Vec<Image>,
    /// Every blob once, by its path in the archive.
    blobs: BTreeMap<String, Descriptor>,
}

impl Archive {
    fn of(store: &Store, texts: &[String]) -> Result<Archive, BoxFault> {
        let mut images: Vec<Image> = Vec::new();
        for text in texts {
            for record in images::find(store, text)? {
                let name = match record.name.parse() {
                    Ok(Source::Registry(name)) if name.digest().is_none() => Some(name),
                    _ => None,
                };
                let known = images
                    .iter_mut()
                    .find(|known| known.record.manifest == record.manifest);
                match known {
                    Some(known) => known.names.extend(name),
                    None => images.push(Image::of(store, record, name)?),
                }
            }
        }
        let mut blobs = BTreeMap::new();
        for image in &images {
            let manifest = image.described();
            let layers = image.manifest.layers.iter();
            let signed = image.packed.blobs.iter().chain(&image.packed.index);
            let own = layers.chain([&image.manifest.config, &manifest]);
            for descriptor in own.chain(signed) {
                blobs.insert(blob_name(descriptor), descriptor.clone());
            }
        }
        Ok(Archive { images, blobs })
    }

    fn write(&self, store: &Store, out: &mut dyn Write) -> Result<(), BoxFault> {
        let mut tarball = Tarball::new(out);
        let directory = |tarball: &mut Tarball<_>, name: &str| {
            let member = Member::directory(name.as_bytes());
            tarball
                .add(&member, &mut io::empty())
                .map_err(Unwritten::of)
        };
        directory(&mut tarball, "blobs")?;
        let mut before = "";
        for (name, descriptor) in &self.blobs {
            let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
            if parent != before {
                directory(&mut tarball, parent)?;
                before = parent;
            }
            let object = format!("blob `{}`", descriptor.digest);
            let (digest, size) = (descriptor.digest.clone(), descriptor.size);
            if !store.has_blob(&digest, size)? {
                return Err(StoreError::Vanished(object).into());
            }
            // What was damaged since it was pulled is found here, and not by whoever loads it.
            let mut blob = VerifyingReader::new(store.open_blob(&digest)?, object, digest, size);
            let member = Member::file(name.as_bytes(), size);
            tarball.add(&member, &mut blob).map_err(Unwritten::of)?;
            io::copy(&mut blob, &mut io::sink()).map_err(Unwritten::of)?;
        }
        let layout = json!({"imageLayoutVersion": "1.0.0"});
        for (name, document) in [
            ("index.json", self.index()),
            ("manifest.json", self.manifest()),
            ("oci-layout", layout),
        ] {
            let bytes = document.to_string();
            tarball
                .add_bytes(name, bytes.as_bytes())
                .map_err(Unwritten::of)?;
        }
        tarball.finish().map_err(Unwritten::of)?;
        Ok(())
    }

    /// The list of an OCI layout: each image once for each of its names.
    fn index(&self) -> Value {
        let mut manifests = Vec::new();
        for image in &self.images {
            let target = image.target();
            for name in &image.names {
                let mut named = target.clone();
                named
                    .annotations
                    .insert(FULL_NAME.to_owned(), name.to_string());
                let tag = name.tag().map(|tag| (REF_NAME.to_owned(), tag.to_owned()));
                named.annotations.extend(tag);
                manifests.push(named);
            }
            if image.names.is_empty() {
                manifests.push(target);
            }
        }
        let signatures = self.images.iter().flat_map(|image| &image.packed.listed);
        for entry in signatures {
            if !manifests.contains(entry) {
                manifests.push(entry.clone());
            }
        }
        json!({"schemaVersion": 2, "mediaType": media::OCI_INDEX, "manifests": manifests})
    }

    /// The list of `docker save`.
    fn manifest(&self) -> Value {
        let images = self.images.iter().map(|image| {
            // Complete, as skopeo writes them: Podman takes a name without a host for one of `localhost`.
            let names: Vec<_> = image.names.iter().map(Reference::to_string).collect();
            let layers = image.manifest.layers.iter().map(blob_name);
            json!({
                "Config": blob_name(&image.manifest.config),
                "RepoTags": if names.is_empty() { Value::Null } else { json!(names) },
                "Layers": layers.collect::<Vec<_>>(),
            })
        });
        images.collect()
    }
}

impl Image {
    fn of(store: &Store, record: ImageRecord, name: Option<Reference>) -> Result<Image, BoxFault> {
        let bytes = store.read_blob(&record.manifest, MAX_DOCUMENT)?;
        let Document::Manifest(manifest) = Document::parse(&bytes, None)? else {
            return Err(NoManifest(record.name).into());
        };
        let stated: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let media_type = stated["mediaType"].as_str().unwrap_or(media::OCI_MANIFEST);
        Ok(Image {
            media_type: media_type.to_owned(),
            names: name.into_iter().collect(),
            manifest: *manifest,
            packed: vouch::packed(store, &record),
            record,
            bytes,
        })
    }

    /// What its names stand for: its manifest, or the index by which it is signed.
    fn target(&self) -> Descriptor {
        match &self.packed.index {
            Some(index) => index.clone(),
            None => Descriptor {
                platform: Some(self.record.platform.clone()),
                ..self.described()
            },
        }
    }

    fn described(&self) -> Descriptor {
        Descriptor {
            digest: self.record.manifest.clone(),
            ..Descriptor::of(&self.media_type, &self.bytes)
        }
    }
}

/// Where a blob lies in an OCI layout.
fn blob_name(descriptor: &Descriptor) -> String {
    let digest = &descriptor.digest;
    format!("blobs/{}/{}", digest.algorithm().name(), digest.hex())
}

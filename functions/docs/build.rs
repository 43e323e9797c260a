//! Compresses the files that the docs function serves: the checked-in document and page, and Swagger UI from the archive in
//! its crate, so that the page loads nothing from other sites.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{Cursor, Read, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

/// Files of this repository: path and media type.
const OURS: [(&str, &str); 3] = [
    ("openapi.json", "application/json"),
    ("page/docs.html", "text/html; charset=utf-8"),
    ("page/docs.js", "text/javascript; charset=utf-8"),
];

/// Files of Swagger UI: name under `dist` in the archive, and media type.
const SWAGGER_UI: [(&str, &str); 3] = [
    ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    ("swagger-ui.css", "text/css; charset=utf-8"),
    ("favicon-32x32.png", "image/png"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo names no manifest directory")?);
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo names no output directory")?);
    let mut list = String::from("&[\n");
    for (path, media_type) in OURS {
        let source = here.join(path);
        println!("cargo::rerun-if-changed={}", source.display());
        let name = source.file_name().and_then(|name| name.to_str()).ok_or("a file without a name")?;
        add(&mut list, &out, name, media_type, &std::fs::read(&source)?)?;
    }
    let mut archive = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
    for (name, media_type) in SWAGGER_UI {
        let end = format!("/dist/{name}");
        let path = archive.file_names().flatten().find(|path| path.ends_with(&end)).ok_or(name)?.into_owned();
        let mut content = Vec::new();
        archive.by_name(&path)?.read_to_end(&mut content)?;
        add(&mut list, &out, name, media_type, &content)?;
    }
    list.push(']');
    std::fs::write(out.join("files.rs"), list)?;
    Ok(())
}

/// Compresses a file and adds it to the list that the function embeds.
fn add(list: &mut String, out: &Path, name: &str, media_type: &str, content: &[u8]) -> Result<(), Box<dyn Error>> {
    let path = out.join(format!("{name}.gz"));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    std::fs::write(&path, encoder.finish()?)?;
    let mut checksum = flate2::Crc::new();
    checksum.update(content);
    let tag = format!("\"{:08x}-{:x}\"", checksum.sum(), content.len());
    let path = path.to_str().ok_or("cargo's output directory is not Unicode")?;
    writeln!(
        list,
        "    File {{ name: {name:?}, media_type: {media_type:?}, tag: {tag:?}, gzip: include_bytes!({path:?}) }},"
    )?;
    Ok(())
}

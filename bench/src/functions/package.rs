//! The size of a deployment package.

use std::io::{Cursor, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;

/// The size of the deployment package: the deflated program, named `bootstrap`.
pub fn zip_bytes(program: &Path) -> u64 {
    let program = std::fs::read(program).unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    let mut package = zip::ZipWriter::new(Cursor::new(Vec::new()));
    package.start_file("bootstrap", SimpleFileOptions::default().unix_permissions(0o755)).expect("room in memory");
    package.write_all(&program).expect("room in memory");
    let package = package.finish().expect("room in memory").into_inner();
    u64::try_from(package.len()).expect("a size")
}

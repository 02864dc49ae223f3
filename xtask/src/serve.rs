//! A static file server for the built page: loopback only, reads only, never above its folder.

use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest request line and header that is read.
const MAX_REQUEST_BYTES: u64 = 16 * 1024;
/// How many neighbouring ports are tried where the wanted one is taken.
const PORTS_TRIED: u16 = 20;

/// Serves `folder` until the process is ended.
pub(crate) fn run(folder: &Path, port: u16) -> Result<()> {
    if !folder.join("index.html").is_file() {
        bail!("`{}` holds no index.html: build it first with `cargo xtask site`", folder.display());
    }
    let listener = bind(port)?;
    let address = listener.local_addr().context("the socket has no address")?;
    println!("\nthe paper is at http://{address}/  (Ctrl-C ends)");
    for stream in listener.incoming() {
        match stream {
            Ok(stream) => {
                let folder = folder.to_path_buf();
                std::thread::spawn(move || {
                    // A client that goes away in mid-answer is no failure of the server.
                    let _ = answer(&folder, stream);
                });
            }
            Err(error) => eprintln!("could not accept a connection: {error}"),
        }
    }
    Ok(())
}

fn bind(port: u16) -> Result<TcpListener> {
    let last = port.saturating_add(PORTS_TRIED);
    for candidate in port..=last {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, candidate)) {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                println!("port {candidate} is taken, trying the next");
            }
            Err(error) => return Err(error).with_context(|| format!("could not listen on port {candidate}")),
        }
    }
    bail!("ports {port} to {last} are all taken: choose another with `--port N`")
}

fn answer(folder: &Path, stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?.take(MAX_REQUEST_BYTES));
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    respond(folder, &line, stream)
}

fn respond(folder: &Path, request_line: &str, mut out: impl Write) -> io::Result<()> {
    let mut words = request_line.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if method != "GET" && method != "HEAD" {
        return plain(&mut out, "405 Method Not Allowed", "only GET and HEAD are answered");
    }
    let Some(file) = resolve(folder, target) else {
        return plain(&mut out, "404 Not Found", "there is no such file");
    };
    let mut body = File::open(&file)?;
    let length = body.metadata()?.len();
    write!(
        out,
        "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nContent-Length: {length}\r\nCache-Control: no-cache\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
        mime(&file)
    )?;
    if method == "GET" {
        io::copy(&mut body, &mut out)?;
    }
    out.flush()
}

fn plain(out: &mut impl Write, status: &str, text: &str) -> io::Result<()> {
    let length = text.len() + 1;
    write!(
        out,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{text}\n"
    )?;
    out.flush()
}

/// The file that a request target means; `None` where there is none inside the folder.
fn resolve(folder: &Path, target: &str) -> Option<PathBuf> {
    let path = target.split(['?', '#']).next()?.strip_prefix('/')?;
    let path = PathBuf::from(decode(path)?);
    if !path.components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let mut file = folder.join(path);
    if file.is_dir() {
        file.push("index.html");
    }
    // A link inside the folder could lead out of it.
    let real = fs::canonicalize(&file).ok()?;
    let home = fs::canonicalize(folder).ok()?;
    (real.starts_with(home) && real.is_file()).then_some(real)
}

/// Undoes percent encoding; `None` where it is broken or hides a NUL.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' {
            let (high, low) = (rest.next()?, rest.next()?);
            let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
            digit(high)? * 16 + digit(low)?
        } else {
            byte
        });
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

fn mime(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "wasm" => "application/wasm",
        "json" => "application/json",
        "ndjson" => "application/x-ndjson",
        // Handed over as it is: the page unpacks it itself.
        "gz" => "application/gzip",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "csv" => "text/csv; charset=utf-8",
        "md" | "txt" | "cff" => "text/plain; charset=utf-8",
        "webmanifest" => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Site(PathBuf);

    impl Site {
        fn new(name: &str) -> Site {
            let top = std::env::temp_dir().join(format!("xtask-serve-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&top);
            fs::create_dir_all(top.join("dist/sub dir")).unwrap();
            fs::write(top.join("secret.txt"), "secret").unwrap();
            fs::write(top.join("dist/index.html"), "<p>hello").unwrap();
            fs::write(top.join("dist/sub dir/a.wasm"), [0, b'a', b's', b'm']).unwrap();
            std::os::unix::fs::symlink("../secret.txt", top.join("dist/leak.txt")).unwrap();
            Site(top)
        }

        fn get(&self, line: &str) -> String {
            let mut out = Vec::new();
            respond(&self.0.join("dist"), line, &mut out).unwrap();
            String::from_utf8_lossy(&out).into_owned()
        }
    }

    impl Drop for Site {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn serves_files_with_their_type() {
        let site = Site::new("types");
        let page = site.get("GET / HTTP/1.1");
        assert!(page.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"), "{page}");
        assert!(page.ends_with("\r\n\r\n<p>hello"), "{page}");
        let wasm = site.get("GET /sub%20dir/a.wasm?v=1 HTTP/1.1");
        assert!(wasm.contains("Content-Type: application/wasm\r\nContent-Length: 4\r\n"), "{wasm}");
        let head = site.get("HEAD / HTTP/1.1");
        assert!(head.contains("Content-Length: 8\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    }

    #[test]
    fn never_leaves_its_folder() {
        let site = Site::new("escape");
        for target in [
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/sub%20dir/../../secret.txt",
            "//etc/passwd",
            "/%2fetc/passwd",
            "/leak.txt",
            "/missing",
            "/%zz",
            "/%00",
            "/%",
            "secret.txt",
            "",
        ] {
            let answer = site.get(&format!("GET {target} HTTP/1.1"));
            assert!(answer.starts_with("HTTP/1.1 404 Not Found"), "{target}: {answer}");
            assert!(!answer.contains("secret\n") && !answer.contains("root:"), "{target}: {answer}");
        }
    }

    #[test]
    fn answers_reads_only() {
        let site = Site::new("reads");
        assert!(site.get("POST / HTTP/1.1").starts_with("HTTP/1.1 405 "));
        assert!(site.get("").starts_with("HTTP/1.1 405 "));
    }

    #[test]
    fn a_taken_port_gives_way_to_the_next() {
        let first = bind(43_210).unwrap();
        let second = bind(first.local_addr().unwrap().port()).unwrap();
        assert_ne!(first.local_addr().unwrap(), second.local_addr().unwrap());
    }

    #[test]
    fn an_unbuilt_page_is_named() {
        let error = run(&std::env::temp_dir().join("no-such-dist"), 0).unwrap_err().to_string();
        assert!(error.contains("holds no index.html"), "{error}");
    }
}

//! Servers that start, serve a client on loopback, and stop by their own shutdown: as root of many ids, as one user, and
//! with ids that PRoot pretends.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::Reader;
use crate::support::{leftover, require};

/// After this long a server counts as one that does not start. It is no measurement.
const PATIENCE: Duration = Duration::from_secs(90);

/// A port that nobody listens on now; the lines name it, as many tests share one network.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback is up");
    listener.local_addr().expect("it is bound").port()
}

/// What the server at `port` answers to `request`, once there is one.
#[track_caller]
fn ask(reader: &Reader, name: &str, port: u16, request: &str, answer: &str) {
    let begin = Instant::now();
    loop {
        let mut text = String::new();
        if let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            let _tried_again_below = stream
                .write_all(request.as_bytes())
                .and_then(|()| stream.read_to_string(&mut text));
        }
        if text.contains(answer) {
            return;
        }
        if begin.elapsed() > PATIENCE {
            let logs = reader.types(&format!("docker logs {name}"), "");
            panic!("{name} answered {text:?} at {port}\n{logs}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Stops a server: it says goodbye itself, nothing remains of it, and it can be removed.
#[track_caller]
fn stop(reader: &Reader, name: &str, goodbye: &str, token: &str) {
    reader
        .types(&format!("docker stop {name}"), "")
        .success()
        .prints(name);
    let logs = reader
        .types(&format!("docker logs {name} 2>&1"), "")
        .success();
    logs.mentions(goodbye);
    leftover::assert_no_process(token);
    let listed = reader.types("docker ps", "").success();
    assert!(
        !listed.stdout.contains("running"),
        "{name} still counts as running\n{listed}"
    );
    reader
        .types(&format!("docker rm {name}"), "")
        .success()
        .prints(name);
    leftover::assert_no_mount(&reader.sandbox.path(""));
}

fn redis(reader: &Reader, options: &str) {
    let port = free_port();
    let run = format!(
        "docker run --name some-redis {options} -d redis redis-server --port {port} --save 60 1 --loglevel warning"
    );
    reader.types(&run, "").success();
    ask(
        reader,
        "some-redis",
        port,
        "PING\r\nSAVE\r\nQUIT\r\n",
        "+PONG\r\n+OK\r\n+OK\r\n",
    );
    reader
        .types(
            &format!("docker exec -it some-redis redis-cli -p {port} ping"),
            "",
        )
        .success()
        .mentions("PONG");
    // What PRoot pretends to one program it does not remember for the next.
    if !options.contains("proot") {
        reader
            .types("docker exec some-redis stat -c %U /data/dump.rdb", "")
            .success()
            .mentions("redis\n");
    }
    stop(
        reader,
        "some-redis",
        "bye bye",
        &format!("127.0.0.1:{port}"),
    );
}

fn nginx(reader: &Reader, options: &str) {
    let port = free_port();
    let run = format!(
        "docker run --name some-nginx {options} -v $PWD/content:/usr/share/nginx/html:ro \
         -v $PWD/templates:/etc/nginx/templates -e NGINX_HOST=foobar.com -e NGINX_PORT={port} -d nginx"
    );
    reader.types(&run, "").success();
    ask(
        reader,
        "some-nginx",
        port,
        "GET / HTTP/1.0\r\n\r\n",
        "content of the host\n",
    );
    reader
        .types("docker run --rm --entrypoint=cat nginx /etc/nginx/nginx.conf > nginx.conf && grep -c worker_processes nginx.conf", "")
        .success()
        .prints("1");
    reader
        .types("docker logs some-nginx", "")
        .success()
        .mentions("\"GET / HTTP/1.0\" 200");
    stop(
        reader,
        "some-nginx",
        "gracefully shutting down",
        "nginx: master process nginx -g daemon off;",
    );
}

fn postgres(reader: &Reader, options: &str) {
    let port = free_port();
    let run = format!(
        "docker run --name some-postgres {options} -e POSTGRES_PASSWORD=mysecretpassword \
         -e POSTGRES_INITDB_ARGS=--no-sync -v \"$PWD/init\":/docker-entrypoint-initdb.d -d postgres \
         -c port={port} -c shared_buffers=16MB -c max_connections=20"
    );
    reader.types(&run, "").success();
    // The server refuses this start of a conversation, in its own words.
    ask(
        reader,
        "some-postgres",
        port,
        "\0\0\0\u{8}\0\0\0\u{1}",
        "unsupported frontend protocol",
    );
    let client = format!(
        "docker run -it --rm --network host -e PGPASSWORD=mysecretpassword postgres \
         psql -h 127.0.0.1 -p {port} -U postgres -Atc 'select sum(many) from things'"
    );
    reader.types(&client, "").success().mentions("42\n");
    let inside =
        format!("docker exec some-postgres psql -p {port} -U postgres -Atc 'select current_user'");
    reader.types(&inside, "").success().prints("postgres");
    stop(
        reader,
        "some-postgres",
        "database system is shut down",
        &format!("port={port}"),
    );
}

fn reader() -> Reader {
    let reader = Reader::new();
    for folder in ["content", "templates", "init"] {
        reader.sandbox.folder(&format!("desk/{folder}"));
    }
    reader.file("content/index.html", "content of the host\n");
    reader.file(
        "init/things.sql",
        "create table things (many int);\ninsert into things values (41), (1);\n",
    );
    reader.file(
        "templates/default.conf.template",
        "server {\n  listen 127.0.0.1:${NGINX_PORT};\n  server_name ${NGINX_HOST};\n  root /usr/share/nginx/html;\n}\n",
    );
    reader
}

#[test]
fn start_serve_and_stop_with_many_ids() {
    require!(Fixtures, UserNamespaces, SubIds);
    let reader = reader();
    postgres(&reader, "");
    redis(&reader, "");
    nginx(&reader, "");
}

#[test]
fn start_serve_and_stop_as_one_user() {
    require!(Fixtures, UserNamespaces);
    let reader = reader();
    postgres(&reader, "--user=postgres");
    redis(&reader, "--user=redis");
    nginx(&reader, "--user=nginx");
}

#[test]
fn start_serve_and_stop_by_proot() {
    require!(Fixtures, Ptrace);
    redis(&reader(), "--engine=proot");
}

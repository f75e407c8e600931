//! Flags of Docker that ask for what is so anyway. Each says in its help why.

/// What is typed here changes nothing; a value that would has no place in the grammar.
#[derive(clap::Args)]
pub(super) struct NatureFlags {
    /// Let an init reap processes; the guest is not process 1, and the host's init reaps for it
    #[arg(long)]
    init: bool,
    /// Check no health; no daemon is there that would
    #[arg(long)]
    no_healthcheck: bool,
    /// Do not ask for signatures of images; digests are always checked
    #[arg(
        long,
        value_name = "true",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = yes
    )]
    disable_content_trust: Option<()>,
    /// Let signals reach the guest; it gets those of this command
    #[arg(
        long,
        value_name = "true",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = yes
    )]
    sig_proxy: Option<()>,
    /// Announce ports; the guest's are the host's, whether announced or not (repeatable)
    #[arg(long, value_name = "PORT", value_parser = exposed)]
    expose: Vec<()>,
    /// Share control groups with the host; always so
    #[arg(long, value_name = "host", value_parser = host)]
    cgroupns: Option<()>,
    /// Share semaphores, queues and shared memory with the host; always so, and `shareable` for others
    #[arg(long, value_name = "host|shareable", value_parser = ipc)]
    ipc: Option<()>,
    /// Share processes with the host; always so
    #[arg(long, value_name = "host", value_parser = host)]
    pid: Option<()>,
    /// Share the names of the host; so unless `--hostname` gives another
    #[arg(long, value_name = "host", value_parser = host)]
    uts: Option<()>,
    /// How Windows isolates; on Linux there is one way
    #[arg(long, value_name = "default", value_parser = isolation)]
    isolation: Option<()>,
    /// Do not start the guest again when it has ended; nobody would
    #[arg(long, value_name = "no", value_parser = restart)]
    restart: Option<()>,
}

fn yes(text: &str) -> Result<(), String> {
    match text {
        "true" | "1" | "t" | "T" | "TRUE" | "True" => Ok(()),
        _ => Err("this cannot be switched off".to_owned()),
    }
}

fn host(text: &str) -> Result<(), String> {
    match text {
        "host" => Ok(()),
        _ => Err("the guest shares this with the host, expected `host`".to_owned()),
    }
}

fn ipc(text: &str) -> Result<(), String> {
    match text {
        "host" | "shareable" => Ok(()),
        _ => Err("the guest shares this with the host, expected `host` or `shareable`".to_owned()),
    }
}

fn isolation(text: &str) -> Result<(), String> {
    match text {
        "default" => Ok(()),
        _ => Err("this is for containers of Windows, expected `default`".to_owned()),
    }
}

fn restart(text: &str) -> Result<(), String> {
    match text {
        "no" => Ok(()),
        _ => Err(
            "no daemon is there that would start the guest again, expected `no`; a loop in the shell or a service of \
             `systemd --user` can"
                .to_owned(),
        ),
    }
}

/// `PORT[-PORT][/PROTOCOL]`, read only to find typing errors.
fn exposed(text: &str) -> Result<(), String> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    let is_sound = match (number(first), number(last)) {
        (Some(first), Some(last)) => first <= last,
        _ => false,
    };
    match is_sound && matches!(protocol, "tcp" | "udp" | "sctp") {
        true => Ok(()),
        false => Err("expected PORT[-PORT][/tcp|udp|sctp]".to_owned()),
    }
}

//! Signals by the names that people and images use.

/// Names that are not in [`NUMBERS`] because they mean the same as another.
const ALIASES: [(&str, i32); 3] = [
    ("SIGIOT", libc::SIGABRT),
    ("SIGCLD", libc::SIGCHLD),
    ("SIGPOLL", libc::SIGIO),
];

/// signal(7), "Standard signals".
const NUMBERS: [(&str, i32); 31] = [
    ("SIGHUP", libc::SIGHUP),
    ("SIGINT", libc::SIGINT),
    ("SIGQUIT", libc::SIGQUIT),
    ("SIGILL", libc::SIGILL),
    ("SIGTRAP", libc::SIGTRAP),
    ("SIGABRT", libc::SIGABRT),
    ("SIGBUS", libc::SIGBUS),
    ("SIGFPE", libc::SIGFPE),
    ("SIGKILL", libc::SIGKILL),
    ("SIGUSR1", libc::SIGUSR1),
    ("SIGSEGV", libc::SIGSEGV),
    ("SIGUSR2", libc::SIGUSR2),
    ("SIGPIPE", libc::SIGPIPE),
    ("SIGALRM", libc::SIGALRM),
    ("SIGTERM", libc::SIGTERM),
    ("SIGSTKFLT", libc::SIGSTKFLT),
    ("SIGCHLD", libc::SIGCHLD),
    ("SIGCONT", libc::SIGCONT),
    ("SIGSTOP", libc::SIGSTOP),
    ("SIGTSTP", libc::SIGTSTP),
    ("SIGTTIN", libc::SIGTTIN),
    ("SIGTTOU", libc::SIGTTOU),
    ("SIGURG", libc::SIGURG),
    ("SIGXCPU", libc::SIGXCPU),
    ("SIGXFSZ", libc::SIGXFSZ),
    ("SIGVTALRM", libc::SIGVTALRM),
    ("SIGPROF", libc::SIGPROF),
    ("SIGWINCH", libc::SIGWINCH),
    ("SIGIO", libc::SIGIO),
    ("SIGPWR", libc::SIGPWR),
    ("SIGSYS", libc::SIGSYS),
];

/// The first and the last real-time signal as every C library but ours counts them: glibc keeps two for itself,
/// musl three, and images name theirs by glibc's count. signal(7), "Real-time signals".
const RT_MIN: i32 = 34;
/// See [`RT_MIN`].
const RT_MAX: i32 = 64;

/// The number of a signal: `15`, `TERM`, `SIGTERM`, `RTMIN+3`, in any case of letters; `None` for anything else.
pub fn parse(text: &str) -> Option<i32> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text
            .parse()
            .ok()
            .filter(|number| (1..=RT_MAX).contains(number));
    }
    let upper = text.to_ascii_uppercase();
    let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
    let name = format!("SIG{bare}");
    let known = NUMBERS
        .iter()
        .chain(&ALIASES)
        .find(|(known, _)| *known == name);
    if let Some((_, number)) = known {
        return Some(*number);
    }
    let offset = |rest: &str, sign| match rest {
        "" => Some(0),
        rest => rest
            .strip_prefix(sign)?
            .parse::<i32>()
            .ok()
            .filter(|number| *number >= 0),
    };
    let number = match (bare.strip_prefix("RTMIN"), bare.strip_prefix("RTMAX")) {
        (Some(rest), _) => RT_MIN.checked_add(offset(rest, '+')?)?,
        (_, Some(rest)) => RT_MAX.checked_sub(offset(rest, '-')?)?,
        _ => return None,
    };
    (RT_MIN..=RT_MAX).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    #[test]
    fn signals_by_name_and_number() {
        for (text, number) in [
            ("15", Some(15)),
            ("term", Some(15)),
            ("SIGTERM", Some(15)),
            ("sigwinch", Some(28)),
            ("RTMIN", Some(34)),
            ("SIGRTMIN+3", Some(37)),
            ("RTMAX-1", Some(63)),
            ("RTMAX+1", None),
            ("RTMIN+99", None),
            ("0", None),
            ("65", None),
            ("", None),
            ("SIG", None),
            ("FOO", None),
            ("-9", None),
        ] {
            assert_eq!(super::parse(text), number, "{text}");
        }
    }
}

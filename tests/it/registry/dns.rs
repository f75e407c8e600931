//! Names with many addresses: the answer does not fit into a datagram, and has to be asked for again over TCP.
//!
//! musl's resolver does that since 1.2.4; one that does not takes such a name for unknown. RFC 7766, 5.

use crate::support::{Sandbox, require};

/// A name server that has 60 addresses for each name, all of them this host's, and that tells them over TCP alone. It
/// listens before it goes into the background.
const SERVER: &str = r#"
use strict; use IO::Socket::INET; use IO::Select;
socket(my $any, 2, 2, 0);
my $up = pack 'a16 s x22', 'lo', 0x41; ioctl($any, 0x8914, $up) or die "lo: $!";
my %at = (LocalAddr => '127.0.0.1', LocalPort => 53);
my $udp = IO::Socket::INET->new(%at, Proto => 'udp') or die "udp: $!";
my $tcp = IO::Socket::INET->new(%at, Proto => 'tcp', Listen => 9, ReuseAddr => 1) or die "tcp: $!";
exit 0 if fork;
sub answer {
    my ($asked, $whole) = @_;
    my $end = 12; $end += 1 + ord substr($asked, $end, 1) while ord substr($asked, $end, 1);
    my $question = substr $asked, 12, $end + 5 - 12;
    my $is_a = unpack('n', substr $asked, $end + 1, 2) == 1;
    my $count = $is_a && $whole ? 60 : 0;
    my $flags = $is_a && !$whole ? 0x8380 : 0x8180;
    my $record = pack 'n n n N n C4', 0xc00c, 1, 1, 60, 4, 127, 0, 0, 1;
    return substr($asked, 0, 2) . pack('n n n n n', $flags, 1, $count, 0, 0) . $question . $record x $count;
}
my $both = IO::Select->new($udp, $tcp);
while (1) {
    for my $ready ($both->can_read) {
        if ($ready == $udp) {
            my $from = $udp->recv(my $asked, 4096);
            $udp->send(answer($asked, 0), 0, $from);
        } else {
            my $client = $tcp->accept; binmode $client; $client->autoflush(1);
            while (2 == (read($client, my $length, 2) // 0)) {
                read $client, my $asked, unpack 'n', $length;
                my $answer = answer($asked, 1);
                print $client pack('n', length $answer) . $answer;
            }
            open my $log, '>>', $ARGV[0]; print $log "asked over TCP\n";
        }
    }
}
"#;

#[test]
fn a_name_with_sixty_addresses_is_resolved() {
    require!(Root);
    let sandbox = Sandbox::new();
    let server = sandbox.file("server.pl", SERVER);
    let resolver = sandbox.file("resolv.conf", "nameserver 127.0.0.1\n");
    let log = sandbox.file("log", "");
    let script =
        "set -e; mount --bind \"$1\" /etc/resolv.conf; perl \"$0\" \"$2\"; shift 2; exec \"$@\"";
    let start = [
        "unshare",
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
    ];
    let mut behind: Vec<String> = start.map(String::from).to_vec();
    behind.extend(["--mount-proc", "sh", "-c", script].map(String::from));
    behind.extend([&server, &resolver, &log].map(|path| path.display().to_string()));
    // Nobody listens there: to be refused, one must have come as far as that.
    sandbox
        .coracle(["manifest", "inspect", "many.invalid:1/a:1"])
        .env("CORACLE_NET_TIMEOUT", "2")
        .behind(behind)
        .run()
        .exits(1)
        .complains("cannot reach `many.invalid:1`")
        .complains("refused");
    let log = std::fs::read_to_string(log).expect("it was made above");
    assert!(log.contains("asked over TCP"), "nobody came");
}

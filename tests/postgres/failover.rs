//! The primary dies in the middle of appends, and a standby takes its place.
//!
//! ```sh
//! ALTHING_FAILOVERS=20 cargo test --release --features postgres --test postgres failover:: -- --nocapture
//! ```

use std::thread;
use std::time::Duration;

use crate::appenders::{Appender, check, found, recorded, setting};
use crate::server;

/// Long enough that appenders are at work again.
const BETWEEN: Duration = Duration::from_secs(2);
/// More than they get done.
const COMMANDS: usize = 3_000;

/// Every acknowledged event is there, whatever was under way is there once or not at all, and nobody has
/// to be started again.
#[test]
fn nothing_acknowledged_is_lost_with_the_primary() {
    let Some(mut cluster) = server::start_with(2) else {
        return;
    };
    let failovers = setting("ALTHING_FAILOVERS", 1);
    let commands = setting("ALTHING_COMMANDS", COMMANDS);
    found(&cluster.url());
    // Each server keeps its port, so one URL is good for all.
    let url = cluster.url();
    let appenders: Vec<_> = (0..3)
        .map(|process| {
            let name = format!("p{process}");
            let url = url.clone();
            thread::spawn(move || Appender::start(&url, &name, commands).acknowledged())
        })
        .collect();
    let mut done = 0;
    while done < failovers {
        thread::sleep(BETWEEN);
        assert!(
            appenders.iter().any(|appender| !appender.is_finished()),
            "all was appended before the last failover: give ALTHING_COMMANDS"
        );
        cluster.fail_over();
        done += 1;
    }
    let acknowledged: Vec<String> = appenders
        .into_iter()
        .flat_map(|appender| appender.join().unwrap())
        .collect();
    let recorded = recorded(&url);
    check(&recorded, &acknowledged);
    assert_eq!(acknowledged.len(), 3 * commands);
    println!(
        "{done} failovers, {} commands: each there once",
        acknowledged.len()
    );
}

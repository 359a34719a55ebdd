//! Which process a number means: a number is given again after a while, the time of a start is not.

use std::fmt;
use std::fs;
use std::io;

/// A process, so that no later one with the same number is taken for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// Its number.
    pub(super) pid: u32,
    /// When it started, in the kernel's ticks since the machine did.
    started: u64,
    /// Which start of the machine that was.
    boot: String,
}

impl Identity {
    /// The process that has the number now.
    pub(super) fn of(pid: u32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let (started, _) = parse_stat(&stat).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { pid, started, boot: boot()? })
    }

    /// Reads what its `Display` wrote.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let (pid, started, boot) = (words.next()?, words.next()?, words.next()?);
        Some(Self { pid: pid.parse().ok()?, started: started.parse().ok()?, boot: boot.to_owned() })
    }

    /// Whether it still runs. One that has ended and is only waiting to be noticed does not.
    pub(super) fn is_running(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        self.is_it(&stat, &boot().unwrap_or_default())
    }

    fn is_it(&self, stat: &str, boot: &str) -> bool {
        let same = |(started, state): (u64, char)| started == self.started && !matches!(state, 'Z' | 'X' | 'x');
        self.boot == boot && parse_stat(stat).is_some_and(same)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {} {}", self.pid, self.started, self.boot)
    }
}

/// The start time and the state in `/proc/<pid>/stat`: fields 22 and 3. Field 2 is a name in brackets that may hold
/// anything, brackets and spaces included.
fn parse_stat(stat: &str) -> Option<(u64, char)> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let started = fields.nth(18)?.parse().ok()?;
    Some((started, state))
}

fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "17 (a) b) S 1 17 17 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 10 11";

    #[test]
    fn a_process_is_known_by_number_start_and_boot() {
        let noted = Identity { pid: 17, started: 98_765, boot: "b-1".to_owned() };
        assert!(noted.is_it(STAT, "b-1"));
        assert!(!noted.is_it(STAT, "b-2"), "the machine was started again");
        assert!(!noted.is_it(&STAT.replace("98765", "98766"), "b-1"), "the number was given to another process");
        assert!(!noted.is_it(&STAT.replace(" S ", " Z "), "b-1"), "it has ended");
        assert!(!noted.is_it("", "b-1"), "there is no such process");
        assert_eq!(Identity::parse(&noted.to_string()), Some(noted));
        assert_eq!(Identity::parse("17 x"), None);
    }

    #[test]
    fn we_are_running() {
        let us = Identity::of(std::process::id()).unwrap();
        assert!(us.is_running());
        assert!(!Identity { started: us.started + 1, ..us }.is_running());
    }
}

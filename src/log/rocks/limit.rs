//! Opening a store within a time limit. `RocksDB` cannot be interrupted, and a damage of its files
//! that nobody has met yet may keep it busy for ever: whoever waits gets an answer.

use super::directory;
use crate::error::{Error, Result};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// How long `RocksDB` may take to open a store. A sound one takes a second or two: what grows with
/// the log is read afterwards.
pub(super) const OPENING: Duration = Duration::from_secs(120);

/// What `open` answers within `span`. Its thread is given up after that, and ends with the process.
///
/// # Errors
/// `Unavailable` when it does not come to an end, `Bug` when it panicked, and whatever it answers.
pub(super) fn opened<T: Send + 'static>(
    path: &Path,
    span: Duration,
    open: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let shown = path.display();
    let (answer, answered) = mpsc::channel();
    // When nobody waits for the answer any more, it is dropped with the channel.
    std::thread::Builder::new()
        .name("open".to_owned())
        .spawn(move || answer.send(open()).ok())
        .map_err(|error| directory::refused(error, "cannot start a thread"))?;
    answered.recv_timeout(span).unwrap_or_else(|error| match error {
        RecvTimeoutError::Timeout => Err(Error::unavailable(format!(
            "RocksDB did not open {shown} within {} s: the disk is damaged or very slow, try again \
             and see docs/runbooks/corrupt-log.md",
            span.as_secs()
        ))),
        RecvTimeoutError::Disconnected => Err(Error::bug(format!(
            "opening {shown} panicked: report it with what was printed before this line"
        ))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use std::time::Instant;

    fn opened_within(span: Duration, open: fn() -> Result<u8>) -> Result<u8> {
        opened(Path::new("some/rocks"), span, open)
    }

    #[test]
    fn an_answer_in_time_is_the_answer() {
        assert_eq!(opened_within(OPENING, || Ok(7)).unwrap(), 7);
        let error = opened_within(OPENING, || Err(Error::corrupt("torn"))).unwrap_err();
        assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Corrupt, "torn"));
    }

    #[test]
    fn no_answer_is_unavailable_and_says_where_to_look() {
        let error = opened_within(Duration::from_millis(20), || {
            loop {
                std::thread::sleep(OPENING);
            }
        });
        let error = error.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        for said in ["some/rocks", "damaged or very slow", "docs/runbooks/corrupt-log.md"] {
            assert!(error.message.contains(said), "{error}");
        }
    }

    #[test]
    fn a_panic_is_told_at_once_and_as_what_it_is() {
        let started = Instant::now();
        let error = opened_within(OPENING, || panic!("as this test wants it")).unwrap_err();
        assert!(started.elapsed() < OPENING);
        assert_eq!(error.kind, ErrorKind::Bug);
        assert!(error.message.contains("some/rocks") && error.message.contains("panicked"));
    }
}

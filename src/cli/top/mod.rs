//! `conclave top`: pools, the head of a queue and the last decisions, as they change.

mod draw;
mod seen;
#[cfg(test)]
mod tests;

use super::connection::{ReadArguments, show};
use crate::error::{Error, Result};
use clap::Args;
use draw::draw;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::{DefaultTerminal, Terminal};
use seen::Seen;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// What a frame that is printed has room for.
const COLUMNS: u16 = 120;
const ROWS: u16 = 40;

const EXAMPLES: &str = "Examples:
  conclave top
  conclave top --every 5 --server http://gpus:7070
  conclave top --once | head -20
  conclave top --data data/demo --at 1200 --once

Keys: q ends, up and down choose the pool whose queue is shown";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct TopArguments {
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    /// Print one frame and end
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    read: ReadArguments,
}

pub(super) fn run(arguments: &TopArguments) -> Result<u8> {
    if arguments.once {
        let seen = Seen::look(&arguments.read, 0)?;
        return show(&frame(&seen, None, COLUMNS, ROWS)).map(|()| 0);
    }
    if !std::io::stdout().is_terminal() {
        return Err(Error::invalid(
            "top needs a terminal: use --once for one frame, or `conclave status`",
        ));
    }
    // The first look fails before the screen is taken.
    let seen = Seen::look(&arguments.read, 0)?;
    let mut terminal = ratatui::init();
    let done = live(arguments, seen, &mut terminal);
    ratatui::restore();
    done.map(|()| 0)
}

/// What the view shows, until somebody ends it. A service that goes away meanwhile is said, and
/// looked for again.
fn live(arguments: &TopArguments, mut seen: Seen, terminal: &mut DefaultTerminal) -> Result<()> {
    let every = Duration::from_secs(arguments.every);
    let (mut chosen, mut looked, mut trouble) = (0_usize, Instant::now(), None);
    loop {
        let drawn = terminal.draw(|frame| draw(frame, &seen, trouble.as_ref()));
        drawn.map_err(no_terminal)?;
        let key = next_key(every.saturating_sub(looked.elapsed()))?;
        let pools = seen.status.pools.len();
        match key.map(act) {
            Some(Act::End) => return Ok(()),
            Some(Act::Up) => chosen = chosen.saturating_sub(1),
            Some(Act::Down) => chosen = (chosen + 1).min(pools.saturating_sub(1)),
            Some(Act::Nothing) => continue,
            None => {}
        }
        match Seen::look(&arguments.read, chosen) {
            Ok(now) => (seen, trouble) = (now, None),
            Err(error) => trouble = Some(error),
        }
        looked = Instant::now();
    }
}

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    End,
    Up,
    Down,
    Nothing,
}

fn act(key: KeyEvent) -> Act {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c') if is_control => Act::End,
        KeyCode::Char('q') | KeyCode::Esc => Act::End,
        KeyCode::Up | KeyCode::Char('k') => Act::Up,
        KeyCode::Down | KeyCode::Char('j') | KeyCode::Tab => Act::Down,
        _ => Act::Nothing,
    }
}

fn next_key(within: Duration) -> Result<Option<KeyEvent>> {
    if !event::poll(within).map_err(no_terminal)? {
        return Ok(None);
    }
    let Event::Key(key) = event::read().map_err(no_terminal)? else { return Ok(None) };
    Ok((key.kind == KeyEventKind::Press).then_some(key))
}

fn no_terminal(error: std::io::Error) -> Error {
    Error::unavailable("the terminal is gone: use --once for one frame").caused_by(error)
}

/// One frame as text.
fn frame(seen: &Seen, trouble: Option<&Error>, columns: u16, rows: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("memory is there");
    let drawn = terminal.draw(|frame| draw(frame, seen, trouble)).expect("memory is there");
    text_of(drawn.buffer)
}

fn text_of(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width).max(1);
    let line = |cells: &[ratatui::buffer::Cell]| {
        let line: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        format!("{}\n", line.trim_end())
    };
    buffer.content.chunks(width).map(line).collect()
}
